"""The shape of an EnCodec model, as a `config.json` states it.

Owns the reading, the checking and the writing of that object. It builds no network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from studio.core.errors import ModelError
from studio.models.config_fields import read_integer, read_number

# The only supported value of each field, and what its absence means to transformers.
_SUPPORTED: dict[str, tuple[Any, Any]] = {
    "use_causal_conv": (False, True),
    "norm_type": ("weight_norm", "weight_norm"),
    "normalize": (False, False),
    "audio_channels": (1, 1),
    "chunk_length_s": (None, None),
    "trim_right_ratio": (1.0, 1.0),
}
_LONGEST_SPAN = 2**14
_LONGEST_HOP = 2**16
_WIDEST = 2**14


@dataclass(frozen=True, kw_only=True)
class EncodecConfig:
    """Shape of an EnCodec model, under Hugging Face's field names.

    Attributes:
        codebooks: How many the residual quantiser has; a `config.json` states a bandwidth instead.
        pad_mode: What convolutions see beyond the ends of a sound: "reflect", its mirror image, or
            "constant", silence.
    """

    sampling_rate: int
    num_filters: int
    hidden_size: int
    codebook_size: int
    codebooks: int
    upsampling_ratios: tuple[int, ...]
    num_lstm_layers: int = 2
    num_residual_layers: int = 1
    kernel_size: int = 7
    last_kernel_size: int = 7
    residual_kernel_size: int = 3
    dilation_growth_rate: int = 2
    compress: int = 2
    use_conv_shortcut: bool = True
    pad_mode: str = "reflect"

    @property
    def hop(self) -> int:
        """Sample frames in one codec frame."""
        return math.prod(self.upsampling_ratios)

    @property
    def frame_rate(self) -> float:
        """Codec frames a second."""
        return self.sampling_rate / self.hop

    @classmethod
    def from_hf(cls, values: Mapping[str, Any]) -> Self:
        """Read the `audio_encoder` object of a `config.json`; what it leaves out is as usual.

        Raises:
            ModelError: A field is senseless, or names a variant not built here.
        """
        for name, (wanted, usual) in _SUPPORTED.items():
            given = values.get(name, usual)
            if given != wanted:
                raise ModelError(
                    f"the codec has {name} {given!r:.60}; only {wanted!r} is supported"
                )
        hidden_size = read_integer(values, "hidden_size", 128, high=4096)
        if values.get("codebook_dim") not in (None, hidden_size):
            raise ModelError(
                f"codebook_dim {values['codebook_dim']!r:.60} is not supported,"
                f" only hidden_size, {hidden_size}"
            )
        rate = read_integer(values, "sampling_rate", 24_000)
        size = read_integer(values, "codebook_size", 1024, low=2, high=2**16)
        ratios = _read_ratios(values)
        config = cls(
            sampling_rate=rate,
            num_filters=read_integer(values, "num_filters", 32, high=512),
            hidden_size=hidden_size,
            codebook_size=size,
            codebooks=_read_codebooks(values, _bits_a_second(rate, math.prod(ratios), size)),
            upsampling_ratios=ratios,
            num_lstm_layers=read_integer(values, "num_lstm_layers", 2, high=16),
            num_residual_layers=read_integer(values, "num_residual_layers", 1, low=0, high=16),
            kernel_size=read_integer(values, "kernel_size", 7, high=512),
            last_kernel_size=read_integer(values, "last_kernel_size", 7, high=512),
            residual_kernel_size=read_integer(values, "residual_kernel_size", 3, high=512),
            dilation_growth_rate=read_integer(values, "dilation_growth_rate", 2, high=64),
            compress=read_integer(values, "compress", 2, high=512),
            use_conv_shortcut=bool(values.get("use_conv_shortcut", True)),
            pad_mode=_read_pad_mode(values),
        )
        config._check_sizes()
        return config

    def _check_sizes(self) -> None:
        """Refuse numbers that are sensible alone, but not together."""
        if self.compress > self.num_filters:
            raise ModelError(
                f"compress must not be above num_filters, {self.num_filters}, not {self.compress}"
            )
        widest = self.num_filters * 2 ** len(self.upsampling_ratios)
        farthest = self.dilation_growth_rate ** max(0, self.num_residual_layers - 1)
        span = (self.residual_kernel_size - 1) * farthest
        if widest > _WIDEST or self.hop > _LONGEST_HOP or span > _LONGEST_SPAN:
            raise ModelError("the codec's sizes are out of any sensible range")

    def to_hf(self) -> dict[str, Any]:
        """The `audio_encoder` object of a `config.json`."""
        return {
            "model_type": "encodec",
            **{name: wanted for name, (wanted, _) in _SUPPORTED.items()},
            "sampling_rate": self.sampling_rate,
            "num_filters": self.num_filters,
            "hidden_size": self.hidden_size,
            "codebook_size": self.codebook_size,
            "codebook_dim": self.hidden_size,
            "upsampling_ratios": list(self.upsampling_ratios),
            "num_lstm_layers": self.num_lstm_layers,
            "num_residual_layers": self.num_residual_layers,
            "kernel_size": self.kernel_size,
            "last_kernel_size": self.last_kernel_size,
            "residual_kernel_size": self.residual_kernel_size,
            "dilation_growth_rate": self.dilation_growth_rate,
            "compress": self.compress,
            "use_conv_shortcut": self.use_conv_shortcut,
            "pad_mode": self.pad_mode,
            "target_bandwidths": [self._bandwidth()],
            "overlap": None,
        }

    def _bandwidth(self) -> float:
        """The thousands of bits a second that read back as the number of codebooks."""
        bits = _bits_a_second(self.sampling_rate, self.hop, self.codebook_size)
        bandwidth = self.codebooks * bits / 1000
        while 1000 * bandwidth < self.codebooks * bits:
            bandwidth = math.nextafter(bandwidth, math.inf)
        return bandwidth


def _bits_a_second(rate: int, hop: int, codebook_size: int) -> int:
    """What one codebook takes, with the frame rate and the bits of a code rounded up."""
    return math.ceil(rate / hop) * math.ceil(math.log2(codebook_size))


def _read_pad_mode(values: Mapping[str, Any]) -> str:
    mode = values.get("pad_mode", "reflect")
    if mode not in ("reflect", "constant"):
        raise ModelError(f"pad_mode must be 'reflect' or 'constant', not {mode!r:.60}")
    return str(mode)


def _read_ratios(values: Mapping[str, Any]) -> tuple[int, ...]:
    ratios = values.get("upsampling_ratios", [8, 5, 4, 2])
    is_list = isinstance(ratios, list | tuple) and 1 <= len(ratios) <= 12
    if not is_list or not all(type(ratio) is int and 1 <= ratio <= 512 for ratio in ratios):
        raise ModelError(
            f"upsampling_ratios must be whole numbers from 1 to 512, not {ratios!r:.60}"
        )
    return tuple(ratios)


def _read_codebooks(values: Mapping[str, Any], bits_a_second: int) -> int:
    bandwidths = values.get("target_bandwidths", [24.0])
    if not isinstance(bandwidths, list | tuple) or not bandwidths:
        raise ModelError(f"target_bandwidths must be a list of numbers, not {bandwidths!r:.60}")
    highest = read_number(
        {"target_bandwidths": bandwidths[-1]}, "target_bandwidths", 0.0, low=0.0, high=1e6
    )
    codebooks = int(1000 * highest // bits_a_second)
    if not 1 <= codebooks <= 64:
        raise ModelError(
            f"target_bandwidths {bandwidths!r:.60} make {codebooks} codebooks, not 1 to 64"
        )
    return codebooks

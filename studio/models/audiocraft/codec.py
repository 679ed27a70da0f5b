"""audiocraft's codec in Hugging Face terms.

Owns what the settings and tensor shapes of a `compression_state_dict.bin` say about the codec:
the `audio_encoder` section of a `config.json`, and where each tensor goes. It refuses whatever is
not the non-causal, weight-normalised EnCodec that every published MusicGen uses. It sees names
and shapes only, no numbers.

Facts: facebookresearch/audiocraft, `modules/seanet.py`, `modules/conv.py` and
`quantization/core_vq.py`; names as transformers' converter writes them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from studio.core.errors import ModelError
from studio.models.audiocraft.folder import SETTINGS, Settings
from studio.models.audiocraft.language import Placement, Shape, require_shapes
from studio.models.config_fields import read_integer

_MOST_RATIOS = 12

# What audiocraft takes where the settings say nothing is given behind each.
_REQUIRED: Mapping[str, tuple[tuple[Any, ...], Any]] = {
    "compression_model": (("encodec",), "encodec"),
    "encodec.autoencoder": (("seanet",), "seanet"),
    "encodec.quantizer": (("rvq",), "rvq"),
    "encodec.channels": ((1,), 1),
    "encodec.causal": ((False,), False),
    "encodec.renormalize": ((False,), False),
    "seanet.channels": ((1,), 1),
    "seanet.causal": ((False,), False),
    "seanet.activation": (("ELU",), "ELU"),
    "seanet.activation_params": (({}, {"alpha": 1.0}), {}),
    "seanet.norm": (("weight_norm",), "weight_norm"),
    "seanet.pad_mode": (("reflect", "constant"), "constant"),
    "seanet.disable_norm_outer_blocks": ((0,), 0),
    "seanet.encoder": (({},), {}),
    "seanet.decoder.trim_right_ratio": ((1.0,), 1.0),
    "seanet.decoder.final_activation": ((None,), None),
}
_DECODER_KEYS = {"trim_right_ratio", "final_activation", "final_activation_params"}
_CODEBOOK = re.compile(r"quantizer\.layers\.(\d+)\.codebook\.embed")
_CODEBOOK_STATE = re.compile(r"quantizer\.layers\.\d+\.codebook\.(inited|cluster_size|embed_avg)")


@dataclass(frozen=True, kw_only=True)
class CodecLayout:
    """A codec in Hugging Face terms.

    Attributes:
        section: The `audio_encoder` section of a `config.json`.
        placements: Every tensor, by what it is made from.
    """

    section: dict[str, Any]
    placements: tuple[Placement, ...] = field(repr=False)


def hugging_face_name(name: str) -> str:
    """The name that Hugging Face's EnCodec gives to audiocraft's tensor `name`."""
    for theirs, ours in (
        (".conv.conv.", ".conv."),
        (".convtr.convtr.", ".conv."),
        ("encoder.model.", "encoder.layers."),
        ("decoder.model.", "decoder.layers."),
        ("quantizer.vq.layers.", "quantizer.layers."),
        ("._codebook.", ".codebook."),
    ):
        name = name.replace(theirs, ours)
    for theirs, ours in (("weight_g", "original0"), ("weight_v", "original1")):
        name = re.sub(rf"\.{theirs}$", f".parametrizations.weight.{ours}", name)
    return name


def codec_layout(settings: Settings, shapes: Mapping[str, Shape]) -> CodecLayout:
    """Work out what codec `settings` and `shapes` describe.

    Args:
        settings: Its `xp.cfg`.
        shapes: The shape of each tensor, under `hugging_face_name`.

    Raises:
        ModelError: A tensor is missing or superfluous or has another shape than the settings ask
            for, or the codec is of a kind that is not computed here.
    """
    for path, (supported, absent) in _REQUIRED.items():
        settings.require(path, *supported, absent=absent)
    extra = settings.section("seanet.decoder").keys() - _DECODER_KEYS
    if extra:
        raise ModelError(f"{SETTINGS}: seanet.decoder {sorted(extra)[0]!r:.60} is not supported")
    books = sorted(int(match[1]) for name in shapes if (match := _CODEBOOK.fullmatch(name)))
    if not books or books != list(range(len(books))):
        raise ModelError("the tensors quantizer.vq.layers.*._codebook.embed are not complete")
    bins = (shapes["quantizer.layers.0.codebook.embed"] or (0,))[0]
    if bins < 2:
        raise ModelError(f"a codebook of {bins} codes says nothing")
    rate = _number(settings, "encodec.sample_rate", None, high=1_000_000)
    ratios = settings.get("seanet.ratios")
    if (
        not isinstance(ratios, list)
        or not 0 < len(ratios) <= _MOST_RATIOS
        or not all(type(ratio) is int and 1 < ratio < 1000 for ratio in ratios)
    ):
        raise ModelError(f"{SETTINGS}: seanet.ratios {ratios!r:.60} are not usable")
    settings.require("seanet.true_skip", True, False, absent=True)
    section: dict[str, Any] = {
        "model_type": "encodec",
        "sampling_rate": rate,
        "audio_channels": 1,
        "normalize": False,
        "num_filters": _number(settings, "seanet.n_filters", 32),
        "hidden_size": _number(settings, "seanet.dimension", 128),
        "codebook_size": bins,
        "codebook_dim": _number(settings, "seanet.dimension", 128),
        "upsampling_ratios": list(ratios),
        "num_lstm_layers": _number(settings, "seanet.lstm", 0, high=16),
        "num_residual_layers": _number(settings, "seanet.n_residual_layers", 3, high=16),
        "kernel_size": _number(settings, "seanet.kernel_size", 7, high=1000),
        "last_kernel_size": _number(settings, "seanet.last_kernel_size", 7, high=1000),
        "residual_kernel_size": _number(settings, "seanet.residual_kernel_size", 3, high=1000),
        "dilation_growth_rate": _number(settings, "seanet.dilation_base", 2, high=1000),
        "compress": _number(settings, "seanet.compress", 2, high=1000),
        "use_conv_shortcut": not settings.get("seanet.true_skip", True),
        "use_causal_conv": False,
        "norm_type": "weight_norm",
        "pad_mode": settings.get("seanet.pad_mode", "constant"),
        "trim_right_ratio": 1.0,
        "target_bandwidths": [_bandwidth(len(books), bins, rate, ratios)],
        "chunk_length_s": None,
        "overlap": None,
    }
    placements = tuple(
        Placement(source=name, shape=shape, targets=(f"audio_encoder.{name}",))
        for name, shape in _tensors(section, len(books), shapes)
    )
    require_shapes(placements, shapes)
    left = shapes.keys() - {placement.source for placement in placements}
    if left:
        raise ModelError(f"the tensor {min(left):.120} belongs to a part that is not supported")
    return CodecLayout(section=section, placements=placements)


def _number(settings: Settings, path: str, default: int | None, *, high: int = 65_536) -> int:
    key = path.rpartition(".")[2]
    return read_integer({key: settings.get(path, default)}, key, 0, high=high)


def _bandwidth(codebooks: int, bins: int, rate: int, ratios: list[int]) -> float:
    """The kilobits a second from which Hugging Face's EnCodec computes so many codebooks."""
    each = math.ceil(rate / math.prod(ratios)) * math.ceil(math.log2(bins))
    bandwidth = codebooks * each / 1000
    while 1000 * bandwidth // each < codebooks:
        bandwidth = math.nextafter(bandwidth, math.inf)
    return bandwidth


def _tensors(
    section: Mapping[str, Any], codebooks: int, shapes: Mapping[str, Shape]
) -> Iterator[tuple[str, Shape]]:
    yield from _encoder(section)
    yield from _decoder(section)
    bins, dimension = section["codebook_size"], section["hidden_size"]
    for k in range(codebooks):
        yield f"quantizer.layers.{k}.codebook.embed", (bins, dimension)
    state = {"inited": (1,), "cluster_size": (bins,), "embed_avg": (bins, dimension)}
    for name in shapes:
        # Only training needs these; a codec runs without them.
        if match := _CODEBOOK_STATE.fullmatch(name):
            yield name, state[match[1]]


def _encoder(section: Mapping[str, Any]) -> Iterator[tuple[str, Shape]]:
    width, layer = section["num_filters"], 0
    yield from _convolution("encoder.layers.0", width, 1, section["kernel_size"])
    for ratio in reversed(section["upsampling_ratios"]):
        for _ in range(section["num_residual_layers"]):
            layer += 1
            yield from _residual(f"encoder.layers.{layer}", width, section)
        layer += 2
        yield from _convolution(f"encoder.layers.{layer}", 2 * width, width, 2 * ratio)
        width *= 2
    yield from _recurrent(f"encoder.layers.{layer + 1}", width, section["num_lstm_layers"])
    yield from _convolution(
        f"encoder.layers.{layer + 3}", section["hidden_size"], width, section["last_kernel_size"]
    )


def _decoder(section: Mapping[str, Any]) -> Iterator[tuple[str, Shape]]:
    width, layer = section["num_filters"] * 2 ** len(section["upsampling_ratios"]), 1
    yield from _convolution(
        "decoder.layers.0", width, section["hidden_size"], section["kernel_size"]
    )
    yield from _recurrent("decoder.layers.1", width, section["num_lstm_layers"])
    for ratio in section["upsampling_ratios"]:
        layer += 2
        # A transposed convolution has its axes the other way round.
        stem = f"decoder.layers.{layer}.conv"
        yield f"{stem}.parametrizations.weight.original0", (width, 1, 1)
        yield f"{stem}.parametrizations.weight.original1", (width, width // 2, 2 * ratio)
        width //= 2
        yield f"{stem}.bias", (width,)
        for _ in range(section["num_residual_layers"]):
            layer += 1
            yield from _residual(f"decoder.layers.{layer}", width, section)
    yield from _convolution(f"decoder.layers.{layer + 2}", 1, width, section["last_kernel_size"])


def _convolution(stem: str, out: int, into: int, kernel: int) -> Iterator[tuple[str, Shape]]:
    yield f"{stem}.conv.parametrizations.weight.original0", (out, 1, 1)
    yield f"{stem}.conv.parametrizations.weight.original1", (out, into, kernel)
    yield f"{stem}.conv.bias", (out,)


def _residual(stem: str, width: int, section: Mapping[str, Any]) -> Iterator[tuple[str, Shape]]:
    hidden = width // section["compress"]
    yield from _convolution(f"{stem}.block.1", hidden, width, section["residual_kernel_size"])
    yield from _convolution(f"{stem}.block.3", width, hidden, 1)
    if section["use_conv_shortcut"]:
        yield from _convolution(f"{stem}.shortcut", width, width, 1)


def _recurrent(stem: str, width: int, layers: int) -> Iterator[tuple[str, Shape]]:
    for layer in range(layers):
        for part in ("ih", "hh"):
            yield f"{stem}.lstm.weight_{part}_l{layer}", (4 * width, width)
            yield f"{stem}.lstm.bias_{part}_l{layer}", (4 * width,)

"""EnCodec in torch: waveform to codes and back.

Owns the convolutional encoder and decoder, the residual vector quantiser, and the reading and
writing of their Hugging Face tensor names. It does not read files and knows nothing of text.

Architecture: Defossez et al. 2022, "High Fidelity Neural Audio Compression" (SEANet with a
two-layer LSTM), in the non-causal, weight-normalised, reflect-padded form that every published
MusicGen uses. Activations are [B, C, 1, T] so that the convolutions are two-dimensional ones of
height 1: on CPUs the channels-last layout of those is far faster than `Conv1d`.

Letters: B batch, K codebooks, T codec frames, N sample frames, C channels, D latent dimension.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from studio.core.errors import ModelError

_SUPPORTED = {
    "use_causal_conv": False,
    "norm_type": "weight_norm",
    "normalize": False,
    "pad_mode": "reflect",
    "audio_channels": 1,
}


@dataclass(frozen=True, kw_only=True)
class EncodecConfig:
    """Shape of an EnCodec model, under Hugging Face's field names."""

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
        """Read the `audio_encoder` object of a `config.json`.

        Raises:
            ModelError: A field is missing, senseless, or names a variant not built here.
        """
        for name, wanted in _SUPPORTED.items():
            if values.get(name, wanted) != wanted:
                raise ModelError(
                    f"This codec has {name}={values[name]!r}; only {wanted!r} is supported."
                )
        try:
            ratios = tuple(int(ratio) for ratio in values["upsampling_ratios"])
            rate, size = int(values["sampling_rate"]), int(values["codebook_size"])
            frame_rate = math.ceil(rate / math.prod(ratios))
            bandwidth = float(values["target_bandwidths"][-1])
            codebooks = int(1000 * bandwidth // (frame_rate * math.log2(size)))
            optional = {
                name: int(values[name])
                for name in (
                    "num_lstm_layers",
                    "num_residual_layers",
                    "kernel_size",
                    "last_kernel_size",
                    "residual_kernel_size",
                    "dilation_growth_rate",
                    "compress",
                )
                if name in values
            }
            config = cls(
                sampling_rate=rate,
                num_filters=int(values["num_filters"]),
                hidden_size=int(values["hidden_size"]),
                codebook_size=size,
                codebooks=codebooks,
                upsampling_ratios=ratios,
                use_conv_shortcut=bool(values.get("use_conv_shortcut", True)),
                **optional,
            )
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise ModelError(
                f"The codec's configuration is not usable: {type(error).__name__} {error}."
            ) from error
        sizes = (config.num_filters, config.hidden_size, size, codebooks, rate, *ratios)
        if min(sizes) < 1 or config.num_filters > 512 or size > 2**16 or codebooks > 64:
            raise ModelError("The codec's configuration holds sizes out of any sensible range.")
        return config

    def to_hf(self) -> dict[str, Any]:
        """The `audio_encoder` object of a `config.json`."""
        bandwidth = self.codebooks * math.ceil(self.frame_rate) * math.log2(self.codebook_size)
        return {
            "model_type": "encodec",
            **_SUPPORTED,
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
            "target_bandwidths": [bandwidth / 1000],
            "chunk_length_s": None,
            "overlap": None,
        }


class SameConv(nn.Module):
    """A convolution that keeps length / stride, reflecting at both ends."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, dilation: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, (1, kernel), stride=(1, stride), dilation=(1, dilation)
        )
        self.span = (kernel - 1) * dilation + 1
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, 1, T] to [B, C', 1, ceil(T / stride)]."""
        total = self.span - self.stride
        right = total // 2
        missing = -x.shape[-1] % self.stride
        y: Tensor = self.conv(_reflect(x, total - right, right + missing))
        return y


def _reflect(x: Tensor, left: int, right: int) -> Tensor:
    if not left and not right:
        return x
    short = max(left, right) - x.shape[-1] + 1
    if short > 0:
        padded = F.pad(F.pad(x, (0, short)), (left, right, 0, 0), mode="reflect")
        return padded[..., : padded.shape[-1] - short]
    return F.pad(x, (left, right, 0, 0), mode="reflect")


class Upsample(nn.Module):
    """A transposed convolution of kernel 2 x ratio, trimmed to T x ratio."""

    def __init__(self, in_channels: int, out_channels: int, ratio: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(in_channels, out_channels, (1, 2 * ratio), stride=(1, ratio))
        self.right = ratio // 2
        self.left = ratio - self.right

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, 1, T] to [B, C', 1, T x ratio]."""
        y: Tensor = self.conv(x)
        return y[..., self.left : y.shape[-1] - self.right]


class Residual(nn.Module):
    """ELU, k-convolution, ELU, 1-convolution, beside a shortcut."""

    def __init__(self, channels: int, config: EncodecConfig, dilation: int) -> None:
        super().__init__()
        hidden = channels // config.compress
        self.block = nn.ModuleList(
            [
                nn.ELU(),
                SameConv(channels, hidden, config.residual_kernel_size, dilation=dilation),
                nn.ELU(),
                SameConv(hidden, channels, 1),
            ]
        )
        self.shortcut = SameConv(channels, channels, 1) if config.use_conv_shortcut else None

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, 1, T] to the same shape."""
        y = x
        for layer in self.block:
            y = layer(y)
        return y + (x if self.shortcut is None else self.shortcut(x))


class Recurrent(nn.Module):
    """An LSTM along time with a skip; runs in float32 also under autocast."""

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, channels, layers)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, 1, T] to the same shape, from a zero state."""
        return self.continue_from(x, None)[0]

    def continue_from(
        self, x: Tensor, state: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Go on from `state` (None: zero) and also return the new state."""
        steps = x[:, :, 0].permute(2, 0, 1).float()
        with torch.autocast(x.device.type, enabled=False):
            out, state = self.lstm(steps, state)
        y = (out + steps).permute(1, 2, 0).unsqueeze(2)
        return y.contiguous(memory_format=torch.channels_last), state


class Encoder(nn.Module):
    """Waveform [B, 1, 1, N] to latents [B, D, 1, T]."""

    def __init__(self, config: EncodecConfig) -> None:
        super().__init__()
        width = config.num_filters
        layers: list[nn.Module] = [SameConv(1, width, config.kernel_size)]
        for ratio in reversed(config.upsampling_ratios):
            for j in range(config.num_residual_layers):
                layers.append(Residual(width, config, config.dilation_growth_rate**j))
            layers += [nn.ELU(), SameConv(width, 2 * width, 2 * ratio, stride=ratio)]
            width *= 2
        layers += [Recurrent(width, config.num_lstm_layers), nn.ELU()]
        layers.append(SameConv(width, config.hidden_size, config.last_kernel_size))
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        """[B, 1, 1, N] to [B, D, 1, T]."""
        for layer in self.layers:
            x = layer(x)
        return x


class Decoder(nn.Module):
    """Latents [B, D, 1, T] to a waveform [B, 1, 1, N]."""

    def __init__(self, config: EncodecConfig) -> None:
        super().__init__()
        width = config.num_filters * 2 ** len(config.upsampling_ratios)
        layers: list[nn.Module] = [SameConv(config.hidden_size, width, config.kernel_size)]
        layers.append(Recurrent(width, config.num_lstm_layers))
        for ratio in config.upsampling_ratios:
            layers += [nn.ELU(), Upsample(width, width // 2, ratio)]
            width //= 2
            for j in range(config.num_residual_layers):
                layers.append(Residual(width, config, config.dilation_growth_rate**j))
        layers += [nn.ELU(), SameConv(width, 1, config.last_kernel_size)]
        self.layers = nn.ModuleList(layers)

    @property
    def entry(self) -> SameConv:
        """The first convolution, over latents."""
        layer = self.layers[0]
        assert isinstance(layer, SameConv)
        return layer

    @property
    def recurrent(self) -> Recurrent:
        """The LSTM after it."""
        layer = self.layers[1]
        assert isinstance(layer, Recurrent)
        return layer

    def upsample(self, x: Tensor) -> Tensor:
        """Everything after the LSTM: [B, C, 1, T] to [B, 1, 1, N]."""
        for layer in self.layers[2:]:
            x = layer(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """[B, D, 1, T] to [B, 1, 1, N]."""
        return self.upsample(self.recurrent(self.entry(x)))


class EncodecModel(nn.Module):
    """The codec: `encode` and `decode`.

    Attributes:
        codebooks: float32 [K, V, D], V codes in each of K codebooks.
    """

    codebooks: Tensor

    def __init__(self, config: EncodecConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        shape = (config.codebooks, config.codebook_size, config.hidden_size)
        self.register_buffer("codebooks", torch.zeros(shape))
        _lay_channels_last(self)

    def latents(self, audio: Tensor) -> Tensor:
        """Waveform [B, 1, N] to unquantised latents [B, D, T], T = ceil(N / hop)."""
        latents: Tensor = self.encoder(audio.unsqueeze(2))[:, :, 0]
        return latents

    def synthesise(self, latents: Tensor) -> Tensor:
        """Latents [B, D, T] to a waveform [B, 1, T x hop]."""
        audio: Tensor = self.decoder(latents.unsqueeze(2))[:, :, 0]
        return audio

    def quantise(self, latents: Tensor) -> Tensor:
        """Latents [B, D, T] to codes int64 [B, K, T], each codebook coding the rest."""
        batch, dimension, frames = latents.shape
        rest = latents.permute(0, 2, 1).reshape(-1, dimension).float()
        codes = []
        for book in self.codebooks:
            index = nearest_code(rest, book)
            rest = rest - book[index]
            codes.append(index.view(batch, frames))
        return torch.stack(codes, dim=1)

    def embed(self, codes: Tensor) -> Tensor:
        """Codes [B, K, T] to the sum of their vectors [B, D, T]."""
        books = self.codebooks[: codes.shape[1]]
        return sum_of_codes(books, codes)

    @torch.inference_mode()
    def encode(self, audio: Tensor) -> Tensor:
        """Waveform [B, 1, N] to codes int64 [B, K, T]."""
        return self.quantise(self.latents(audio))

    @torch.inference_mode()
    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, K, T] to a waveform [B, 1, T x hop]."""
        return self.synthesise(self.embed(codes))

    def load_hf(self, tensors: Mapping[str, Tensor]) -> None:
        """Take weights under Hugging Face's names (without a prefix), folding weight norm.

        Raises:
            ModelError: A tensor is missing or has another shape.
        """
        state = {}
        for name, parameter in self.state_dict().items():
            if name == "codebooks":
                value = _stacked_codebooks(tensors, self.config.codebooks)
            elif name.endswith(".conv.weight"):
                value = _folded(tensors, name.removesuffix(".weight")).unsqueeze(2)
            else:
                value = _tensor(tensors, name)
            if value.shape != parameter.shape:
                raise ModelError(
                    f"The codec's {name} has shape {list(value.shape)}, "
                    f"its configuration asks for {list(parameter.shape)}."
                )
            state[name] = value.to(parameter.dtype)
        self.load_state_dict(state)
        _lay_channels_last(self)

    def to_hf(self) -> dict[str, Tensor]:
        """Every weight under Hugging Face's names, weight norm unfolded."""
        tensors: dict[str, Tensor] = {}
        for name, value in self.state_dict().items():
            if name == "codebooks":
                for k, book in enumerate(value):
                    prefix = f"quantizer.layers.{k}.codebook."
                    tensors[prefix + "embed"] = book.clone()
                    tensors[prefix + "embed_avg"] = book.clone()
                    tensors[prefix + "cluster_size"] = torch.ones(len(book))
                    tensors[prefix + "inited"] = torch.ones(1)
            elif name.endswith(".conv.weight"):
                weight = value.squeeze(2).contiguous()
                stem = name.removesuffix("weight") + "parametrizations.weight."
                tensors[stem + "original0"] = torch.linalg.vector_norm(
                    weight, dim=(1, 2), keepdim=True
                )
                tensors[stem + "original1"] = weight
            else:
                tensors[name] = value.clone()
        return tensors


def _lay_channels_last(model: nn.Module) -> None:
    for parameter in model.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def nearest_code(vectors: Tensor, book: Tensor) -> Tensor:
    """Index of the nearest row of `book` [V, D] for each of `vectors` [n, D]."""
    distance = book.pow(2).sum(1)[None] - 2 * vectors @ book.t()
    return distance.argmin(dim=1)


def sum_of_codes(books: Tensor, codes: Tensor) -> Tensor:
    """Sum over K of `books` [K, V, D] at `codes` [B, K, T]: [B, D, T]."""
    total = books[0][codes[:, 0]]
    for k in range(1, codes.shape[1]):
        total = total + books[k][codes[:, k]]
    return total.permute(0, 2, 1)


def _tensor(tensors: Mapping[str, Tensor], name: str) -> Tensor:
    try:
        return tensors[name].float()
    except KeyError as error:
        raise ModelError(f"The codec's tensor {name} is missing.") from error


def _stacked_codebooks(tensors: Mapping[str, Tensor], count: int) -> Tensor:
    names = [f"quantizer.layers.{k}.codebook.embed" for k in range(count)]
    books = [_tensor(tensors, name) for name in names]
    for name, book in zip(names, books, strict=True):
        if book.shape != books[0].shape:
            raise ModelError(f"The codec's {name} has another shape than {names[0]}.")
    return torch.stack(books)


def _folded(tensors: Mapping[str, Tensor], stem: str) -> Tensor:
    for gain, direction in (
        (".parametrizations.weight.original0", ".parametrizations.weight.original1"),
        (".weight_g", ".weight_v"),
    ):
        if stem + direction in tensors:
            v, g = _tensor(tensors, stem + direction), _tensor(tensors, stem + gain)
            length: Tensor = torch.linalg.vector_norm(v, dim=(1, 2), keepdim=True)
            return v * (g / length.clamp_min(1e-12))
    return _tensor(tensors, stem + ".weight")

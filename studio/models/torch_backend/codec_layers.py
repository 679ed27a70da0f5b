"""EnCodec's network: the encoder and the decoder, without what lies between them.

Owns the layers and, for each, how far it looks around, which exact streaming needs. It neither
quantises nor knows a checkpoint's names.

Architecture: Defossez et al. 2022, "High Fidelity Neural Audio Compression" (SEANet with a
two-layer LSTM), in the non-causal, weight-normalised form that every published MusicGen uses.
Activations are [B, C, 1, T] so that the convolutions are two-dimensional ones of height 1: on CPUs
the channels-last layout of those is far faster than `Conv1d`.

Letters: B batch, T codec frames, N sample frames, C channels, D latent dimension.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from studio.models.codec_config import EncodecConfig


class SameConv(nn.Module):
    """A convolution that keeps length / stride, with both ends padded."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        pad_mode: str,
        stride: int = 1,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        self.pad = _reflect if pad_mode == "reflect" else _silence
        self.conv = nn.Conv2d(
            in_channels, out_channels, (1, kernel), stride=(1, stride), dilation=(1, dilation)
        )
        self.stride = stride
        total = (kernel - 1) * dilation + 1 - stride
        self.right = total // 2
        self.left = total - self.right

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, 1, T] to [B, C', 1, ceil(T / stride)]."""
        missing = -x.shape[-1] % self.stride
        y: Tensor = self.conv(self.pad(x, self.left, self.right + missing))
        return y

    def sources(self, first: int, last: int) -> tuple[int, int]:
        """The input positions that decide the output positions `first` to `last`.

        They take in what a reflection at either end looks back at.
        """
        reach = max(self.left, self.right + self.stride - 1)
        return first * self.stride - reach, last * self.stride + reach


def _reflect(x: Tensor, left: int, right: int) -> Tensor:
    if not left and not right:
        return x
    # A sound too short to be reflected is lengthened by silence, which is then taken off again.
    short = max(left, right) - x.shape[-1] + 1
    if short > 0:
        padded = F.pad(F.pad(x, (0, short)), (left, right, 0, 0), mode="reflect")
        return padded[..., : padded.shape[-1] - short]
    return F.pad(x, (left, right, 0, 0), mode="reflect")


def _silence(x: Tensor, left: int, right: int) -> Tensor:
    return F.pad(x, (left, right, 0, 0))


class Upsample(nn.Module):
    """A transposed convolution of kernel 2 x ratio, trimmed to T x ratio."""

    def __init__(self, in_channels: int, out_channels: int, ratio: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(in_channels, out_channels, (1, 2 * ratio), stride=(1, ratio))
        self.ratio = ratio
        self.right = ratio // 2
        self.left = ratio - self.right

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, 1, T] to [B, C', 1, T x ratio]."""
        y: Tensor = self.conv(x)
        return y[..., self.left : y.shape[-1] - self.right]

    def sources(self, first: int, last: int) -> tuple[int, int]:
        """The input positions that decide the output positions `first` to `last`."""
        return (first + self.left) // self.ratio - 1, (last + self.left) // self.ratio


class Residual(nn.Module):
    """ELU, k-convolution, ELU, 1-convolution, beside a shortcut."""

    def __init__(self, channels: int, config: EncodecConfig, dilation: int) -> None:
        super().__init__()
        conv = partial(SameConv, pad_mode=config.pad_mode)
        hidden = channels // config.compress
        self.block = nn.ModuleList(
            [
                nn.ELU(),
                conv(channels, hidden, config.residual_kernel_size, dilation=dilation),
                nn.ELU(),
                conv(hidden, channels, 1),
            ]
        )
        self.shortcut = conv(channels, channels, 1) if config.use_conv_shortcut else None

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, 1, T] to the same shape."""
        y = x
        for layer in self.block:
            y = layer(y)
        return y + (x if self.shortcut is None else self.shortcut(x))

    def sources(self, first: int, last: int) -> tuple[int, int]:
        """The input positions that decide the output positions `first` to `last`."""
        return sources(self.block, first, last)


def sources(layers: Iterable[nn.Module], first: int, last: int) -> tuple[int, int]:
    """The input positions of the first layer that decide the given outputs of the last one."""
    for layer in reversed(list(layers)):
        if isinstance(layer, SameConv | Upsample | Residual):
            first, last = layer.sources(first, last)
    return first, last


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


class Network(nn.Module):
    """Layers in a row, one of them recurrent.

    Attributes:
        step_in: Input positions to one codec frame.
        step_out: Output positions to one codec frame.
    """

    def __init__(self, layers: Iterable[nn.Module], *, step_in: int, step_out: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.step_in = step_in
        self.step_out = step_out

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, 1, frames x step_in] to [B, C', 1, frames x step_out]."""
        for layer in self.layers:
            x = layer(x)
        return x

    def parted(self) -> tuple[list[nn.Module], Recurrent, list[nn.Module]]:
        """The layers before the recurrent one, that one, and those after it."""
        layers = list(self.layers)
        for place, layer in enumerate(layers):
            if isinstance(layer, Recurrent):
                return layers[:place], layer, layers[place + 1 :]
        raise AssertionError("a codec's network has a recurrent layer")


class Encoder(Network):
    """Waveform [B, 1, 1, N] to latents [B, D, 1, ceil(N / hop)]."""

    def __init__(self, config: EncodecConfig) -> None:
        conv = partial(SameConv, pad_mode=config.pad_mode)
        width = config.num_filters
        layers: list[nn.Module] = [conv(1, width, config.kernel_size)]
        for ratio in reversed(config.upsampling_ratios):
            for j in range(config.num_residual_layers):
                layers.append(Residual(width, config, config.dilation_growth_rate**j))
            layers += [nn.ELU(), conv(width, 2 * width, 2 * ratio, stride=ratio)]
            width *= 2
        layers += [Recurrent(width, config.num_lstm_layers), nn.ELU()]
        layers.append(conv(width, config.hidden_size, config.last_kernel_size))
        super().__init__(layers, step_in=config.hop, step_out=1)


class Decoder(Network):
    """Latents [B, D, 1, T] to a waveform [B, 1, 1, T x hop]."""

    def __init__(self, config: EncodecConfig) -> None:
        conv = partial(SameConv, pad_mode=config.pad_mode)
        width = config.num_filters * 2 ** len(config.upsampling_ratios)
        layers: list[nn.Module] = [conv(config.hidden_size, width, config.kernel_size)]
        layers.append(Recurrent(width, config.num_lstm_layers))
        for ratio in config.upsampling_ratios:
            layers += [nn.ELU(), Upsample(width, width // 2, ratio)]
            width //= 2
            for j in range(config.num_residual_layers):
                layers.append(Residual(width, config, config.dilation_growth_rate**j))
        layers += [nn.ELU(), conv(width, 1, config.last_kernel_size)]
        super().__init__(layers, step_in=1, step_out=config.hop)

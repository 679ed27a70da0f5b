"""EnCodec's network: the encoder and the decoder, without what lies between them.

Owns the layers and, for each, how far it looks around, which exact streaming needs. It neither
quantises nor opens a checkpoint.

Architecture: Defossez et al. 2022, "High Fidelity Neural Audio Compression" (SEANet with a
two-layer LSTM), in the non-causal, weight-normalised form that every published MusicGen
uses. Activations are [B, T, C], as mlx's convolutions want them.

Letters: B batch, T codec frames, N sample frames, C channels, D latent dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import mlx.core as mx
import mlx.nn as nn

from studio.models.codec_config import EncodecConfig
from studio.models.mlx_backend.codec_weights import take_lstm, take_normed
from studio.models.mlx_backend.weights import Tensors, take_tensor

State = list[tuple[mx.array, mx.array]]
"""Output and cell, float [B, C] each, of every layer of an LSTM."""


class Activation(nn.Module):
    """The exponential linear unit."""

    def __call__(self, x: mx.array) -> mx.array:
        """[B, T, C] to the same shape."""
        return mx.where(x > 0.0, x, mx.expm1(mx.minimum(x, 0.0)))


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
        self.weight = mx.zeros((out_channels, kernel, in_channels))
        self.bias = mx.zeros(out_channels)
        self.stride = stride
        self.dilation = dilation
        total = (kernel - 1) * dilation + 1 - stride
        self.right = total // 2
        self.left = total - self.right

    def __call__(self, x: mx.array) -> mx.array:
        """[B, T, C] to [B, ceil(T / stride), C']."""
        missing = -x.shape[1] % self.stride
        padded = self.pad(x, self.left, self.right + missing)
        return mx.conv1d(padded, self.weight, self.stride, dilation=self.dilation) + self.bias

    def sources(self, first: int, last: int) -> tuple[int, int]:
        """The input positions that decide the output positions `first` to `last`.

        They take in what a reflection at either end looks back at.
        """
        reach = max(self.left, self.right + self.stride - 1)
        return first * self.stride - reach, last * self.stride + reach

    def load_hf(self, tensors: Tensors, name: str) -> None:
        """Take the weights called `name`."""
        out_channels, kernel, in_channels = self.weight.shape
        weight = take_normed(tensors, f"{name}.conv", (out_channels, in_channels, kernel))
        self.weight = mx.contiguous(weight.swapaxes(1, 2))
        self.bias = take_tensor(tensors, f"{name}.conv.bias", self.bias.shape)


def _reflect(x: mx.array, left: int, right: int) -> mx.array:
    if not left and not right:
        return x
    # A sound too short to be reflected is lengthened by silence, which is then taken off again.
    short = max(0, max(left, right) - x.shape[1] + 1)
    if short:
        x = mx.pad(x, [(0, 0), (0, short), (0, 0)])
    last = x.shape[1] - 1
    before = mx.arange(left, 0, -1)
    after = mx.arange(last - 1, last - 1 - right, -1)
    padded = mx.concatenate([x[:, before], x, x[:, after]], axis=1)
    return padded[:, : padded.shape[1] - short]


def _silence(x: mx.array, left: int, right: int) -> mx.array:
    return mx.pad(x, [(0, 0), (left, right), (0, 0)])


class Upsample(nn.Module):
    """A transposed convolution of kernel 2 x ratio, trimmed to T x ratio.

    A stretch of `ratio` outputs hears two inputs: the first half of the kernel of one and the
    second half of that of the one before. So it is one matrix product and a shifted sum, which
    is six times faster than `mx.conv_transpose1d` on a CPU.
    """

    def __init__(self, in_channels: int, out_channels: int, ratio: int) -> None:
        super().__init__()
        self.weight = mx.zeros((in_channels, 2 * ratio * out_channels))
        self.bias = mx.zeros(out_channels)
        self.ratio = ratio
        self.left = ratio - ratio // 2

    def __call__(self, x: mx.array) -> mx.array:
        """[B, T, C] to [B, T x ratio, C']."""
        batch, length, _ = x.shape
        halves = (x @ self.weight).reshape(batch, length, 2, self.ratio, -1)
        none = [(0, 0), (0, 0)]
        begun = mx.pad(halves[:, :, 0], [(0, 0), (0, 1), *none])
        ended = mx.pad(halves[:, :, 1], [(0, 0), (1, 0), *none])
        whole = (begun + ended).reshape(batch, (length + 1) * self.ratio, -1) + self.bias
        return whole[:, self.left : self.left + length * self.ratio]

    def sources(self, first: int, last: int) -> tuple[int, int]:
        """The input positions that decide the output positions `first` to `last`."""
        return (first + self.left) // self.ratio - 1, (last + self.left) // self.ratio

    def load_hf(self, tensors: Tensors, name: str) -> None:
        """Take the weights called `name`."""
        in_channels = self.weight.shape[0]
        shape = (in_channels, len(self.bias), 2 * self.ratio)
        weight = take_normed(tensors, f"{name}.conv", shape)
        self.weight = mx.contiguous(weight.swapaxes(1, 2)).reshape(in_channels, -1)
        self.bias = take_tensor(tensors, f"{name}.conv.bias", self.bias.shape)


class Residual(nn.Module):
    """ELU, k-convolution, ELU, 1-convolution, beside a shortcut."""

    def __init__(self, channels: int, config: EncodecConfig, dilation: int) -> None:
        super().__init__()
        conv = partial(SameConv, pad_mode=config.pad_mode)
        hidden = channels // config.compress
        self.block: list[nn.Module] = [
            Activation(),
            conv(channels, hidden, config.residual_kernel_size, dilation=dilation),
            Activation(),
            conv(hidden, channels, 1),
        ]
        self.shortcut = conv(channels, channels, 1) if config.use_conv_shortcut else None

    def __call__(self, x: mx.array) -> mx.array:
        """[B, T, C] to the same shape."""
        y = x
        for layer in self.block:
            y = layer(y)
        return y + (x if self.shortcut is None else self.shortcut(x))

    def sources(self, first: int, last: int) -> tuple[int, int]:
        """The input positions that decide the output positions `first` to `last`."""
        return sources(self.block, first, last)

    def load_hf(self, tensors: Tensors, name: str) -> None:
        """Take the weights called `name`."""
        load_layers(self.block, tensors, f"{name}.block")
        if self.shortcut is not None:
            self.shortcut.load_hf(tensors, f"{name}.shortcut")


def sources(layers: Sequence[nn.Module], first: int, last: int) -> tuple[int, int]:
    """The input positions of the first layer that decide the given outputs of the last one."""
    for layer in reversed(layers):
        if isinstance(layer, SameConv | Upsample | Residual):
            first, last = layer.sources(first, last)
    return first, last


def load_layers(layers: Sequence[nn.Module], tensors: Tensors, name: str) -> None:
    """Take the weights of layers that are called by their places under `name`."""
    for place, layer in enumerate(layers):
        if isinstance(layer, SameConv | Upsample | Residual | Recurrent):
            layer.load_hf(tensors, f"{name}.{place}")


class Recurrent(nn.Module):
    """An LSTM along time with a skip.

    Attributes:
        inputs: By layer, what multiplies its input, float [C, 4 x C]: input, forget, cell and
            output gate.
        outputs: By layer, what multiplies its last output, float [C, 4 x C].
        biases: By layer, float [4 x C].
    """

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        self.inputs = [mx.zeros((channels, 4 * channels)) for _ in range(layers)]
        self.outputs = [mx.zeros((channels, 4 * channels)) for _ in range(layers)]
        self.biases = [mx.zeros(4 * channels) for _ in range(layers)]

    def __call__(self, x: mx.array) -> mx.array:
        """[B, T, C] to the same shape, from a zero state."""
        return self.continue_from(x, None)[0]

    def continue_from(self, x: mx.array, state: State | None) -> tuple[mx.array, State]:
        """Go on from `state` (None: zero) and also return the new state."""
        zero = mx.zeros((x.shape[0], x.shape[2]))
        state = [(zero, zero)] * len(self.biases) if state is None else state
        y, after = x, []
        for place, (out, cell) in enumerate(state):
            entering = y @ self.inputs[place] + self.biases[place]
            heard = []
            for frame in range(x.shape[1]):
                gates = entering[:, frame] + out @ self.outputs[place]
                let_in, keep, new, give = mx.split(gates, 4, axis=-1)
                cell = mx.sigmoid(keep) * cell + mx.sigmoid(let_in) * mx.tanh(new)
                out = mx.sigmoid(give) * mx.tanh(cell)
                heard.append(out)
            y = mx.stack(heard, axis=1)
            after.append((out, cell))
        return y + x, after

    def load_hf(self, tensors: Tensors, name: str) -> None:
        """Take the weights called `name`."""
        for place in range(len(self.biases)):
            channels = self.inputs[place].shape[0]
            taken = take_lstm(tensors, f"{name}.lstm", place, channels)
            self.inputs[place], self.outputs[place], self.biases[place] = taken


class Network(nn.Module):
    """Layers in a row, one of them recurrent.

    Attributes:
        step_in: Input positions to one codec frame.
        step_out: Output positions to one codec frame.
    """

    def __init__(self, layers: list[nn.Module], *, step_in: int, step_out: int) -> None:
        super().__init__()
        self.layers = layers
        self.step_in = step_in
        self.step_out = step_out

    def __call__(self, x: mx.array) -> mx.array:
        """[B, frames x step_in, C] to [B, frames x step_out, C']."""
        for layer in self.layers:
            x = layer(x)
        return x

    def parted(self) -> tuple[list[nn.Module], Recurrent, list[nn.Module]]:
        """The layers before the recurrent one, that one, and those after it."""
        for place, layer in enumerate(self.layers):
            if isinstance(layer, Recurrent):
                return self.layers[:place], layer, self.layers[place + 1 :]
        raise AssertionError("a codec's network has a recurrent layer")

    def load_hf(self, tensors: Tensors, name: str) -> None:
        """Take the weights called `name`."""
        load_layers(self.layers, tensors, f"{name}.layers")
        mx.eval(self.parameters())


class Encoder(Network):
    """Waveform [B, N, 1] to latents [B, ceil(N / hop), D]."""

    def __init__(self, config: EncodecConfig) -> None:
        conv = partial(SameConv, pad_mode=config.pad_mode)
        width = config.num_filters
        layers: list[nn.Module] = [conv(1, width, config.kernel_size)]
        for ratio in reversed(config.upsampling_ratios):
            for j in range(config.num_residual_layers):
                layers.append(Residual(width, config, config.dilation_growth_rate**j))
            layers += [Activation(), conv(width, 2 * width, 2 * ratio, stride=ratio)]
            width *= 2
        layers += [Recurrent(width, config.num_lstm_layers), Activation()]
        layers.append(conv(width, config.hidden_size, config.last_kernel_size))
        super().__init__(layers, step_in=config.hop, step_out=1)


class Decoder(Network):
    """Latents [B, T, D] to a waveform [B, T x hop, 1]."""

    def __init__(self, config: EncodecConfig) -> None:
        conv = partial(SameConv, pad_mode=config.pad_mode)
        width = config.num_filters * 2 ** len(config.upsampling_ratios)
        layers: list[nn.Module] = [conv(config.hidden_size, width, config.kernel_size)]
        layers.append(Recurrent(width, config.num_lstm_layers))
        for ratio in config.upsampling_ratios:
            layers += [Activation(), Upsample(width, width // 2, ratio)]
            width //= 2
            for j in range(config.num_residual_layers):
                layers.append(Residual(width, config, config.dilation_growth_rate**j))
        layers += [Activation(), conv(width, 1, config.last_kernel_size)]
        super().__init__(layers, step_in=1, step_out=config.hop)

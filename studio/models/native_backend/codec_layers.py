"""EnCodec's networks as tables of layers.

Owns the order of the layers, and how each looks around. What the tables mean is said in
`kernels.codec`; what they point to is read by `codec_weights`.

Architecture: Defossez et al. 2022, "High Fidelity Neural Audio Compression" (SEANet with an LSTM),
in the non-causal, weight-normalised form that every published MusicGen uses.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.models.codec_config import EncodecConfig
from studio.models.native_backend.codec_weights import (
    ConvolutionShape,
    Matrix,
    Tensors,
    convolution,
    filled_up,
    records,
    recurrent,
    upsampling,
)
from studio.models.native_backend.kernels.codec_tables import (
    BESIDE,
    CONVOLUTION,
    LAYER,
    MATRIX,
    RECURRENT,
    REPLACED,
    RESIDUAL,
)
from studio.models.native_backend.kernels.convolution import TILE_ROWS

BLOCK_FRAMES = 64
"""Codec frames that go through a network at once."""
_FLOAT_BYTES = 4
# What a layer reads and writes at once is to stay in the cache until the next one has read it.
_TILE_BYTES = 384 * 1024
FEWEST_SLOTS = 64
# Threads share the outputs of larger matrices, so that each reads a part of the weights.
_SHARED_BYTES = 2**20
# Smaller weights stay in the cache between one turn of a layer and the next.
_NEAR_BYTES = 2**16


class Network:
    """Layers in a row.

    Attributes:
        layers: `LAYER` records, and one more for what takes in the output.
        matrices: `MATRIX` records.
        step_in: Input positions to one codec frame.
        step_out: Output positions to one codec frame.
        channels_in: Of the input.
        channels_out: Of the output.
        width_in: Numbers from position to position of the input.
        width_out: Of the output.
        units: Numbers from position to position of the LSTM.
        work: Multiplications in a codec frame.
    """

    def __init__(self, *, step_in: int, step_out: int, channels_in: int, channels_out: int) -> None:
        self.step_in, self.step_out = step_in, step_out
        self.channels_in, self.channels_out = channels_in, channels_out
        # A single channel is not filled up: its neighbours are the taps of a convolution.
        self.width_in = 1 if channels_in == 1 else filled_up(channels_in)
        self.width_out = 1 if channels_out == 1 else filled_up(channels_out)
        self.units = 0
        self.work = 0
        self.layers: NDArray[Any] = np.zeros(0, dtype=LAYER)
        self.matrices: NDArray[Any] = np.zeros(0, dtype=MATRIX)
        self._kept: list[Matrix] = []

    def take(self, layers: NDArray[Any], matrices: NDArray[Any], kept: list[Matrix]) -> None:
        """Use these tables; `kept` is what they point to."""
        self.layers, self.matrices, self._kept = layers, matrices, kept


class _Writer:
    """Writes the tables of a network, layer after layer."""

    def __init__(self, network: Network, tensors: Tensors, name: str, config: EncodecConfig):
        self._network = network
        self._tensors = tensors
        self._name = name
        self._config = config
        self._number = 0
        self._width = network.width_in
        self._slots = network.step_in
        self._rows: list[dict[str, int]] = []
        self._matrices: list[Matrix] = []

    def activate(self) -> None:
        """The next layer reads the ELU of what it is given."""
        self._rows[-1]["after"] = REPLACED
        self._number += 1

    def convolve(
        self, channels: int, outputs: int, kernel: int, *, stride: int = 1, last: bool = False
    ) -> None:
        """A convolution that keeps length / stride."""
        shape = ConvolutionShape(
            inputs=channels, outputs=outputs, kernel=kernel, stride=stride,
            input_width=self._width,
            output_width=self._network.width_out if last else filled_up(outputs),
        )  # fmt: skip
        matrix, group, width = convolution(self._tensors, f"{self._next()}.conv", shape)
        self._slots //= stride
        self._add(
            matrix, kind=CONVOLUTION, step=stride, group=group, output_width=width,
            by_panels=int(matrix.size_bytes > _SHARED_BYTES),
            **self._surroundings(kernel, stride=stride),
        )  # fmt: skip

    def upsample(self, channels: int, ratio: int) -> None:
        """A transposed convolution that halves the channels."""
        matrix = upsampling(self._tensors, f"{self._next()}.conv", channels, ratio)
        self._add(
            matrix, kind=CONVOLUTION, reach=2, left=1, right=1, spread=ratio,
            shift=ratio - ratio // 2, output_width=filled_up(channels // 2),
            by_panels=int(matrix.size_bytes > _SHARED_BYTES),
        )  # fmt: skip
        self._slots *= ratio

    def residual(self, channels: int, dilation: int) -> None:
        """ELU, k-convolution, ELU, 1-convolution, beside a shortcut."""
        config, name = self._config, self._next()
        kernel, hidden = config.residual_kernel_size, channels // config.compress
        self._rows[-1]["after"] = BESIDE
        inner, group, width = convolution(
            self._tensors,
            f"{name}.block.1.conv",
            ConvolutionShape(
                inputs=channels, outputs=hidden, kernel=kernel, dilation=dilation,
                input_width=self._width, output_width=0,
            ),
        )  # fmt: skip
        single = ConvolutionShape(
            inputs=hidden, outputs=channels, kernel=1, input_width=width,
            output_width=self._width,
        )  # fmt: skip
        outer, _, _ = convolution(self._tensors, f"{name}.block.3.conv", single)
        following = [outer]
        if config.use_conv_shortcut:
            single = ConvolutionShape(
                inputs=channels, outputs=channels, kernel=1, input_width=self._width,
                output_width=self._width,
            )  # fmt: skip
            shortcut, _, _ = convolution(self._tensors, f"{name}.shortcut.conv", single)
            outer.bias[:] += shortcut.bias
            following.append(shortcut)
        first = len(self._matrices)
        self._add(
            inner, *following, kind=RESIDUAL, group=group, second=first + 1,
            shortcut=first + 2 if config.use_conv_shortcut else -1,
            hidden=_FLOAT_BYTES * width, output_width=self._width,
            **self._surroundings(kernel, dilation=dilation),
        )  # fmt: skip

    def recur(self, channels: int) -> None:
        """The LSTM, with a skip."""
        name, layers = f"{self._next()}.lstm", self._config.num_lstm_layers
        matrices = [
            matrix
            for layer in range(layers)
            for matrix in recurrent(self._tensors, name, layer, channels)
        ]
        self._network.units = filled_up(channels)
        self._add(
            *matrices, kind=RECURRENT, reach=1, layers=layers, output_width=self._width,
            hidden=_FLOAT_BYTES * self._width,
        )  # fmt: skip

    def finish(self) -> None:
        """Give the tables to the network."""
        usual = dict.fromkeys(("step", "reach", "group", "spread", "most"), 1)
        self._rows.append({**usual, "width": _FLOAT_BYTES * self._width})
        layers = np.zeros(len(self._rows), dtype=LAYER)
        for layer, row in zip(layers, self._rows, strict=True):
            for field, value in row.items():
                layer[field] = value
        self._network.take(layers, records(self._matrices), self._matrices)

    def _next(self) -> str:
        name = f"{self._name}.layers.{self._number}"
        self._number += 1
        return name

    def _surroundings(self, kernel: int, *, stride: int = 1, dilation: int = 1) -> dict[str, int]:
        """What a convolution sees, which keeps length / stride."""
        reach = (kernel - 1) * dilation + 1
        right = (reach - stride) // 2
        return {
            "reach": reach,
            "left": reach - stride - right,
            "right": right,
            "reflects": int(self._config.pad_mode == "reflect"),
        }

    def _add(self, *matrices: Matrix, output_width: int, **fields: int) -> None:
        usual = {"step": 1, "group": 1, "spread": 1, "second": -1, "shortcut": -1}
        row = {**usual, **fields, "first": len(self._matrices)}
        row["width"] = _FLOAT_BYTES * self._width
        row["most"] = self._most(row, output_width)
        row["least"] = min(row["most"], self._least(row, matrices))
        self._rows.append(row)
        self._matrices += matrices
        self._network.work += self._slots * sum(m.weights.size for m in matrices) // row["group"]
        self._width = output_width

    def _least(self, row: dict[str, int], matrices: tuple[Matrix, ...]) -> int:
        """How many slots to wait for: as many as are worth the reading of the weights."""
        if row["kind"] == RECURRENT:
            return BLOCK_FRAMES
        large = sum(matrix.size_bytes for matrix in matrices) > _NEAR_BYTES
        return FEWEST_SLOTS if large else TILE_ROWS * row["group"]

    def _most(self, row: dict[str, int], output_width: int) -> int:
        """How many slots to compute at once."""
        if row["kind"] == RECURRENT:
            return BLOCK_FRAMES
        slot_bytes = row["step"] * row["width"] + _FLOAT_BYTES * row["spread"] * output_width
        unit = TILE_ROWS * row["group"]
        return -(-max(FEWEST_SLOTS, _TILE_BYTES // slot_bytes) // unit) * unit


def encoder(tensors: Tensors, config: EncodecConfig) -> Network:
    """Waveform [N, 1] to latents [ceil(N / hop), D].

    Raises:
        ModelError: A tensor is missing, has another shape, or holds NaN or infinity.
    """
    network = Network(
        step_in=config.hop, step_out=1, channels_in=1, channels_out=config.hidden_size
    )
    write = _Writer(network, tensors, "encoder", config)
    width = config.num_filters
    write.convolve(1, width, config.kernel_size)
    for ratio in reversed(config.upsampling_ratios):
        for j in range(config.num_residual_layers):
            write.residual(width, config.dilation_growth_rate**j)
        write.activate()
        write.convolve(width, 2 * width, 2 * ratio, stride=ratio)
        width *= 2
    write.recur(width)
    write.activate()
    write.convolve(width, config.hidden_size, config.last_kernel_size, last=True)
    write.finish()
    return network


def decoder(tensors: Tensors, config: EncodecConfig) -> Network:
    """Latents [T, D] to a waveform [T x hop, 1].

    Raises:
        ModelError: A tensor is missing, has another shape, or holds NaN or infinity.
    """
    network = Network(
        step_in=1, step_out=config.hop, channels_in=config.hidden_size, channels_out=1
    )
    write = _Writer(network, tensors, "decoder", config)
    width = config.num_filters * 2 ** len(config.upsampling_ratios)
    write.convolve(config.hidden_size, width, config.kernel_size)
    write.recur(width)
    for ratio in config.upsampling_ratios:
        write.activate()
        write.upsample(width, ratio)
        width //= 2
        for j in range(config.num_residual_layers):
            write.residual(width, config.dilation_growth_rate**j)
    write.activate()
    write.convolve(width, 1, config.last_kernel_size, last=True)
    write.finish()
    return network

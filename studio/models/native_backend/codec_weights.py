"""EnCodec's weights under Hugging Face's names, as the kernels read them.

Owns the tensor names, the folding of the weight norm (both ways of writing it), and the forms of
the matrices. It opens no files.

A matrix has a row for each number that its product reads, a column for each that it gives.
Channels in memory are filled up to multiples of 16; the input's and the output's may not be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import ModelError
from studio.models.native_backend.kernels.codec_tables import MATRIX
from studio.models.native_backend.kernels.convolution import product_address
from studio.models.native_backend.kernels.emit import LANES
from studio.models.native_backend.weights import take

Tensors = Mapping[str, NDArray[np.float32]]
# Gain and direction, as torch writes them now and as it wrote them before.
_NORMED = (
    (".parametrizations.weight.original0", ".parametrizations.weight.original1"),
    (".weight_g", ".weight_v"),
)
_LINE_BYTES = 64
# Inputs whose weights, those of a panel, stay in the second cache for all rows.
_LONGEST_STRETCH = 2048
LEVELS_BYTES = 2**20
"""Recurrent weights of this size are rounded."""
_LEVELS = 32_767
_GATES = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Matrix:
    """A matrix in the form that `kernels.convolution` reads.

    Attributes:
        weights: [panels, segments * length, width], width 16, 32 or 64.
        bias: float32 [panels * width].
        scales: What a level stands for, float32 [panels * width]; None where weights are float32.
        segments: Parts of a row of inputs.
        segment_stride: From part to part, in bytes.
    """

    weights: NDArray[Any]
    bias: NDArray[np.float32]
    scales: NDArray[np.float32] | None = None
    segments: int = 1
    segment_stride: int = 0

    @classmethod
    def of(
        cls,
        values: NDArray[np.float32],
        bias: NDArray[np.float32],
        *,
        segments: int = 1,
        segment_stride: int = 0,
    ) -> Matrix:
        """Pack `values` [inputs, outputs], outputs a multiple of 16."""
        inputs, outputs = values.shape
        width = next(width for width in (64, 32, 16) if outputs % width == 0)
        weights = aligned((outputs // width, inputs, width))
        weights[:] = values.reshape(inputs, -1, width).transpose(1, 0, 2)
        filled = aligned((outputs,))
        filled[:] = bias
        if segments == 1 and inputs > _LONGEST_STRETCH:
            segments = -(-inputs // _LONGEST_STRETCH)
            while inputs % segments:
                segments += 1
            segment_stride = 4 * (inputs // segments)
        return cls(weights=weights, bias=filled, segments=segments, segment_stride=segment_stride)

    @property
    def size_bytes(self) -> int:
        """Of the weights."""
        return self.weights.nbytes


def records(matrices: Sequence[Matrix]) -> NDArray[Any]:
    """`MATRIX` records, which point to `matrices`."""
    table = np.zeros(len(matrices), dtype=MATRIX)
    table["product"] = product_address()
    for record, matrix in zip(table, matrices, strict=True):
        panels, inputs, width = matrix.weights.shape
        record["weights"] = matrix.weights.ctypes.data
        record["bias"] = matrix.bias.ctypes.data
        record["panels"], record["length"] = panels, inputs // matrix.segments
        record["segments"], record["segment_stride"] = matrix.segments, matrix.segment_stride
        record["quarters"] = width // LANES
        record["scales"] = 0 if matrix.scales is None else matrix.scales.ctypes.data
    return table


def aligned(shape: tuple[int, ...], kind: type[np.generic] = np.float32) -> NDArray[np.float32]:
    """Zeros that begin where a line of the cache does."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    room = np.zeros(size + _LINE_BYTES, dtype=np.uint8)
    start = -room.ctypes.data % _LINE_BYTES
    zeros: NDArray[np.float32] = room[start : start + size].view(kind).reshape(shape)
    return zeros


def filled_up(channels: int) -> int:
    """The next multiple of 16."""
    return -(-channels // LANES) * LANES


def take_normed(tensors: Tensors, name: str, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """The weight of the convolution called `name`, its norm folded in.

    Raises:
        ModelError: A tensor is missing, has another shape, or holds NaN or infinity.
    """
    for gain, direction in _NORMED:
        if name + direction in tensors:
            v = take(tensors, shape, name + direction)
            g = take(tensors, (shape[0], 1, 1), name + gain)
            length = np.sqrt(np.square(v).sum(axis=(1, 2), keepdims=True, dtype=np.float32))
            with np.errstate(over="ignore"):
                weight: NDArray[np.float32] = v * (g / np.maximum(length, np.float32(1e-12)))
            if not np.isfinite(weight).all():
                raise ModelError(f"the tensor {name}{direction} is too small for its gain")
            return weight
    return take(tensors, shape, f"{name}.weight")


def take_codebooks(tensors: Tensors, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """The codebooks, float32 [K, V, D].

    Raises:
        ModelError: A tensor is missing, has another shape, or holds NaN or infinity.
    """
    names = [f"quantizer.layers.{k}.codebook.embed" for k in range(shape[0])]
    return take(tensors, (shape[0] * shape[1], shape[2]), *names).reshape(shape)


@dataclass(frozen=True, kw_only=True)
class ConvolutionShape:
    """The shape of a convolution.

    Attributes:
        inputs: Channels.
        outputs: Channels.
        kernel: Taps.
        stride: From output to output.
        dilation: From tap to tap.
        input_width: Numbers from position to position of what it reads.
        output_width: The same of what it writes; 0 where any will do.
    """

    inputs: int
    outputs: int
    kernel: int
    input_width: int
    output_width: int
    stride: int = 1
    dilation: int = 1

    def grouped(self) -> tuple[int, int]:
        """How many outputs to compute as one row, and their width: what costs least."""
        best = None
        for group in range(1, LANES + 1):
            for width in {self.outputs, filled_up(self.outputs)}:
                if (group * width) % LANES or self.output_width not in (0, width):
                    continue
                positions = (self.kernel - 1) * self.dilation + 1 + (group - 1) * self.stride
                taps = self.kernel if group == 1 else positions
                cost = taps * width, group
                if best is None or cost < best[0]:
                    best = cost, (group, width)
        assert best is not None
        return best[1]


def convolution(tensors: Tensors, name: str, shape: ConvolutionShape) -> tuple[Matrix, int, int]:
    """The convolution called `name`, how many outputs a row of it gives, and their width.

    Raises:
        ModelError: A tensor is missing, has another shape, or holds NaN or infinity.
    """
    weight = take_normed(tensors, name, (shape.outputs, shape.inputs, shape.kernel))
    bias = take(tensors, (shape.outputs,), f"{name}.bias")
    group, width = shape.grouped()
    biases = np.zeros((group, width), dtype=np.float32)
    biases[:, : shape.outputs] = bias
    by_taps = weight.transpose(2, 1, 0)
    apart = group == 1 and shape.dilation > 1
    positions = shape.kernel
    if group > 1:
        positions = (shape.kernel - 1) * shape.dilation + 1 + (group - 1) * shape.stride
    values = np.zeros((positions, shape.input_width, group, width), dtype=np.float32)
    for place in range(group):
        for tap in range(shape.kernel):
            position = tap if group == 1 else place * shape.stride + tap * shape.dilation
            values[position, : shape.inputs, place, : shape.outputs] = by_taps[tap]
    matrix = Matrix.of(
        values.reshape(positions * shape.input_width, group * width),
        biases.reshape(-1),
        segments=shape.kernel if apart else 1,
        segment_stride=4 * shape.dilation * shape.input_width if apart else 0,
    )
    return matrix, group, width


def upsampling(tensors: Tensors, name: str, channels: int, ratio: int) -> Matrix:
    """The transposed convolution called `name`, of kernel 2 x ratio, that halves the channels.

    It reads a position and the one before it.

    Raises:
        ModelError: A tensor is missing, has another shape, or holds NaN or infinity.
    """
    half = channels // 2
    weight = take_normed(tensors, name, (channels, half, 2 * ratio))
    width = filled_up(half)
    biases = np.zeros((ratio, width), dtype=np.float32)
    biases[:, :half] = take(tensors, (half,), f"{name}.bias")
    values = np.zeros((2, filled_up(channels), ratio, width), dtype=np.float32)
    for before, taps in ((0, slice(ratio, None)), (1, slice(ratio))):
        values[before, :channels, :, :half] = weight[:, :, taps].transpose(0, 2, 1)
    return Matrix.of(values.reshape(-1, ratio * width), biases.reshape(-1))


def recurrent(tensors: Tensors, name: str, layer: int, channels: int) -> tuple[Matrix, Matrix]:
    """A layer of the LSTM called `name`: the matrices of its inputs and of its own outputs.

    A panel has the four gates of sixteen units. The second matrix is read anew for every codec
    frame; if it is too large for the nearest caches, it is rounded to 16 bits, levels of which the
    largest weight of an output has 32767.

    Args:
        tensors: Of the codec.
        name: Of the LSTM.
        layer: Which.
        channels: Units.

    Raises:
        ModelError: A tensor is missing, has another shape, or holds NaN or infinity.
    """
    parts = []
    for kind in ("ih", "hh"):
        weight = take(tensors, (_GATES * channels, channels), f"{name}.weight_{kind}_l{layer}")
        bias = take(tensors, (_GATES * channels,), f"{name}.bias_{kind}_l{layer}")
        width = filled_up(channels)
        values = np.zeros((width, _GATES, width), dtype=np.float32)
        values[:channels, :, :channels] = weight.T.reshape(channels, _GATES, channels)
        biases = np.zeros((1, _GATES, width), dtype=np.float32)
        biases[0, :, :channels] = bias.reshape(_GATES, channels)
        parts.append((_by_units(values), _by_units(biases)[0]))
    (inputs, input_bias), (own, own_bias) = parts
    matrix = Matrix.of(own, np.zeros_like(own_bias))
    if matrix.size_bytes >= LEVELS_BYTES:
        matrix = _levels(matrix)
    return Matrix.of(inputs, input_bias + own_bias), matrix


def _levels(matrix: Matrix) -> Matrix:
    """The matrix rounded to 16 bits."""
    largest = np.abs(matrix.weights).max(axis=1)
    scales = np.maximum(largest, np.float32(1e-30)) / np.float32(_LEVELS)
    weights = aligned(matrix.weights.shape, np.int16)
    np.rint(matrix.weights / scales[:, None], out=weights, casting="unsafe")
    return Matrix(weights=weights, bias=matrix.bias, scales=scales.reshape(-1))


def _by_units(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """[n, gates, units] to [n, gates * units], the gates of each sixteen units together."""
    rows, gates, units = values.shape
    split = values.reshape(rows, gates, units // LANES, LANES)
    return np.ascontiguousarray(split.swapaxes(1, 2)).reshape(rows, gates * units)

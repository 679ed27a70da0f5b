"""Parameters: taking named tensors of a checkpoint into them.

Owns the reading of a bundle's tensors by mlx and the checks on one tensor: it is there, has the
expected shape and holds finite numbers. It does not know a network's names.
"""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

from studio.core.errors import ModelError
from studio.models.bundle import Bundle, file_fault
from studio.models.updates import Update

Tensors = dict[str, mx.array]
"""Tensors by name. One that is taken is gone, so that a large model is never in memory twice."""


def open_tensors(bundle: Bundle) -> Tensors:
    """The tensors of `bundle`, none of them read yet.

    Raises:
        ModelError: A file cannot be read.
    """
    tensors: Tensors = {}
    for file in bundle.weight_files:
        try:
            stored = mx.load(str(file), format="safetensors")
        except (RuntimeError, ValueError) as error:
            raise file_fault(file, f"mlx cannot read it ({error})") from error
        assert isinstance(stored, dict)
        tensors |= {
            name: _updated(stored[name], bundle.updates.get(name, ()))
            for name, entry in bundle.entries.items()
            if entry.file == file
        }
    return tensors


def _updated(tensor: mx.array, update: Update) -> mx.array:
    """A tensor with what adapters add to it; computed when it is taken."""
    for part in update:
        up, down = mx.array(part.scale * part.up), mx.array(part.down)
        tensor = mx.add(
            tensor.astype(mx.float32, stream=mx.cpu),
            mx.matmul(up, down, stream=mx.cpu),
            stream=mx.cpu,
        )
    return tensor


def take_tensor(tensors: Tensors, name: str, shape: Sequence[int]) -> mx.array:
    """Read the tensor called `name` as float32, checked.

    Raises:
        ModelError: It is missing, has another shape than `shape`, or holds NaN or infinity.
    """
    try:
        tensor = tensors.pop(name)
    except KeyError:
        raise ModelError(f"the tensor {name} is missing") from None
    if tensor.shape != tuple(shape):
        raise ModelError(
            f"the tensor {name} has the shape {list(tensor.shape)}, expected {list(shape)}"
        )
    if not mx.issubdtype(tensor.dtype, mx.floating):
        raise ModelError(f"the tensor {name} holds {tensor.dtype}, not floating-point numbers")
    # A GPU of Apple's knows no float64.
    numbers = tensor.astype(mx.float32, stream=mx.cpu)
    try:
        finite = bool(mx.isfinite(numbers).all())
    except RuntimeError as error:
        raise ModelError(f"the tensor {name} cannot be read ({error})") from error
    if not finite:
        raise ModelError(f"the tensor {name} holds NaN or infinity")
    return numbers


def take_section(tensors: Tensors, prefix: str) -> Tensors:
    """Take all tensors whose names start with `prefix`, which is taken off."""
    names = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): tensors.pop(name) for name in names}


def fill(module: nn.Module, parameter: str, tensors: Tensors, *names: str) -> None:
    """Set a parameter of `module` to the tensors called `names`, one above the other.

    Raises:
        ModelError: One of them is missing, of the wrong shape, or not finite.
    """
    rows, *rest = module[parameter].shape
    parts = [take_tensor(tensors, name, (rows // len(names), *rest)) for name in names]
    module[parameter] = parts[0] if len(parts) == 1 else mx.concatenate(parts)
    mx.eval(module[parameter])


def size_of(module: nn.Module) -> int:
    """How many numbers `module` has."""
    named = tree_flatten(module.parameters(), destination={})
    assert isinstance(named, dict)
    return sum(array.size for array in named.values())

"""Parameters: how they begin, and copying named tensors of a checkpoint into them.

Owns the checks on one tensor: it is there, has the expected shape and holds finite numbers.
It neither opens files nor knows a network's names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from studio.core.errors import ModelError


def new_embedding(rows: int, dim: int, *, std: float = 1.0) -> nn.Embedding:
    """A table of `rows` random vectors, or of none yet on the meta device.

    `nn.Embedding` would draw normal numbers there too, for which torch imports its symbolic
    algebra: 1.3 s of every first load.
    """
    weight = torch.empty(rows, dim)
    if not weight.is_meta:
        nn.init.normal_(weight, std=std)
    table: nn.Embedding = nn.Embedding.from_pretrained(weight, freeze=False)
    return table


def read_tensor(tensors: Mapping[str, Tensor], name: str, shape: torch.Size) -> Tensor:
    """The tensor called `name`, checked.

    Raises:
        ModelError: It is missing, has another shape than `shape`, or holds NaN or infinity.
    """
    try:
        tensor = tensors[name]
    except KeyError:
        raise ModelError(f"the tensor {name} is missing") from None
    if tensor.shape != shape:
        raise ModelError(
            f"the tensor {name} has the shape {list(tensor.shape)}, expected {list(shape)}"
        )
    if not tensor.is_floating_point():
        raise ModelError(f"the tensor {name} holds {tensor.dtype}, not floating-point numbers")
    return _require_finite(tensor, name)


class Section(Mapping[str, Tensor]):
    """The tensors whose names start with a prefix, which is taken off.

    Each is read when it is asked for, so that a large part of a model is never in memory twice.
    """

    def __init__(self, tensors: Mapping[str, Tensor], prefix: str) -> None:
        self._tensors = tensors
        self._prefix = prefix

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[self._prefix + name]

    def __iter__(self) -> Iterator[str]:
        starts = (name for name in self._tensors if name.startswith(self._prefix))
        return (name.removeprefix(self._prefix) for name in starts)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def fill(parameter: Tensor, tensors: Mapping[str, Tensor], *names: str) -> None:
    """Copy the tensors called `names`, stacked along the first axis, into `parameter` in place.

    Raises:
        ModelError: One of them is missing, of the wrong shape, or not finite.
    """
    with torch.no_grad():
        for part, name in zip(parameter.chunk(len(names)), names, strict=True):
            part.copy_(read_tensor(tensors, name, part.shape))


def parts(parameter: Tensor, *names: str) -> dict[str, Tensor]:
    """The inverse of `fill`: detached copies of the equal parts of `parameter`, by name."""
    chunks = parameter.detach().chunk(len(names))
    return {name: chunk.clone() for name, chunk in zip(names, chunks, strict=True)}


def _require_finite(tensor: Tensor, name: str) -> Tensor:
    if not bool(torch.isfinite(tensor).all()):
        raise ModelError(f"the tensor {name} holds NaN or infinity")
    return tensor

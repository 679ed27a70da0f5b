"""What the decoder asks of torch in each step: operators, new memory, weights read.

Counts are the same on every machine and every day, times are not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from studio.models.backend import Condition, MusicBackend, Sampling

_LOOK_UPS = ("embedding", "index", "gather", "copy_")
# Attention: to the past and to texts, which last as well but are no weights.
_ATTENTION = ("bmm", "baddbmm")


@dataclass(frozen=True, kw_only=True, eq=False)
class Operator:
    """One call of torch.

    Attributes:
        name: Without the overload.
        inputs: Its tensors.
        new_bytes: Memory that its outputs have of their own.
    """

    name: str
    inputs: tuple[Tensor, ...]
    new_bytes: int


@dataclass(frozen=True, kw_only=True)
class Product:
    """An operator that reads weights.

    Attributes:
        rows: How many rows it multiplies them with.
        weight_bytes: Size of the weights, scales included.
    """

    rows: int
    weight_bytes: int


class Counting(TorchDispatchMode):
    """Keeps every operator that runs while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.operators: list[Operator] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        given = tuple(_tensors((args, kwargs)))
        output = func(*args, **(kwargs or {}))
        known = {_storage(tensor) for tensor in given}
        fresh = {
            _storage(tensor): _bytes(tensor)
            for tensor in _tensors(output)
            if _storage(tensor) not in known
        }
        name = str(func).split(".")[1]
        # What is kept lives on, so that no later tensor takes its identity.
        self.operators.append(Operator(name=name, inputs=given, new_bytes=sum(fresh.values())))
        return output


def count_steps(
    backend: MusicBackend,
    conditions: Sequence[Condition],
    *,
    guidance: float,
    frames: int,
) -> list[list[Operator]]:
    """The operators before the first frame is known, and those of each step after it."""
    sampling = Sampling(guidance=guidance)
    steps: list[list[Operator]] = []
    with Counting() as counting:
        made = backend.steps(
            conditions, frames=frames, seeds=range(len(conditions)), sampling=sampling
        )
        for _ in made:
            steps.append(counting.operators)
            counting.operators = []
    return steps


def products(step: Sequence[Operator], other_step: Sequence[Operator]) -> list[Product]:
    """The operators of `step` that read what `other_step` reads as well: the weights.

    Looking a few rows up in a table, and taking a view, reads next to nothing.
    """
    lasting = _identities(step) & _identities(other_step)
    found = []
    for operator in step:
        weights = [tensor for tensor in operator.inputs if id(tensor) in lasting]
        passing = [tensor for tensor in operator.inputs if id(tensor) not in lasting]
        matrices = [tensor for tensor in weights if tensor.ndim > 1]
        other = operator.name.startswith(_LOOK_UPS + _ATTENTION)
        if not matrices or not passing or other or not operator.new_bytes:
            continue
        found.append(
            Product(
                rows=passing[0].numel() // passing[0].shape[-1],
                weight_bytes=sum(_bytes(tensor) for tensor in weights),
            )
        )
    return found


def new_bytes(step: Sequence[Operator]) -> int:
    """Memory that a step asks for, whether it gives it back or not."""
    return sum(operator.new_bytes for operator in step)


def _identities(step: Sequence[Operator]) -> set[int]:
    return {id(tensor) for operator in step for tensor in operator.inputs}


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from _tensors(part)


def _storage(tensor: Tensor) -> int:
    """What is the same for two tensors that share memory."""
    if tensor.layout != torch.strided:
        return id(tensor)
    return tensor.untyped_storage().data_ptr() or id(tensor)


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()

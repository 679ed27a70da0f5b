"""What an adapter adds to a model's tensors, and tensors with it added.

Owns the sum of a stored matrix and low-rank products, computed when the matrix is read and in
double precision, so that the order of a machine's additions does not show in the result. It opens
no file and knows no names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class LowRank:
    """A matrix as the product of a tall and a wide one (Hu et al. 2021, "LoRA", section 4.1).

    Letters in shapes: O rows, I columns, R rank.

    Attributes:
        up: float32 [O, R].
        down: float32 [R, I].
        scale: Multiplies the product.
    """

    up: NDArray[np.float32]
    down: NDArray[np.float32]
    scale: float

    @property
    def shape(self) -> tuple[int, int]:
        """(O, I)."""
        return self.up.shape[0], self.down.shape[1]

    def matrix(self) -> NDArray[np.float64]:
        """The product, float64 [O, I]."""
        product: NDArray[np.float64] = self.up.astype(np.float64) @ self.down.astype(np.float64)
        return self.scale * product


Update = tuple[LowRank, ...]
"""What is added to one tensor."""


def total(update: Update) -> NDArray[np.float64]:
    """The sum of an update's products, float64 [O, I]."""
    first, *others = (part.matrix() for part in update)
    return sum(others, start=first)


class UpdatedTensors(Mapping[str, Any]):
    """Tensors, some of them with an update added as they are read; those are float32.

    Args:
        tensors: Of numpy or of PyTorch.
        updates: What to add, by the tensor's name.
    """

    def __init__(self, tensors: Mapping[str, Any], updates: Mapping[str, Update]) -> None:
        self._tensors = tensors
        self._updates = updates

    def __getitem__(self, name: str) -> Any:
        tensor = self._tensors[name]
        if name not in self._updates:
            return tensor
        added = total(self._updates[name])
        if isinstance(tensor, np.ndarray):
            return (tensor.astype(np.float64) + added).astype(np.float32)
        wide = tensor.double()
        return (wide + wide.new_tensor(added)).float()

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

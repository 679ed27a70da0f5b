"""The processes that train together, or the one that trains alone.

Owns joining those that `torchrun` or `accelerate launch` started (they say so in the
environment), and the few things they tell each other: sums, decisions, and to wait. It trains
nothing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor, distributed

from studio.core.errors import TrainingError
from studio.training.workshop.settings import Device

_Value = TypeVar("_Value")


class Company:
    """This process among those that train together.

    Attributes:
        rank: Number of this one; 0 leads: it alone writes, speaks and makes previews.
        size: How many there are.
        device: Where this one computes.
    """

    def __init__(self, rank: int, size: int, device: torch.device) -> None:
        self.rank = rank
        self.size = size
        self.device = device

    @property
    def leads(self) -> bool:
        """Whether this is the first."""
        return self.rank == 0

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes, in one exchange."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        distributed.all_reduce(flat)
        for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def told(self, value: _Value) -> _Value:
        """What the first process says; the others' own value is ignored."""
        if self.size == 1:
            return value
        box: list[_Value] = [value]
        distributed.broadcast_object_list(box, src=0)
        return box[0]


@contextlib.contextmanager
def joined(wanted: Device) -> Iterator[Company]:
    """Join the other processes for a while, if there are others.

    Args:
        wanted: Where to compute; "auto" takes a graphics card if there is one.

    Raises:
        TrainingError: There is no graphics card, or the others cannot be reached.
    """
    cuda = torch.cuda.is_available()
    if wanted == "cuda" and not cuda:
        raise TrainingError("There is no CUDA device here: leave out --device cuda.")
    use_cuda = cuda and wanted != "cpu"
    size = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", local) if use_cuda else torch.device("cpu")
    if size == 1:
        yield Company(0, 1, device)
        return
    if use_cuda:
        torch.cuda.set_device(device)
    try:
        distributed.init_process_group("nccl" if use_cuda else "gloo")
    except (RuntimeError, ValueError) as error:
        raise TrainingError(
            f"The other processes cannot be reached ({error}): start all with torchrun."
        ) from error
    try:
        yield Company(distributed.get_rank(), size, device)
    finally:
        distributed.destroy_process_group()


def processes_here() -> int:
    """How many processes of this training share this machine."""
    return max(1, int(os.environ.get("LOCAL_WORLD_SIZE", os.environ.get("WORLD_SIZE", "1"))))

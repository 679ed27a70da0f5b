"""How a step of fixed shapes is put to a device, again and again.

Owns streams, the capture of CUDA graphs, and the way of codes back to the host. It does not know
what a step computes.

A step of decoding is some hundred small operators, each done before the host could ask for the
next. So on CUDA the operators of a step are recorded once and then replayed as one. What is
recorded are addresses and shapes: all that differs between steps must lie in tensors that stay
where they are, and the step must neither ask the host for a number nor give it one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

_LOG = logging.getLogger(__name__)
_CUDA_BLOCK = 4
_MPS_BLOCK = 4


class Lane(Protocol):
    """Where steps run one after another.

    Attributes:
        device: Of every tensor of a step.
        longest_block: The most steps that are asked for at once.
        ahead: Blocks that are asked for before the one that is waited for has come.
        draws: Whether noise is computed on the device; otherwise the host does it.
    """

    device: torch.device
    longest_block: int
    ahead: int
    draws: bool

    def entered(self) -> AbstractContextManager[None]:
        """The context that everything on this lane is asked for in."""
        ...

    def join(self) -> None:
        """Let what was asked for outside come before what is asked for next; called outside."""
        ...

    def graph(self, work: Callable[[], None]) -> Callable[[], None]:
        """`work` in the form that is fastest to do again. It computes each time it is called."""
        ...

    def fetch(self, tensor: Tensor) -> Callable[[], NDArray[np.int64]]:
        """Begin to copy `tensor` to the host; the result waits until it is there."""
        ...


class PlainLane:
    """Steps that are asked for operator by operator; see `Lane`."""

    def __init__(
        self,
        device: torch.device,
        *,
        longest_block: int = 1,
        ahead: int = 0,
        draws: bool = False,
    ) -> None:
        self.device = device
        self.longest_block = longest_block
        self.ahead = ahead
        self.draws = draws

    def entered(self) -> AbstractContextManager[None]:
        """See `Lane.entered`."""
        return torch.no_grad()

    def join(self) -> None:
        """See `Lane.join`: there is one order of all work."""

    def graph(self, work: Callable[[], None]) -> Callable[[], None]:
        """See `Lane.graph`."""
        return work

    def fetch(self, tensor: Tensor) -> Callable[[], NDArray[np.int64]]:
        """See `Lane.fetch`."""

        def wait() -> NDArray[np.int64]:
            values: NDArray[np.int64] = tensor.cpu().numpy()
            return values

        return wait


class CudaLane:
    """A stream of a CUDA device, whose steps are replayed; see `Lane`.

    A stream of its own: the codec's work, on the stream of whoever asks for sound, runs beside it.
    Attention takes the one fused kernel that knows masks, or plain products where that does not
    fit; no other is recorded, so that the first take does not try out which is fastest.
    """

    longest_block = _CUDA_BLOCK
    ahead = 1
    draws = True

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream = torch.cuda.Stream(device)
        # One for all graphs: they run one after another, and what they compute on the way is not
        # needed after their end.
        self._pool = torch.cuda.graph_pool_handle()

    @contextmanager
    def entered(self) -> Iterator[None]:
        """See `Lane.entered`."""
        attention = sdpa_kernel([SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH])
        with torch.no_grad(), torch.cuda.stream(self._stream), attention:
            yield

    def join(self) -> None:
        """See `Lane.join`."""
        self._stream.wait_stream(torch.cuda.current_stream(self.device))

    def graph(self, work: Callable[[], None]) -> Callable[[], None]:
        """See `Lane.graph`."""
        recording = partial(
            torch.cuda.graph,
            pool=self._pool,
            stream=self._stream,
            capture_error_mode="thread_local",
        )
        return StepGraph(work, recording)

    def fetch(self, tensor: Tensor) -> Callable[[], NDArray[np.int64]]:
        """See `Lane.fetch`."""
        host = _pinned(tensor)
        host.copy_(tensor, non_blocking=True)
        arrived = torch.cuda.Event()
        arrived.record(self._stream)

        def wait() -> NDArray[np.int64]:
            arrived.synchronize()
            values: NDArray[np.int64] = host.numpy()
            return values

        return wait


class StepGraph:
    """Work that is recorded when it is done for the first time, and then replayed.

    The first time is also what libraries need to make ready before they are recorded. Where
    recording fails, the work is asked for operator by operator, with a notice.
    """

    def __init__(
        self,
        work: Callable[[], None],
        recording: Callable[[torch.cuda.CUDAGraph], AbstractContextManager[None]],
    ) -> None:
        """Replay `work`.

        Args:
            work: What to do.
            recording: The context in which nothing is computed, but kept in a graph.
        """
        self._work = work
        self._recording = recording
        self._replay: Callable[[], None] | None = None

    def __call__(self) -> None:
        """Do the work."""
        if self._replay is None:
            self._work()
            self._replay = self._record()
        else:
            self._replay()

    def _record(self) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        try:
            with self._recording(graph):
                self._work()
        except RuntimeError as error:
            cause = " ".join(str(error).split())
            _LOG.warning("Steps are not replayed and will be slower: %.300s", cause)
            return self._work
        return graph.replay


def open_lane(device: torch.device) -> Lane:
    """The lane that suits `device`."""
    if device.type == "cuda":
        return CudaLane(device)
    if device.type == "mps":
        return PlainLane(device, longest_block=_MPS_BLOCK)
    return PlainLane(device)


def _pinned(tensor: Tensor) -> Tensor:
    """Host memory of this size that a device writes to by itself."""
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)

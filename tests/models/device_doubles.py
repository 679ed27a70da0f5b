"""A CUDA device played by the CPU, and a watch over what a step asks for.

The graph is the part that matters: while one is recorded, nothing comes of what is asked for;
when it is replayed, the same operators run on the same memory with the same numbers from the host.
A step that keeps something in Python, or in memory of its own, gives other codes.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from studio.models.torch_backend import step_graph
from studio.models.torch_backend.step_graph import CudaLane

# These ask the device for a number, or for a shape that depends on one.
WAITING = ("_local_scalar_dense", "item", "nonzero", "masked_select", "unique", "is_nonzero")


class Watch(TorchDispatchMode):
    """Notes every operator: its name and the shapes of what it makes.

    Attributes:
        seen: In their order.
        launches: Those that compute something, rather than look at memory in another way.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[tuple[int, ...], ...]]] = []
        self.launches = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        shapes = tuple(tuple(t.shape) for t in tree_leaves(made) if isinstance(t, Tensor))
        self.seen.append((str(func), shapes))
        aliases = [each.alias_info for each in func._schema.returns]
        if not any(alias is not None and not alias.is_write for alias in aliases):
            self.launches += 1
        return made


class Graph(TorchDispatchMode):
    """Records operators without their effect on memory that was there before."""

    made = 0

    def __init__(self) -> None:
        super().__init__()
        Graph.made += 1
        self.calls: list[tuple[Any, Any, dict[str, Any], list[Tensor]]] = []
        self._before: list[tuple[Tensor, Tensor]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        assert not any(word in str(func) for word in WAITING), func
        schema = func._schema.arguments
        given = list(zip(schema, args, strict=False))
        given += [
            (argument, kwargs[argument.name]) for argument in schema if argument.name in kwargs
        ]
        for argument, value in given:
            if argument.alias_info is not None and argument.alias_info.is_write:
                self._before.append((value, value.clone()))
        made = func(*args, **kwargs)
        tensors = [t for t in tree_leaves(made) if isinstance(t, Tensor)]
        self.calls.append((func, args, kwargs, tensors))
        return made

    def undo(self) -> None:
        """Take back what recording did."""
        for tensor, before in reversed(self._before):
            tensor.copy_(before)
        self._before.clear()

    def replay(self) -> None:
        """Run all operators again, into the memory that they were recorded with."""
        for func, args, kwargs, made in self.calls:
            again = [t for t in tree_leaves(func(*args, **kwargs)) if isinstance(t, Tensor)]
            for old, new in zip(made, again, strict=True):
                if old.untyped_storage().data_ptr() != new.untyped_storage().data_ptr():
                    old.copy_(new)


class _Stream:
    def __init__(self, device: torch.device) -> None:
        self.waited = 0

    def wait_stream(self, stream: object) -> None:
        self.waited += 1


class Event:
    """Counts how often the host waits."""

    waits = 0

    def record(self, stream: _Stream) -> None:
        assert isinstance(stream, _Stream)

    def synchronize(self) -> None:
        Event.waits += 1


@contextmanager
def _recording(graph: Graph, *, pool: object, stream: object, capture_error_mode: str) -> Any:
    assert capture_error_mode == "thread_local"
    with graph:
        yield
    graph.undo()


@pytest.fixture
def cuda_lane(monkeypatch: pytest.MonkeyPatch) -> CudaLane:
    """The lane of a CUDA device, whose device is the CPU."""
    cuda = step_graph.torch.cuda
    monkeypatch.setattr(cuda, "Stream", _Stream)
    monkeypatch.setattr(cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(cuda, "current_stream", lambda device: None)
    monkeypatch.setattr(cuda, "Event", Event)
    monkeypatch.setattr(cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(cuda, "graph", _recording)
    monkeypatch.setattr(cuda, "graph_pool_handle", lambda: (0, 0))
    monkeypatch.setattr(step_graph, "_pinned", torch.empty_like)
    Graph.made = Event.waits = 0
    return CudaLane(torch.device("cpu"))

"""Work that goes on beside the caller, each lane in its own order.

Owns the threads. What is done, and what comes of it, is the caller's business.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, TypeVar

_Result = TypeVar("_Result")


class Lane(Generic[_Result]):
    """Tasks that run one after another, in the order in which they came.

    Args:
        pool: Where; None runs each task at once, on the caller's thread.
    """

    def __init__(self, pool: ThreadPoolExecutor | None) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._tasks: deque[Callable[[], _Result]] = deque()
        self._results: deque[_Result] = deque()
        self._failure: BaseException | None = None
        self._busy = False
        self._idle = threading.Condition(self._lock)

    def add(self, task: Callable[[], _Result]) -> None:
        """Have a task done after those that were added before."""
        if self._pool is None:
            self._results.append(task())
            return
        with self._lock:
            self._tasks.append(task)
            if not self._busy:
                self._busy = True
                self._pool.submit(self._run)

    def results(self) -> Iterator[_Result]:
        """What came of tasks since the last time, in their order.

        Raises:
            BaseException: What a task raised; those after it were not begun.
        """
        while self._results:
            yield self._results.popleft()
        if self._failure is not None:
            raise self._failure

    def wait(self) -> None:
        """Come back when all tasks are done, or one has failed."""
        with self._idle:
            self._idle.wait_for(lambda: not self._busy)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._tasks or self._failure is not None:
                    self._busy = False
                    self._idle.notify_all()
                    return
                task = self._tasks.popleft()
            try:
                self._results.append(task())
            except BaseException as failure:  # noqa: BLE001 - raised again where results are asked for
                self._failure = failure


@contextmanager
def lane_pool(threads: int) -> Iterator[ThreadPoolExecutor | None]:
    """Threads for lanes; None for 0. Whoever leaves early leaves no task behind."""
    if threads == 0:
        yield None
        return
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="sound")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)

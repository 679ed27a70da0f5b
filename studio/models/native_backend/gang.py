"""Threads that take part in a pass.

Owns how many there are and how they are woken up. What they do, and how they share it, is the
kernels' business: these run without Python's lock.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache

SMALL_PARAMETERS = 50_000_000
_MOST = 8


def threads_for(parameters: int, streams: int = 1) -> int:
    """How many threads a model of so many numbers computes with.

    A step of a small model is over before a second thread has woken up, unless it has many
    streams. Memory, which is what a large one waits for, is read no faster by more than a few.
    """
    small = parameters * streams < SMALL_PARAMETERS
    return 1 if small else min(_MOST, processors())


def processors() -> int:
    """Those that this process may use; `OMP_NUM_THREADS` holds here too."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def together(threads: int, work: Callable[[int], None]) -> None:
    """Call `work` with 0 to `threads` - 1 at once; 0 on the calling thread."""
    if threads == 1:
        work(0)
        return
    others = [_helpers().submit(work, number) for number in range(1, threads)]
    try:
        work(0)
    finally:
        wait(others)
    for other in others:
        other.result()


@cache
def _helpers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=_MOST, thread_name_prefix="pass")

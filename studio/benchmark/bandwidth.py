"""How fast this machine reads its memory.

Owns the measurement that the decoder's speed is held against: one take at a time reads every
weight once a step, so that this is its limit.
"""

from __future__ import annotations

import time

import torch

from studio.benchmark.machine import available_memory_bytes

_USUAL_BYTES = 2**29  # far beyond any processor's cache
_LEAST_BYTES = 2**26
_READS = 3


class ReadingSpeed:
    """Reads an array that no cache holds, with the threads that torch has at the moment."""

    def __init__(self) -> None:
        available = available_memory_bytes()
        room = _USUAL_BYTES if available is None else available // 8
        size = max(_LEAST_BYTES, min(_USUAL_BYTES, room))
        # Written to, or all of it would be one page of zeros.
        self._numbers = torch.empty(size // 4).fill_(1.0)

    def measure(self) -> float:
        """Bytes a second, the best of a few readings."""
        fastest = float("inf")
        for _ in range(_READS):
            started = time.perf_counter()
            self._numbers.sum()
            fastest = min(fastest, time.perf_counter() - started)
        return self._numbers.nbytes / fastest

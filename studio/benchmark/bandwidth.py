"""How fast a machine reads its memory.

Owns the measurement that the decoder's speed is held against: one take at a time reads every
weight once a step, so that this is its limit.
"""

from __future__ import annotations

import time

import torch

from studio.benchmark.machine import available_memory_bytes

_USUAL_BYTES = 2**29  # far beyond any processor's cache
_DEVICE_BYTES = 2**32  # a GPU has read the other in the time that a launch takes
_LEAST_BYTES = 2**26
_READS = 3


class ReadingSpeed:
    """Reads an array that no cache holds, and asks for no new memory meanwhile.

    Args:
        device: Whose memory; "cpu" is this machine's own.
    """

    def __init__(self, device: str = "cpu") -> None:
        kind = torch.device(device).type
        if kind == "cuda":
            available, usual = int(torch.cuda.mem_get_info(device)[0]), _DEVICE_BYTES
        else:
            known, usual = available_memory_bytes(), _USUAL_BYTES
            available = 8 * usual if known is None else known
        size = max(_LEAST_BYTES, min(usual, available // 8))
        # Written to, or all of it would be one page of zeros.
        self._numbers = torch.empty(size // 4, device=device).fill_(1.0)
        self._total = torch.empty((), device=device)

    def measure(self, threads: int) -> float:
        """Bytes a second, the best of a few readings by so many processor threads."""
        torch.set_num_threads(threads)
        fastest = float("inf")
        for _ in range(_READS):
            started = time.perf_counter()
            torch.sum(self._numbers, dim=0, out=self._total)
            self._total.item()  # a device answers when it is done
            fastest = min(fastest, time.perf_counter() - started)
        return self._numbers.nbytes / fastest

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from studio.generation.memory import give_back_memory

PIECES = 4000
PIECE_BYTES = 100_000  # below what the C library maps, and so frees, on its own


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take memory back by themselves")
def test_freed_memory_goes_back_to_the_system() -> None:
    pieces = [np.ones(PIECE_BYTES, dtype=np.uint8) for _ in range(PIECES)]
    last = np.ones(1000, dtype=np.uint8)  # holds the heap's end, where the library would cut it
    full = resident_bytes()
    del pieces
    give_back_memory()
    assert full - resident_bytes() > 0.9 * PIECES * PIECE_BYTES
    assert last.all()

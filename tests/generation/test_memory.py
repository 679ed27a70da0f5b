from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# In a process of its own: what other tests have left free would blur the count.
SCRIPT = """
from pathlib import Path

import numpy as np

from studio.generation.memory import give_back_memory

PIECES, PIECE_BYTES = 4000, 100_000  # a piece too small for the C library to map, and free, alone


def resident_bytes():
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


pieces = [np.ones(PIECE_BYTES, dtype=np.uint8) for _ in range(PIECES)]
last = np.ones(1000, dtype=np.uint8)  # holds the heap's end, where the library would cut it
full = resident_bytes()
del pieces
give_back_memory()
print((full - resident_bytes()) / (PIECES * PIECE_BYTES))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take memory back by themselves")
def test_freed_memory_goes_back_to_the_system(repository: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, cwd=repository
    )
    assert float(ended.stdout) > 0.9

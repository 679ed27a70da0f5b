"""What the processor runs: vector instructions written as LLVM code, and the loops around them.

Each kernel computes with lanes of sixteen numbers, whatever the processor's own width, in an order
that nothing rearranges. So a number has the same bits alone or in company, on one thread or on
many, and on every processor.

Compiled code is kept in the user's cache folder, under a name that changes with the sources:
numba looks only at the file of a function, not at those of the functions that it calls.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from numba.core import config

from studio.core.paths import kernels_dir


def _sources_digest() -> str:
    total = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        total.update(file.read_bytes())
    return total.hexdigest()[:16]


if "NUMBA_CACHE_DIR" not in os.environ:
    config.CACHE_DIR = str(kernels_dir() / _sources_digest())

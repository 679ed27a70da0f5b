"""What the processor runs: vector instructions written as LLVM code, and the loops around them.

Each kernel computes with lanes of sixteen numbers, whatever the processor's own width, in an order
that nothing rearranges. So a number has the same bits alone or in company, on one thread or on
many, and on every processor.

Compiled code is kept in the user's cache folder, under a name that changes with the sources:
numba looks only at the file of a function, not at those of the functions that it calls. Where
nothing can be kept, each process compiles for itself.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path

from numba.core import config

from studio.core.paths import kernels_dir

_OLD_SECONDS = 30 * 24 * 3600


def _sources_digest() -> str:
    total = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        total.update(file.read_bytes())
    return total.hexdigest()[:16]


def _kept_code(folder: Path) -> Path:
    """The folder for code of these sources; what older ones have left there is cleared away."""
    own = folder / _sources_digest()
    try:
        if not own.is_dir():
            own.mkdir(parents=True)
            for other in folder.iterdir():
                if other.stat().st_mtime < time.time() - _OLD_SECONDS:
                    shutil.rmtree(other, ignore_errors=True)
        if os.access(own, os.W_OK):
            return own
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="seedcrate-kernels-"))


if "NUMBA_CACHE_DIR" not in os.environ:
    config.CACHE_DIR = str(_kept_code(kernels_dir()))

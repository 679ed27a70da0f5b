"""Which backends come into question on this machine.

Owns the look for graphics processors without importing a library that computes on them: that would
take longer than loading a small model. It measures nothing.
"""

from __future__ import annotations

import ctypes.util
import platform
import sys
from importlib import metadata, util
from pathlib import Path


def possible_backends() -> tuple[str, ...]:
    """The backends that may be fastest here, of `selection.BACKENDS`, the surest first."""
    from studio.models.native_backend.support import serves_this_processor

    found = ["native"] if serves_this_processor() else []
    apple = _is_apple_silicon()
    mlx = apple and util.find_spec("mlx") is not None
    if mlx:
        found.append("mlx")
    elif apple or _may_have_cuda():
        found.append("torch")
    return tuple(found) or ("torch",)


def _is_apple_silicon() -> bool:
    return sys.platform == "darwin" and platform.machine() == "arm64"


def _may_have_cuda() -> bool:
    """Whether there are a card's driver and a PyTorch that is not for processors alone."""
    try:
        if metadata.version("torch").endswith("+cpu"):
            return False
    except metadata.PackageNotFoundError:
        return False
    if sys.platform == "win32":
        return ctypes.util.find_library("nvcuda") is not None
    return any(Path("/dev").glob("nvidia[0-9]*"))

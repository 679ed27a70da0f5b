"""Which processors the kernels serve.

Owns that one answer.
"""

from __future__ import annotations

import platform

from studio.models.native_backend.kernels.emit import processor_features

_ARM = {"arm64", "aarch64"}


def serves_this_processor() -> bool:
    """Whether it converts half precision, without which the kernels cannot be compiled."""
    return platform.machine().lower() in _ARM or "f16c" in processor_features()

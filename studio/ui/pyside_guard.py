"""Keeps a fault of one PySide6 release from ending the program.

Owns the one workaround that has to run before the window does anything. It must go when that
release is no longer accepted in `pyproject.toml`.
"""

from __future__ import annotations

import ctypes
import sys

import PySide6

_SPARE_REFERENCES = 1 << 40


def is_needed(python: tuple[int, ...], pyside: tuple[int, ...]) -> bool:
    """Whether this PySide6 gives away references that it does not have, on this Python."""
    return python < (3, 12) and pyside >= (6, 12)


def guard_singletons() -> None:
    """Give None, True and False more references than a program can lose.

    WORKAROUND: every call of PySide6 6.12.0 that returns nothing releases a reference to None
    that it never took, and some that return True or False do the same. These objects are
    immortal from Python 3.12 on (PEP 683); before, the process ends with "none_dealloc" or
    "bool_dealloc" after some ten thousand calls. Measured with `sys.getrefcount(None)`: 6.12.0
    loses one a call, 6.11.3 none. https://peps.python.org/pep-0683/
    """
    if is_needed(sys.version_info[:2], PySide6.__version_info__[:2]):
        for singleton in (None, True, False):
            ctypes.c_ssize_t.from_address(id(singleton)).value += _SPARE_REFERENCES

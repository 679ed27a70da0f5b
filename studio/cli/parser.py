"""A parser whose flags are declared when they are needed.

Owns the one difference from argparse: a verb with heavy imports behind its flags does not load
them for every other verb.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any


class LazyParser(argparse.ArgumentParser):
    """An `ArgumentParser`, and so are its verbs.

    Args:
        fill: Declares the flags; called once, before the first parsing.
    """

    def __init__(
        self, *args: Any, fill: Callable[[argparse.ArgumentParser], None] | None = None, **kw: Any
    ) -> None:
        super().__init__(*args, **kw)
        self._fill = fill

    def parse_known_args(self, *args: Any, **kw: Any) -> Any:
        """As argparse, with the flags declared first."""
        fill, self._fill = self._fill, None
        if fill is not None:
            fill(self)
        return super().parse_known_args(*args, **kw)

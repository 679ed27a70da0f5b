"""Ctrl+C while takes are made.

Owns the answer to SIGINT during a run: what is being made stops within a decoder step, and takes
that are finished are stored first.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Self


class Interrupts:
    """Ctrl+C interrupts at once, except between `hold` and `release`.

    There it is only noted, for `asked` to tell; a second one does not wait.
    """

    def __init__(self) -> None:
        self._held = False
        self._asked = False
        self._installed = False

    def __enter__(self) -> Self:
        # Only a program in the foreground has Python's own handler; others ignore Ctrl+C.
        mine = threading.current_thread() is threading.main_thread()
        if mine and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._interrupted)
            self._installed = True
        return self

    def __exit__(self, *error: object) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def asked(self) -> bool:
        """Whether Ctrl+C was pressed since `hold`."""
        return self._asked

    def hold(self) -> None:
        """From here on something would be lost."""
        self._held = True

    def release(self) -> None:
        """Nothing is lost any more.

        Raises:
            KeyboardInterrupt: Ctrl+C was pressed meanwhile.
        """
        self._held = False
        if self._asked:
            raise KeyboardInterrupt

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        if self._asked or not self._held:
            raise KeyboardInterrupt
        self._asked = True

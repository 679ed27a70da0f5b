"""The written record of a training run.

Owns one append-only file of JSON lines, a stage and its figures on each, echoed to a stream so
that a person can watch. It decides nothing.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TextIO


class Journal:
    """Appends figures to a log as they come."""

    def __init__(self, file: Path, echo: TextIO | None = None) -> None:
        self._file = file
        self._echo = echo
        self._start = time.monotonic()

    def write(self, stage: str, **figures: object) -> None:
        """Add one line: the stage, seconds since this process began, and the figures."""
        seconds = round(time.monotonic() - self._start)
        line = json.dumps({"stage": stage, "at_seconds": seconds, **figures})
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
        if self._echo is not None:
            self._echo.write(line + "\n")
            self._echo.flush()

"""The box for the length of a take.

Owns how a length is written: bars, seconds or codec steps.
"""

from __future__ import annotations

import re
from typing import TypedDict

from studio.generation.request import GenerationRequest
from studio.ui.controls import ComboBox

_CHOICES = ("1", "2", "4", "8", "16")
_SECONDS = re.compile(r"(\d+(?:[.,]\d*)?) ?s", flags=re.ASCII)
_STEPS = re.compile(r"(\d+) ?steps?", flags=re.ASCII)
_BARS = re.compile(r"(\d+)(?: ?bars?)?", flags=re.ASCII)


class Length(TypedDict):
    """The length fields of a request; one is not None."""

    bars: int | None
    duration_seconds: float | None
    max_steps: int | None


class LengthBox(ComboBox):
    """A number of bars, or a length such as "8.5 s"."""

    def __init__(self, bars: int) -> None:
        super().__init__()
        self.setObjectName("bars_combo")
        self.setEditable(True)
        self.addItems(_CHOICES)
        self.setCurrentText(str(bars))
        self.setToolTip("Length of the loop in bars of 4/4, 1 to 64; or of a take, as 8.5 s")
        self.setAccessibleName("Bars")

    def length(self) -> Length:
        """What is asked for; text that is no length is 0 bars, which is refused later."""
        text = self.currentText().strip().lower()
        length = Length(bars=None, duration_seconds=None, max_steps=None)
        if found := _SECONDS.fullmatch(text):
            length["duration_seconds"] = float(found[1].replace(",", "."))
        elif found := _STEPS.fullmatch(text):
            length["max_steps"] = int(found[1])
        else:
            found = _BARS.fullmatch(text)
            length["bars"] = int(found[1]) if found else 0
        return length

    def show_request(self, request: GenerationRequest) -> None:
        """Show the length of a stored recipe."""
        if request.duration_seconds is not None:
            self.setCurrentText(f"{request.duration_seconds!r} s")
        elif request.max_steps is not None:
            self.setCurrentText(f"{request.max_steps} steps")
        elif request.bars is not None:
            self.setCurrentText(str(request.bars))

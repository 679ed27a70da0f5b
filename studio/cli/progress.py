"""How far a run of takes is, on the terminal.

Owns the one line on stderr that is drawn again and again. Where stderr is no terminal it draws
nothing.
"""

from __future__ import annotations

import sys
import time
from typing import Self

from studio.cli.context import say
from studio.generation.remaining import RemainingTime, clock
from studio.generation.request import Chunk

_BAR_CHARACTERS = 30
_LEAST_SECONDS = 0.05
_CLEAR = "\r\x1b[K"


class ProgressBar:
    """One line over all takes of a run, those made at once and those still to come.

    Args:
        takes: How many takes the run has.
        title: What a run of one take is called.
    """

    def __init__(self, takes: int, title: str) -> None:
        self._takes = takes
        self._title = title
        self._parts: dict[int, float] = {}
        self._remaining = RemainingTime()
        self._visible = sys.stderr.isatty()
        self._drawn_at = -1.0

    def __enter__(self) -> Self:
        self._draw(0.0, "loading")
        return self

    def __exit__(self, *error: object) -> None:
        self.clear()

    def clear(self) -> None:
        """Make room for other lines; the next step draws it again."""
        if self._visible:
            print(_CLEAR, end="", file=sys.stderr, flush=True)
        self._drawn_at = -1.0

    def say(self, message: str) -> None:
        """A message on a line of its own."""
        self.clear()
        say(message)

    def show(self, place: int, chunk: Chunk) -> None:
        """Draw how far the run is.

        Args:
            place: Number of the take in the run, from 0.
            chunk: Its newest sound.
        """
        self._parts[place] = chunk.done_steps / chunk.total_steps
        now = time.monotonic()
        done = sum(self._parts.values())
        left = self._remaining.update(done, self._takes, now)
        last = done >= self._takes
        if last or self._drawn_at < 0 or now - self._drawn_at >= _LEAST_SECONDS:
            self._drawn_at = now
            text = f"{done / self._takes:4.0%}"
            self._draw(done / self._takes, text if left is None else f"{text}, {clock(left)} left")

    def _draw(self, part: float, text: str) -> None:
        if self._visible:
            full = round(part * _BAR_CHARACTERS)
            line = "#" * full + "." * (_BAR_CHARACTERS - full)
            print(f"{_CLEAR}{self._name()} [{line}] {text}", end="", file=sys.stderr, flush=True)

    def _name(self) -> str:
        if self._takes == 1:
            return self._title
        running = [place + 1 for place, part in self._parts.items() if part < 1]
        if not running:
            return f"{self._takes} takes"
        first, last = min(running), max(running)
        which = f"take {first}" if first == last else f"takes {first}-{last}"
        return f"{which} of {self._takes}"

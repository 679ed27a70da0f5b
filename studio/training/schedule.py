"""Training by the clock: how long, and the learning rate on the way.

A laptop's owner knows how long the machine may work, not how many steps that makes.
"""

from __future__ import annotations

import math
import time


class ClockSchedule:
    """A warm-up by steps and a cosine decay by elapsed time.

    Attributes:
        minutes: Wall time the stage may take.
        peak: Highest learning rate.
        floor: Learning rate at the end.
        warm_up_steps: Steps of linear rise.
    """

    def __init__(self, *, minutes: float, peak: float, floor: float, warm_up_steps: int) -> None:
        self.minutes = minutes
        self.peak = peak
        self.floor = floor
        self.warm_up_steps = warm_up_steps
        self._start = time.monotonic()

    @property
    def elapsed_seconds(self) -> float:
        """Since the stage began."""
        return time.monotonic() - self._start

    @property
    def fraction(self) -> float:
        """Elapsed share of the stage, 0 to 1."""
        return min(1.0, self.elapsed_seconds / (self.minutes * 60))

    @property
    def over(self) -> bool:
        """True once the time is used up."""
        return self.fraction >= 1.0

    def rate(self, step: int) -> float:
        """Learning rate at `step`, now."""
        cosine = 0.5 * (1 + math.cos(math.pi * self.fraction))
        rise = min(1.0, (step + 1) / self.warm_up_steps)
        return rise * (self.floor + (self.peak - self.floor) * cosine)

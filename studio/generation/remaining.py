"""How long a take will still need.

Owns the estimate that every progress bar shows. It measures the recent speed, because the first
steps (loading, a long prompt) and a busy machine say little about the rest.
"""

from __future__ import annotations

import time
from collections import deque

_RECENT_SECONDS = 6.0
_LEAST_SECONDS = 0.3


class RemainingTime:
    """Follows one job's steps."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()

    def update(self, done: float, total: float, now: float | None = None) -> float | None:
        """Seconds left, None while nothing can be said.

        Args:
            done: Steps, or bytes, done so far.
            total: Needed altogether.
            now: A monotonic clock's time in seconds; None asks the clock.
        """
        now = time.monotonic() if now is None else now
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] >= _RECENT_SECONDS:
            self._seen.popleft()
        since, before = self._seen[0]
        if now - since < _LEAST_SECONDS or done <= before:
            return None
        return max(0.0, (total - done) * (now - since) / (done - before))


def clock(seconds: float) -> str:
    """A duration as a person reads it: "4 s", "2:05", "1:02:05"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"

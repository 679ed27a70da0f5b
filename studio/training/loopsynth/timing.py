"""Owns the sizes of the canonical time grid; knows nothing about sound."""

from __future__ import annotations

from typing import Final

SAMPLE_RATE: Final = 32_000
FRAME_SAMPLES: Final = 640
"""Samples of one codec frame (50 frames a second)."""

STEPS_PER_BAR: Final = 16
GRIDS: Final = tuple(range(4, 13))
"""Codec frames to a sixteenth that loops may have."""

BARS: Final = (1, 2, 4)
MAX_PERIOD_FRAMES: Final = 384


def grid_tempo_bpm(grid: int) -> float:
    """The tempo of a grid of ``grid`` codec frames to a sixteenth, in beats a minute."""
    return 60.0 * SAMPLE_RATE / FRAME_SAMPLES / 4.0 / grid


def bars_allowed(grid: int) -> tuple[int, ...]:
    """Loop lengths in bars that fit the longest period on this grid."""
    return tuple(bars for bars in BARS if bars * STEPS_PER_BAR * grid <= MAX_PERIOD_FRAMES)

"""Owns what a written groove is.

A bar is sixteen sixteenths. In a written pattern ``x`` is an accent, ``o`` a plain hit, ``g`` a
ghost note and ``.`` silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FOUR: Final = "x...x...x...x..."
BACKBEAT: Final = "....x.......x..."
OFFBEAT: Final = "..x...x...x...x."


@dataclass(frozen=True, kw_only=True)
class Groove:
    """What a genre's drummer chooses from.

    Attributes:
        cores: Kick and backbeat patterns that belong together, as (kick, voice, pattern).
        tops: Closed-hat or ride patterns, as (voice, pattern).
        extras: Optional layers with their chance, as (chance, voice, patterns).
        ghosts: Chance of a ghost snare on a free odd sixteenth.
        rolls: Chance that hats or snare roll in faster notes somewhere.
    """

    cores: tuple[tuple[str, str, str], ...]
    tops: tuple[tuple[str, str], ...]
    extras: tuple[tuple[float, str, tuple[str, ...]], ...]
    ghosts: float = 0.0
    rolls: float = 0.0

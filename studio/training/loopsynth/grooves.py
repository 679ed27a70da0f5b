"""Owns the written drum patterns of each genre; how they are played is `drumming`.

A bar is sixteen sixteenths. In a written pattern ``x`` is an accent, ``o`` a plain hit, ``g`` a
ghost note and ``.`` silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Groove:
    """What a genre's drummer chooses from.

    Attributes:
        cores: Kick and backbeat patterns that belong together, as (kick, voice, pattern).
        tops: Closed-hat or ride patterns, as (voice, pattern).
        extras: Optional layers with their chance, as (chance, voice, patterns).
        ghosts: Chance of a ghost snare on a free odd sixteenth.
    """

    cores: tuple[tuple[str, str, str], ...]
    tops: tuple[tuple[str, str], ...]
    extras: tuple[tuple[float, str, tuple[str, ...]], ...]
    ghosts: float = 0.0


_FOUR: Final = "x...x...x...x..."
_BACKBEAT: Final = "....x.......x..."
_OFFBEAT: Final = "..x...x...x...x."

GROOVES: Final[Mapping[str, Groove]] = {
    "jungle": Groove(
        cores=(
            ("x.x.......xx....", "snare", "....x..g.g..x..g"),
            ("x.x.......x.....", "snare", "....x..o.g..x.g."),
            ("x......x..x.....", "snare", "....x..g.g..x..o"),
            ("x..x......x..x..", "snare", "....x..g....x.o."),
            ("x.x....x..x.....", "snare", "....x.......x..g"),
            ("x.....x...x..x..", "snare", "....x..o.g..x..."),
            ("x.x.......x.....", "snare", "....x..g.g....x."),
            ("x..x..x...x.....", "snare", "....x..g..g.x..o"),
        ),
        tops=(
            ("hat", "o.o.o.o.o.o.o.o."),
            ("ride", "o.o.o.o.o.o.o.o."),
            ("hat", "x.o.x.o.x.o.x.oo"),
            ("hat", "oogooogooogooogo"),
            ("ride", "x.o.x.o.x.o.x.o."),
        ),
        extras=(
            (0.25, "openhat", ("..............x.", "......o.......o.")),
            (0.12, "rim", ("...o..o.......o.", ".......o..o.....")),
            (0.1, "tom", ("..............oo", ".............o.o")),
        ),
        ghosts=0.14,
    ),
    "dnb": Groove(
        cores=(
            ("x.........x.....", "snare", _BACKBEAT),
            ("x.........x.....", "snare", "....x..g.g..x..."),
            ("x..x......x.....", "snare", _BACKBEAT),
            ("x.....x...x.....", "snare", "....x.......x..g"),
            ("x.........x..x..", "snare", "....x..g....x..."),
            ("x.x.......x.....", "snare", _BACKBEAT),
            ("x.........x.....", "snare", "........x......."),
            ("x.....x.........", "snare", "........x......."),
        ),
        tops=(
            ("hat", "o.o.o.o.o.o.o.o."),
            ("hat", "x.oox.oox.oox.oo"),
            ("hat", _OFFBEAT),
            ("hat", "oooooooooooooooo"),
            ("ride", "o.o.o.o.o.o.o.o."),
        ),
        extras=(
            (0.25, "ride", ("x...x...x...x...", _OFFBEAT)),
            (0.2, "openhat", ("..............x.", "......x.........")),
            (0.15, "rim", ("......o..o......", "...o.......o..o.")),
            (0.15, "clap", (_BACKBEAT,)),
        ),
        ghosts=0.06,
    ),
    "techno": Groove(
        cores=(
            (_FOUR, "clap", _BACKBEAT),
            (_FOUR, "clap", "................"),
            (_FOUR, "snare", _BACKBEAT),
            (_FOUR, "rim", "...o..o....o..o."),
            (_FOUR, "clap", "............x..."),
            ("x...x...x...x..o", "clap", _BACKBEAT),
            ("x..x..x...x.x...", "clap", _BACKBEAT),
        ),
        tops=(
            ("openhat", _OFFBEAT),
            ("hat", "..x...x...x...x."),
            ("hat", "g.x.g.x.g.x.g.x."),
            ("hat", "ogxgogxgogxgogxg"),
            ("ride", _OFFBEAT),
            ("ride", "x.o.x.o.x.o.x.o."),
        ),
        extras=(
            (0.4, "hat", ("o.ooo.ooo.ooo.oo", "oooooooooooooooo", "g.g.g.g.g.g.g.g.")),
            (0.25, "rim", ("..o..o..o..o..o.", "...o..o....o..o.", "o..o..o..o..o...")),
            (0.25, "tom", ("...o......o.....", "......o..o....o.", "..o.....o..o....")),
            (0.15, "ride", ("o.o.o.o.o.o.o.o.",)),
        ),
    ),
    "house": Groove(
        cores=(
            (_FOUR, "clap", _BACKBEAT),
            (_FOUR, "snare", _BACKBEAT),
            (_FOUR, "clap", "....x.......x..g"),
            (_FOUR, "snare", "....x..g.g..x..."),
            ("x...x...x...x.o.", "clap", _BACKBEAT),
            ("x...x...x..ox...", "clap", _BACKBEAT),
        ),
        tops=(
            ("openhat", _OFFBEAT),
            ("openhat", "..x...x...x...x."),
            ("hat", "..x...x...x...x."),
            ("hat", "o.x.o.x.o.x.o.x."),
            ("openhat", "..x...x...x..ox."),
        ),
        extras=(
            (0.4, "hat", ("o.o.o.o.o.o.o.o.", "o..oo..oo..oo..o", "oooooooooooooooo")),
            (0.12, "hat", ("gogogogogogogogo",)),
            (0.25, "rim", ("...o..o....o..o.", "..o..o....o..o..")),
            (0.15, "ride", ("..o...o...o...o.", "x...x...x...x...")),
            (0.12, "tom", ("..........o..o..", "...o......o.....")),
        ),
        ghosts=0.03,
    ),
    "hiphop": Groove(
        cores=(
            ("x..o...x..x.....", "snare", _BACKBEAT),
            ("x.....x...x.....", "snare", "....x.......x..g"),
            ("x......x..x..o..", "snare", _BACKBEAT),
            ("x.x.......xo....", "snare", "....x..g.g..x..."),
            ("x.......x.x.....", "snare", "....x..g....x..."),
            ("x..x......x.....", "clap", _BACKBEAT),
            ("x.........x.....", "snare", "........x......."),
            ("x.o....o..x.....", "rim", _BACKBEAT),
        ),
        tops=(
            ("hat", "o.o.o.o.o.o.o.o."),
            ("hat", "x.o.x.oox.o.x.o."),
            ("hat", "oooooooooooooooo"),
            ("hat", "x.g.x.g.x.g.x.gg"),
            ("ride", "x...x...x...x..."),
        ),
        extras=(
            (0.3, "openhat", ("..............x.", "......x.........")),
            (0.15, "rim", ("...o......o.....", ".......o......o.")),
            (0.12, "clap", (_BACKBEAT,)),
            (0.1, "tom", ("..............oo", "...........o....")),
        ),
        ghosts=0.07,
    ),
    "dub": Groove(
        cores=(
            ("........x.......", "rim", "........x......."),
            ("........x.......", "snare", "........x......."),
            (_FOUR, "rim", "........x......."),
            (_FOUR, "snare", "....x.......x..."),
            ("x.......x.......", "rim", _BACKBEAT),
            ("x.....o.x.......", "snare", "........x..g..g."),
            ("x..o....x.......", "rim", "....x..o....x..."),
        ),
        tops=(
            ("hat", "..x...x...x...x."),
            ("hat", "x.oox.oox.oox.oo"),
            ("hat", "x.o.x.o.x.o.x.o."),
            ("hat", "o...o...o...o..."),
        ),
        extras=(
            (0.2, "openhat", ("......x.........", "..............x.")),
            (0.2, "tom", ("............o.oo", "..............o.", "......o..o......")),
            (0.15, "rim", ("...o..o...o.....", "..o....o......o.")),
        ),
        ghosts=0.04,
    ),
    "electro": Groove(
        cores=(
            ("x.....x...x..o..", "snare", _BACKBEAT),
            ("x..x..x...o.....", "snare", _BACKBEAT),
            ("x.....x.....x.o.", "clap", _BACKBEAT),
            ("x.o....x..x.....", "snare", _BACKBEAT),
            ("x..o......x..x..", "clap", _BACKBEAT),
            ("x.....x.x.x.....", "snare", "....x.......x.o."),
        ),
        tops=(
            ("hat", "o.o.o.o.o.o.o.o."),
            ("hat", "oooooooooooooooo"),
            ("hat", "x.oox.oox.oox.oo"),
            ("hat", "x.gox.gox.gox.go"),
        ),
        extras=(
            (0.3, "openhat", (_OFFBEAT, "..............x.")),
            (0.3, "rim", ("..o..o....o..o..", "...o...o...o..o.")),
            (0.15, "tom", ("...........o.oo.", "..o..o..........")),
            (0.15, "clap", ("............x.x.",)),
        ),
        ghosts=0.02,
    ),
    "ambient": Groove(
        cores=(
            ("x...............", "rim", "................"),
            ("x.......o.......", "rim", "............g..."),
            ("x.........o.....", "rim", "....g..........."),
            ("................", "rim", "....o.......o..."),
            ("................", "rim", "......g......o.."),
        ),
        tops=(
            ("hat", "o...o...o...o..."),
            ("hat", "..o...o...o...o."),
            ("hat", "o.g.o.g.o.g.o.g."),
            ("ride", "o.......o......."),
            ("hat", "g.o.g.o.g.o.g.o."),
        ),
        extras=((0.2, "tom", ("..........g.....", "......g.......g.")),),
    ),
}

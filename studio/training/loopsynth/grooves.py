"""Owns the written drum patterns of each genre; how they are played is `drumming`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from studio.training.loopsynth.groove import BACKBEAT, FOUR, OFFBEAT, Groove
from studio.training.loopsynth.grooves_more import MORE_GROOVES

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
            (0.18, "crash", ("x...............", "........x.......")),
            (0.1, "conga", ("..o..o.o..o..o.o",)),
        ),
        ghosts=0.16,
        rolls=0.2,
    ),
    "dnb": Groove(
        cores=(
            ("x.........x.....", "snare", BACKBEAT),
            ("x.........x.....", "snare", "....x..g.g..x..."),
            ("x..x......x.....", "snare", BACKBEAT),
            ("x.....x...x.....", "snare", "....x.......x..g"),
            ("x.........x..x..", "snare", "....x..g....x..."),
            ("x.x.......x.....", "snare", BACKBEAT),
            ("x.........x.....", "snare", "........x......."),
            ("x.....x.........", "snare", "........x......."),
        ),
        tops=(
            ("hat", "o.o.o.o.o.o.o.o."),
            ("hat", "x.oox.oox.oox.oo"),
            ("hat", OFFBEAT),
            ("hat", "oooooooooooooooo"),
            ("ride", "o.o.o.o.o.o.o.o."),
        ),
        extras=(
            (0.25, "ride", ("x...x...x...x...", OFFBEAT)),
            (0.2, "openhat", ("..............x.", "......x.........")),
            (0.15, "rim", ("......o..o......", "...o.......o..o.")),
            (0.15, "clap", (BACKBEAT,)),
        ),
        ghosts=0.07,
        rolls=0.1,
    ),
    "techno": Groove(
        cores=(
            (FOUR, "clap", BACKBEAT),
            (FOUR, "clap", "................"),
            (FOUR, "snare", BACKBEAT),
            (FOUR, "rim", "...o..o....o..o."),
            (FOUR, "clap", "............x..."),
            ("x...x...x...x..o", "clap", BACKBEAT),
            ("x..x..x...x.x...", "clap", BACKBEAT),
        ),
        tops=(
            ("openhat", OFFBEAT),
            ("hat", "..x...x...x...x."),
            ("hat", "g.x.g.x.g.x.g.x."),
            ("hat", "ogxgogxgogxgogxg"),
            ("ride", OFFBEAT),
            ("ride", "x.o.x.o.x.o.x.o."),
        ),
        extras=(
            (0.4, "hat", ("o.ooo.ooo.ooo.oo", "oooooooooooooooo", "g.g.g.g.g.g.g.g.")),
            (0.25, "rim", ("..o..o..o..o..o.", "...o..o....o..o.", "o..o..o..o..o...")),
            (0.25, "tom", ("...o......o.....", "......o..o....o.", "..o.....o..o....")),
            (0.15, "ride", ("o.o.o.o.o.o.o.o.",)),
            (0.2, "perc", ("...o..o...o..o..", "..o....o..o....o", ".o..o..o..o..o..")),
            (0.15, "shaker", ("oooooooooooooooo", "ogogogogogogogog")),
        ),
    ),
    "house": Groove(
        cores=(
            (FOUR, "clap", BACKBEAT),
            (FOUR, "snare", BACKBEAT),
            (FOUR, "clap", "....x.......x..g"),
            (FOUR, "snare", "....x..g.g..x..."),
            ("x...x...x...x.o.", "clap", BACKBEAT),
            ("x...x...x..ox...", "clap", BACKBEAT),
        ),
        tops=(
            ("openhat", OFFBEAT),
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
            (0.2, "shaker", ("ogogogogogogogog", "o.g.o.g.o.g.o.g.")),
            (0.2, "conga", ("..o..o.o..o..o.o", "...o..o....o..oo", "o.....oo..o...o.")),
            (0.1, "cowbell", ("o..o..o.o..o..o.", "..o.......o.....")),
        ),
        ghosts=0.03,
    ),
    "hiphop": Groove(
        cores=(
            ("x..o...x..x.....", "snare", BACKBEAT),
            ("x.....x...x.....", "snare", "....x.......x..g"),
            ("x......x..x..o..", "snare", BACKBEAT),
            ("x.x.......xo....", "snare", "....x..g.g..x..."),
            ("x.......x.x.....", "snare", "....x..g....x..."),
            ("x..x......x.....", "clap", BACKBEAT),
            ("x.........x.....", "snare", "........x......."),
            ("x.o....o..x.....", "rim", BACKBEAT),
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
            (0.12, "clap", (BACKBEAT,)),
            (0.1, "tom", ("..............oo", "...........o....")),
        ),
        ghosts=0.07,
    ),
    "dub": Groove(
        cores=(
            ("........x.......", "rim", "........x......."),
            ("........x.......", "snare", "........x......."),
            (FOUR, "rim", "........x......."),
            (FOUR, "snare", "....x.......x..."),
            ("x.......x.......", "rim", BACKBEAT),
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
            (0.2, "conga", ("....o.oo....o.oo", "..o...o...o...oo")),
            (0.12, "crash", ("........x.......",)),
        ),
        ghosts=0.04,
    ),
    "electro": Groove(
        cores=(
            ("x.....x...x..o..", "snare", BACKBEAT),
            ("x..x..x...o.....", "snare", BACKBEAT),
            ("x.....x.....x.o.", "clap", BACKBEAT),
            ("x.o....x..x.....", "snare", BACKBEAT),
            ("x..o......x..x..", "clap", BACKBEAT),
            ("x.....x.x.x.....", "snare", "....x.......x.o."),
        ),
        tops=(
            ("hat", "o.o.o.o.o.o.o.o."),
            ("hat", "oooooooooooooooo"),
            ("hat", "x.oox.oox.oox.oo"),
            ("hat", "x.gox.gox.gox.go"),
        ),
        extras=(
            (0.3, "openhat", (OFFBEAT, "..............x.")),
            (0.3, "rim", ("..o..o....o..o..", "...o...o...o..o.")),
            (0.15, "tom", ("...........o.oo.", "..o..o..........")),
            (0.15, "clap", ("............x.x.",)),
            (0.3, "cowbell", ("..o..o..o..o..o.", "x..o..x...o.x...")),
            (0.2, "perc", ("...o..o.......o.", "o....o....o..o..")),
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
        extras=(
            (0.2, "tom", ("..........g.....", "......g.......g.")),
            (0.25, "perc", ("...g......g.....", "......o......g..")),
            (0.25, "shaker", ("g.g.g.g.g.g.g.g.",)),
        ),
    ),
} | MORE_GROOVES

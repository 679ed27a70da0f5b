"""Owns the written drum patterns of the genres that the second edition added; see `grooves`."""

from __future__ import annotations

from typing import Final

from studio.training.loopsynth.groove import BACKBEAT, FOUR, OFFBEAT, Groove

MORE_GROOVES: Final[dict[str, Groove]] = {
    "garage": Groove(
        cores=(
            ("x.........x.....", "snare", BACKBEAT),
            ("x..o......x.....", "clap", BACKBEAT),
            ("x.........xo....", "snare", "....x..g....x..g"),
            ("x.....o...x..o..", "clap", BACKBEAT),
            ("x..x......o..x..", "snare", BACKBEAT),
            (FOUR, "clap", BACKBEAT),
        ),
        tops=(
            ("hat", "..x...x...x...x."),
            ("hat", "o.xoo.xoo.xoo.xo"),
            ("hat", "g.x.gox.g.x.gox."),
            ("openhat", OFFBEAT),
            ("hat", "o.x..ox.o.x..oxo"),
        ),
        extras=(
            (0.35, "rim", ("...o..o....o....", ".......o..o....o", "...g.....o.g....")),
            (0.3, "shaker", ("o.o.o.o.o.o.o.o.", "ogogogogogogogog")),
            (0.2, "perc", ("..o....o...o....", "......o..o......")),
            (0.15, "openhat", ("..............x.", "......x.........")),
        ),
        ghosts=0.08,
    ),
    "trap": Groove(
        cores=(
            ("x.........x.....", "snare", "........x......."),
            ("x.....x...x.....", "clap", "........x......."),
            ("x..x......x..x..", "clap", "........x......."),
            ("x......x..x.....", "snare", "........x......."),
            ("x.x.......x...x.", "clap", "........x......g"),
            ("x..o..x.........", "snare", "........x......."),
        ),
        tops=(
            ("hat", "x.o.x.o.x.o.x.o."),
            ("hat", "x.o.x.oox.o.xooo"),
            ("hat", "xooxooxooxooxoxo"),
            ("hat", "x.o.xooox.o.x.o."),
            ("hat", "xoxoxoxoxoxoxoxo"),
        ),
        extras=(
            (0.35, "openhat", ("..............x.", "......x.........", "...x............")),
            (0.25, "perc", ("...o.......o....", ".....o.......o..")),
            (0.2, "rim", ("......o....o....", "..o.........o...")),
            (0.15, "cowbell", ("..o..o....o..o..", "x.....o...x.....")),
            (0.12, "crash", ("x...............",)),
        ),
        rolls=0.45,
    ),
    "breakbeat": Groove(
        cores=(
            ("x.x...o...x.....", "snare", "....x..g.g..x..."),
            ("x..x..o...x..o..", "snare", BACKBEAT),
            ("x.....x.o.x.....", "snare", "....x..g....x.g."),
            ("x.o....x..x.....", "snare", "....x....g..x..g"),
            ("x......x.xx.....", "snare", "....x..g.g..x..."),
            ("x..o..x...x..x..", "snare", BACKBEAT),
        ),
        tops=(
            ("hat", "o.o.o.o.o.o.o.o."),
            ("hat", "x.o.x.o.x.oox.o."),
            ("ride", "x.o.x.o.x.o.x.o."),
            ("hat", "oooooooooooooooo"),
        ),
        extras=(
            (0.3, "openhat", ("..............x.", "......o.......o.", "..x.......x.....")),
            (0.2, "conga", ("..o..o.o..o..o.o", "...o..o....o..oo")),
            (0.15, "cowbell", ("x...x...x...x...", "o..o..o.o..o..o.")),
            (0.15, "crash", ("x...............",)),
        ),
        ghosts=0.12,
    ),
    "footwork": Groove(
        cores=(
            ("x..x..x.x..x..x.", "clap", "............x..."),
            ("x..x..x...x..x..", "snare", "....x.......x..."),
            ("xoox..x.x..x.ox.", "clap", "............x..."),
            ("x..x..xxx..x..x.", "snare", "............x..."),
            ("x.x..x..x.x..x..", "clap", "....x.......x..."),
        ),
        tops=(
            ("hat", "..x...x...x...x."),
            ("hat", "o..o..o..o..o..o"),
            ("hat", "..o...o...o.o.o."),
            ("hat", "x..ox..ox..ox..o"),
        ),
        extras=(
            (0.4, "tom", ("...o..o.......oo", "..o..o..o..o..o.", "......ooo.....oo")),
            (0.3, "rim", ("o..o..o.o..o..o.", "...o..o...o..o..")),
            (0.25, "perc", ("..o..o..o..o....", "o.o..o.o..o.o..o")),
            (0.2, "openhat", ("..............x.", OFFBEAT)),
        ),
        ghosts=0.05,
        rolls=0.3,
    ),
    "lofibeats": Groove(
        cores=(
            ("x..o...o..x.....", "snare", BACKBEAT),
            ("x......x..x.....", "rim", BACKBEAT),
            ("x.....x...o.....", "snare", "....x.......x..g"),
            ("x..o......x..o..", "rim", BACKBEAT),
            ("x.o.......x.....", "snare", "....x..g....x..."),
        ),
        tops=(
            ("hat", "o.o.o.o.o.o.o.o."),
            ("hat", "o.g.o.g.o.g.o.gg"),
            ("shaker", "o.g.o.g.o.g.o.g."),
            ("ride", "o...o...o...o..."),
            ("hat", "ooogooogooogooog"),
        ),
        extras=(
            (0.25, "openhat", ("..............o.", "......o.........")),
            (0.2, "perc", ("......g....g....", "...g......g.....")),
            (0.2, "shaker", ("gogogogogogogogo",)),
        ),
        ghosts=0.08,
    ),
    "reggaeton": Groove(
        cores=(
            (FOUR, "snare", "...x..x....x..x."),
            ("x.......x.......", "snare", "...x..x....x..x."),
            (FOUR, "rim", "...x..x....x..x."),
            ("x.....o.x.....o.", "snare", "...x..x....x..x."),
            (FOUR, "clap", "...x..x....x..x."),
        ),
        tops=(
            ("hat", "o.o.o.o.o.o.o.o."),
            ("shaker", "ogogogogogogogog"),
            ("hat", OFFBEAT),
            ("hat", "x.g.x.g.x.g.x.g."),
        ),
        extras=(
            (0.35, "conga", ("..o...oo..o...oo", "o..o..o.o..o..o.")),
            (0.3, "perc", ("......o.......o.", "..o..o....o..o..")),
            (0.2, "cowbell", ("x..x..x.x..x..x.", "....x.......x...")),
            (0.15, "tom", ("............o.oo", "..............oo")),
        ),
    ),
    "dubstep": Groove(
        cores=(
            ("x...............", "snare", "........x......."),
            ("x.....x.........", "snare", "........x......."),
            ("x..x......x.....", "clap", "........x......."),
            ("x.........x..o..", "snare", "........x......."),
            ("x.....o....x....", "snare", "........x.....g."),
        ),
        tops=(
            ("hat", "..o...o...o...o."),
            ("hat", "o..o..o.o..o..o."),
            ("hat", "x..o..x..o..x.o."),
            ("shaker", "o.o.o.o.o.o.o.o."),
        ),
        extras=(
            (0.3, "rim", ("...o..o.......o.", "..o..o......o...")),
            (0.25, "perc", (".....o.....o....", "...o.......o..o.")),
            (0.2, "crash", ("x...............",)),
            (0.2, "tom", ("............o.o.", ".............ooo")),
        ),
        ghosts=0.03,
        rolls=0.12,
    ),
    "trance": Groove(
        cores=(
            (FOUR, "clap", BACKBEAT),
            (FOUR, "snare", BACKBEAT),
            (FOUR, "clap", "................"),
            ("x...x...x...x..o", "clap", BACKBEAT),
        ),
        tops=(
            ("openhat", OFFBEAT),
            ("hat", "ooxoooxoooxoooxo"),
            ("hat", "g.x.g.x.g.x.g.x."),
            ("ride", OFFBEAT),
        ),
        extras=(
            (0.4, "hat", ("oooooooooooooooo", "o.ooo.ooo.ooo.oo")),
            (0.25, "crash", ("x...............",)),
            (0.2, "shaker", ("ogogogogogogogog",)),
            (0.2, "ride", ("x.o.x.o.x.o.x.o.",)),
        ),
        rolls=0.15,
    ),
}

"""Long takes as runs of the decoder that overlap.

Owns the arithmetic of sliding a model's window over a take. It runs no model.
"""

from __future__ import annotations

from dataclasses import dataclass

from studio.core.errors import ModelError

# MusicGen's published long form moves a 30 s window on by 18 s.
_SLIDE = 18 / 30


@dataclass(frozen=True, kw_only=True)
class Window:
    """One run of the decoder.

    Attributes:
        first_frame: Codec frame of the take at which the window begins.
        prefix_frames: Frames of the take, from `first_frame`, that are given to it.
        new_frames: Frames it makes.
    """

    first_frame: int
    prefix_frames: int
    new_frames: int


def slide(
    end: int,
    window_frames: int,
    *,
    known: int = 0,
    bar_frames: int | None = None,
    period_frames: int | None = None,
) -> tuple[Window, ...]:
    """Cover a take's codec frames from `known` to `end` with windows.

    The windows lie where they would for a take made from its beginning, so a take that is
    continued goes on as it would have gone on. A model that knows bars moves by whole bars, by
    half a window at most, and keeps a whole period in sight where its window is long enough for
    that; others move by 18/30 of the window, as MusicGen does.

    Args:
        end: Codec frame after the last one to make.
        window_frames: The most frames a window holds.
        known: Frames at the take's beginning that exist already.
        bar_frames: Codec frames in a bar.
        period_frames: Codec frames after which the material repeats.

    Raises:
        ModelError: The model's window is too short to move in.
    """
    step = max(1, int(window_frames * _SLIDE))
    if bar_frames is not None:
        room = min(window_frames - (period_frames or bar_frames), window_frames // 2)
        step = bar_frames * max(1, room // bar_frames)
    if end > window_frames and step >= window_frames:
        raise ModelError(
            f"This model's window of {window_frames} frames is too short for the length; "
            "ask for less, or take another model."
        )
    windows = []
    first = 0
    made = known
    while made < end:
        while first + window_frames <= made:
            first += step
        new = min(first + window_frames, end) - made
        windows.append(Window(first_frame=first, prefix_frames=made - first, new_frames=new))
        made += new
    return tuple(windows)

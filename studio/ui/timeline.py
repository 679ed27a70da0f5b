"""Which stretch of a sound is visible, and where a frame is on the screen.

Owns zoom, scroll and snapping as arithmetic. It knows no widget.
"""

from __future__ import annotations

MIN_VISIBLE_FRAMES = 64


class Timeline:
    """A window of frames over a width of pixels.

    Attributes:
        start_frame: At the left edge.
        end_frame: At the right edge.
        whole_frames: Length of the sound.
        width: In pixels.
    """

    def __init__(self) -> None:
        self.start_frame = 0.0
        self.end_frame = 1.0
        self.whole_frames = 1
        self.width = 1

    @property
    def shows_whole(self) -> bool:
        """The whole sound is visible."""
        return self.end_frame - self.start_frame >= self.whole_frames

    def frame_at(self, x: float) -> float:
        """The frame under a position."""
        return self.start_frame + x / self.width * (self.end_frame - self.start_frame)

    def x_of(self, frame: float) -> float:
        """The position of a frame."""
        return (frame - self.start_frame) / (self.end_frame - self.start_frame) * self.width

    def show_whole(self) -> None:
        """Zoom out completely."""
        self.start_frame, self.end_frame = 0.0, float(self.whole_frames)

    def show(self, start_frame: float, end_frame: float) -> None:
        """Zoom to a stretch, at least `MIN_VISIBLE_FRAMES` long and inside the sound."""
        whole = float(self.whole_frames)
        span = min(max(end_frame - start_frame, min(MIN_VISIBLE_FRAMES, whole)), whole)
        self.start_frame = min(max(start_frame, 0.0), whole - span)
        self.end_frame = self.start_frame + span

    def zoom(self, factor: float, x: float) -> None:
        """Show `factor` times as many frames, keeping the frame under `x` where it is."""
        anchor, span = self.frame_at(x), self.end_frame - self.start_frame
        wanted = min(max(span * factor, MIN_VISIBLE_FRAMES), float(self.whole_frames))
        start = anchor - (anchor - self.start_frame) * wanted / span
        self.show(start, start + wanted)

    def scroll(self, share: float) -> None:
        """Move along by a share of what is visible."""
        span = self.end_frame - self.start_frame
        start = self.start_frame + share * span
        self.show(start, start + span)

    def snapped(self, x: float, step_frames: float | None, reach_pixels: float) -> int:
        """The frame under `x`, or a multiple of `step_frames` or an end that is close to it."""
        frame = min(max(self.frame_at(x), 0.0), float(self.whole_frames))
        candidates = [0.0, float(self.whole_frames)]
        if step_frames:
            candidates.append(round(frame / step_frames) * step_frames)
        nearest = min(candidates, key=lambda candidate: abs(candidate - frame))
        near = abs(self.x_of(nearest) - self.x_of(frame)) <= reach_pixels
        return round(nearest if near else frame)

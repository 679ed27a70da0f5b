"""Turns voices into blocks of frames for the device.

Owns ramps, loops, crossfades and the volume, as pure functions of what was asked. It has no
thread, no lock and no device, so every edge can be tested frame by frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from studio.playback.sources import Source

RAMP_SECONDS = 0.005
_VOLUME_RAMP_SECONDS = 0.02
_RESUME_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Where in a sound a run of mixed frames came from.

    Attributes:
        output_frame: First frame, counted from the opening of the device.
        frames: Length.
        source: The sound.
        source_frame: Position of the first frame in `source`.
        peak: Largest absolute sample of the mixed frames, full scale 1.
    """

    output_frame: int
    frames: int
    source: Source
    source_frame: int
    peak: float


class Voice:
    """One sound on its way out, with its own position and ramp.

    The ramp counts frames between 0 (silent) and its full length (unchanged sound). At full
    length the frames are passed on untouched, so the body of a loop stays sample-exact.

    Attributes:
        source: What is read.
        position: Next frame to read.
        loop: Start again at the end.
        waiting: Ran out of a growing sound and holds until more has arrived.
        ended: Nothing more will come from it.
    """

    def __init__(self, source: Source, *, position: int, loop: bool) -> None:
        self.source = source
        self.position = position
        self.loop = loop
        self.waiting = not source.complete
        self.ended = False
        self._closing = False
        self._full = max(1, round(source.sample_rate * RAMP_SECONDS))
        self._ramp = 0

    def close(self) -> None:
        """Ramp out from here and end, whatever is asked later."""
        self._closing = True
        self.ended = self.ended or self._ramp == 0

    def render(
        self, frames: int, channels: int, *, to_the_end: bool = False
    ) -> tuple[NDArray[np.float32], list[tuple[int, int]]]:
        """Read up to `frames` and move on.

        Args:
            frames: Most frames wanted.
            channels: Channels of the result.
            to_the_end: Play a growing sound out to its last frame, ramping down. Otherwise the
                length of one ramp is held back in case more arrives in time.

        Returns:
            float32 [n, channels] with n <= frames, and (source position, length) of its runs.
        """
        out = np.zeros((frames, channels), np.float32)
        runs: list[tuple[int, int]] = []
        done = 0
        while done < frames and self._has_more():
            run, falling = self._next_run(to_the_end)
            run = min(run, frames - done)
            if run <= 0:
                if falling:
                    self._fall_silent()
                break
            block = self.source.read(self.position, run, channels)
            out[done : done + run] = self._ramped(block, falling)
            runs.append((self.position, run))
            self.position += run
            done += run
            if falling and self._ramp == 0:
                self._fall_silent()
        return out[:done], runs

    def exchange(self, source: Source) -> bool:
        """Go on from the same position in another sound, if that cannot be heard.

        Returns:
            True when the next frames are equal and the exchange was made.
        """
        ahead = min(self._full, self.source.frames - self.position)
        if ahead < 0 or self.position + ahead > source.frames:
            return False
        expected = self.source.read(self.position, ahead, 1)
        if not np.array_equal(expected, source.read(self.position, ahead, 1)):
            return False
        self.source = source
        return True

    def _fall_silent(self) -> None:
        self.ended = self._closing or self.source.complete
        self.waiting = not self.ended

    def _has_more(self) -> bool:
        """Wrap or end at the last frame; end a wait when enough has arrived."""
        source = self.source
        if self.waiting:
            arrived = source.frames - self.position
            self.waiting = not source.complete and arrived < source.sample_rate * _RESUME_SECONDS
        if self.position >= source.frames and source.complete:
            if source.frames == 0 or (self._ramp == 0 and not self.loop):
                self.ended = True
            elif not self.loop:
                self._closing = True
            self.position = 0
        elif self.position >= source.frames and self._closing:
            self.ended = True
        return not self.ended and not self.waiting

    def _next_run(self, to_the_end: bool) -> tuple[int, bool]:
        """Longest run whose ramp moves one way only, and whether that way is down."""
        left = self.source.frames - self.position
        if self._closing:
            return min(left, self._ramp), True
        if self.loop if self.source.complete else not to_the_end:
            usable = left if self.source.complete else left - self._full
            rising = self._full - self._ramp
            return (min(usable, rising) if rising else usable), False
        if left <= self._ramp + 1:
            return min(left, self._ramp), True
        if self._ramp == self._full:
            return left - self._full, False
        return min(self._full - self._ramp, (left - self._ramp) // 2), False

    def _ramped(self, block: NDArray[np.float32], falling: bool) -> NDArray[np.float32]:
        if not falling and self._ramp == self._full:
            return block
        steps = np.arange(1, block.shape[0] + 1)
        levels = np.clip(self._ramp + (-steps if falling else steps), 0, self._full)
        self._ramp = int(levels[-1])
        gains: NDArray[np.float32] = (levels / self._full).astype(np.float32)
        return block * gains[:, None]


class Mix:
    """The voice that is heard, those that are ramping out, and the volume.

    Attributes:
        channels: Channels of the mixed frames.
        sample_rate: In Hz.
        current: The voice that `position` follows; None when silent.
    """

    def __init__(self, *, sample_rate: int, channels: int) -> None:
        self.sample_rate = sample_rate
        self.channels = channels
        self.current: Voice | None = None
        self._leaving: list[Voice] = []
        self._gain = 1.0
        self._wanted_gain = 1.0

    @property
    def sounding(self) -> bool:
        """There is something left to mix."""
        return self.current is not None or bool(self._leaving)

    def set_gain(self, gain: float, *, at_once: bool = False) -> None:
        """Move to a linear gain, at 20 ms for the whole way from silence to full."""
        self._wanted_gain = gain
        if at_once:
            self._gain = gain

    def switch(self, voice: Voice | None) -> None:
        """Ramp out what is heard and ramp in `voice` at the same frame."""
        if self.current is not None:
            self.current.close()
            self._leaving.append(self.current)
        self.current = voice

    def render(
        self, frames: int, *, output_frame: int, to_the_end: bool = False
    ) -> tuple[NDArray[np.float32], list[Segment]]:
        """Mix up to `frames`.

        Args:
            frames: Most frames wanted.
            output_frame: Count of frames already sent to the device.
            to_the_end: See `Voice.render`.

        Returns:
            float32 [n, channels], n <= frames, and where its frames came from.
        """
        parts: list[NDArray[np.float32]] = []
        runs: list[tuple[int, int]] = []
        current = self.current
        if current is not None:
            block, runs = current.render(frames, self.channels, to_the_end=to_the_end)
            parts.append(block)
        for voice in self._leaving:
            parts.append(voice.render(frames, self.channels)[0])
        self._leaving = [voice for voice in self._leaving if not voice.ended]
        if current is not None and current.ended:
            self.current = None
        length = max((part.shape[0] for part in parts), default=0)
        mixed = self._sum(parts, length)
        mixed = self._at_volume(mixed)
        segments: list[Segment] = []
        if current is not None:
            done = 0
            for position, run in runs:
                piece = mixed[done : done + run]
                segments.append(
                    Segment(
                        output_frame=output_frame + done,
                        frames=run,
                        source=current.source,
                        source_frame=position,
                        peak=float(np.abs(piece).max(initial=0.0)),
                    )
                )
                done += run
        return mixed, segments

    def _sum(self, parts: list[NDArray[np.float32]], length: int) -> NDArray[np.float32]:
        if len(parts) == 1:
            return parts[0]
        mixed = np.zeros((length, self.channels), np.float32)
        for part in parts:
            mixed[: part.shape[0]] += part
        return mixed

    def _at_volume(self, mixed: NDArray[np.float32]) -> NDArray[np.float32]:
        frames = mixed.shape[0]
        if frames == 0 or self._gain == self._wanted_gain == 1.0:
            return mixed
        if self._gain == self._wanted_gain:
            return mixed * np.float32(self._gain)
        step = 1.0 / max(1, round(self.sample_rate * _VOLUME_RAMP_SECONDS))
        moves = step * np.arange(1, frames + 1)
        if self._wanted_gain > self._gain:
            gains = np.minimum(self._gain + moves, self._wanted_gain)
        else:
            gains = np.maximum(self._gain - moves, self._wanted_gain)
        self._gain = float(gains[-1])
        factors: NDArray[np.float32] = gains.astype(np.float32)
        return mixed * factors[:, None]


def gain_from_db(gain_db: float) -> float:
    """Linear gain of a level in dB; minus infinity is silence."""
    return 0.0 if gain_db == -math.inf else float(10.0 ** (gain_db / 20.0))

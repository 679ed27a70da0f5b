"""Another tempo at the same pitch, while the sound is still arriving.

Owns time stretching. It changes no pitch and joins no loop.
"""

from __future__ import annotations

from bisect import bisect_right
from math import isfinite
from typing import Final

import numpy as np
from numpy.typing import NDArray

from studio.editing.attacks import AttackFinder
from studio.editing.crossfade import crossfade

SPEEDS: Final = (0.5, 2.0)
"""Slowest and fastest."""

_BLOCK_SECONDS: Final = 0.008
_DRIFT_SECONDS: Final = 0.012
_ATTACK_JITTER_SECONDS: Final = 0.001
_WHOLE_ATTACK_SECONDS: Final = 0.02
_AHEAD_BLOCKS: Final = 4


class TimeStretcher:
    """A stretcher for a sound that arrives in pieces.

    The sound is played on unchanged, and now and then jumps by 12 to 24 ms, crossfaded, to where
    it is most like what would have followed (after Verhelst and Roelands, "An overlap-add
    technique based on waveform similarity", ICASSP 1993). It never leaves its exact time by more
    than about 12 ms, and just before each attack it returns to it within 1 ms, so attacks are
    neither blurred nor doubled and fall where they should. Pitch stays that of the samples.

    The pieces put together have exactly round(frames in / speed) frames and do not depend on how
    the input was cut up. About 45 ms of input are held back. A speed of 1 passes the samples on
    untouched.

    Args:
        channels: Number of channels.
        sample_rate: In Hz.
        speed: 1.1 plays a tenth faster; within `SPEEDS`.

    Raises:
        ValueError: A speed outside of `SPEEDS`, no channels, or no sample rate.
    """

    def __init__(self, channels: int, sample_rate: int, speed: float) -> None:
        if not (isfinite(speed) and SPEEDS[0] <= speed <= SPEEDS[1]):
            raise ValueError(f"speed must lie between {SPEEDS[0]} and {SPEEDS[1]}, not {speed}")
        if channels < 1 or sample_rate < 1:
            raise ValueError(f"cannot stretch {channels} channels at {sample_rate} Hz")
        self._channels = channels
        self._speed = speed
        self._block = max(8, round(_BLOCK_SECONDS * sample_rate))
        self._drift = max(8, round(_DRIFT_SECONDS * sample_rate))
        self._jitter = round(_ATTACK_JITTER_SECONDS * sample_rate)
        self._whole_attack = round(_WHOLE_ATTACK_SECONDS * sample_rate)
        self._attacks = AttackFinder(channels, sample_rate)
        self._input = np.zeros((channels, 0), dtype=np.float32)
        self._input_start = 0
        self._frames_in = 0
        self._frames_out = 0
        self._read = 0
        self._finished = False

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take in samples [channels, frames]; return what is certain by now, [channels, n].

        Raises:
            ValueError: Another number of channels, or a stretcher that was finished.
        """
        if samples.ndim != 2 or samples.shape[0] != self._channels:
            raise ValueError(f"expected [{self._channels}, frames], not {samples.shape}")
        if self._finished:
            raise ValueError("this stretcher is finished")
        samples = samples.astype(np.float32, copy=True)
        self._frames_in += samples.shape[1]
        if self._speed == 1.0:
            return samples
        self._hear(samples)
        return self._advance(limit=None)

    def finish(self) -> NDArray[np.float32]:
        """Return what is left, [channels, n]; the stretcher takes no more."""
        if self._finished:
            return np.zeros((self._channels, 0), dtype=np.float32)
        self._finished = True
        if self._speed == 1.0:
            return np.zeros((self._channels, 0), dtype=np.float32)
        total = round(self._frames_in / self._speed)
        self._hear(np.zeros((self._channels, self._reach + 2 * self._block), dtype=np.float32))
        return self._advance(limit=total)

    @property
    def _reach(self) -> int:
        """Frames that must be known beyond the place being read."""
        return 2 * self._drift + _AHEAD_BLOCKS * self._block

    def _hear(self, samples: NDArray[np.float32]) -> None:
        self._attacks.push(samples)
        self._input = np.concatenate((self._input, samples), axis=1)

    def _advance(self, *, limit: int | None) -> NDArray[np.float32]:
        """Play blocks as long as enough is known, or up to `limit` frames in all."""
        known = self._input_start + self._input.shape[1]
        blocks = [np.zeros((self._channels, 0), dtype=np.float32)]
        while True:
            if limit is not None and self._frames_out >= limit:
                blocks[-1] = blocks[-1][:, : blocks[-1].shape[1] - (self._frames_out - limit)]
                break
            ideal = round(self._frames_out * self._speed)
            if max(self._read, ideal) + self._lookahead > known:
                if limit is None:
                    break
                self._hear(np.zeros((self._channels, self._reach), dtype=np.float32))
                known = self._input_start + self._input.shape[1]
            blocks.append(self._next_block(ideal))
            self._frames_out += self._block
        keep = min(self._read, round(self._frames_out * self._speed)) - self._reach
        if keep > self._input_start:
            self._input = self._input[:, keep - self._input_start :]
            self._input_start = keep
        return np.concatenate(blocks, axis=1)

    @property
    def _lookahead(self) -> int:
        return self._drift + _AHEAD_BLOCKS * self._block

    def _next_block(self, ideal: int) -> NDArray[np.float32]:
        target = self._jump_target(ideal)
        start, self._read = self._read, self._read + self._block
        if target is None:
            return self._at(start)
        self._read = target + self._block
        return crossfade(self._at(start), self._at(target))

    def _at(self, frame: int, frames: int | None = None) -> NDArray[np.float32]:
        """`frames` input frames from `frame` on; silence before the beginning."""
        frames = self._block if frames is None else frames
        start = frame - self._input_start
        part = self._input[:, max(start, 0) : max(start + frames, 0)]
        return np.pad(part, ((0, 0), (frames - part.shape[1], 0))) if start < 0 else part

    def _jump_target(self, ideal: int) -> int | None:
        """Where to read on from after a jump in this block, or None to play on."""
        block, read = self._block, self._read
        drift = read - ideal
        if abs(drift) > 2 * self._drift:  # attacks so dense that none left room for a jump
            return self._most_alike(ideal - self._jitter, ideal + self._drift)
        attacks = self._attacks.frames
        place = bisect_right(attacks, read)
        previous = attacks[place - 1] if place else -self._whole_attack
        if read < previous + self._whole_attack:
            return None
        # The attack the output has not played yet; reading ahead of time may have come close.
        upcoming = attacks[place] if place < len(attacks) else None
        if upcoming is not None:
            due = round(upcoming / self._speed) - self._frames_out
            if read + 2 * block > upcoming or due < 2 * block:
                exact = upcoming - due
                if read == exact or read + block > upcoming or due < block:
                    return None
                lowest = max(exact - self._jitter, previous)
                return self._most_alike(lowest, min(exact + self._jitter, upcoming - block))
            if upcoming - max(read, ideal) < _AHEAD_BLOCKS * block:
                return None  # the jump to that attack will come soon enough
        if abs(drift) <= self._drift:
            return None
        if drift > 0:
            return self._most_alike(max(ideal - self._drift, previous + self._whole_attack), ideal)
        return self._most_alike(ideal, ideal + self._drift)

    def _most_alike(self, lowest: int, highest: int) -> int | None:
        """The place within bounds whose surroundings are most like those of the reading place."""
        if highest < lowest:
            return None
        half = self._block // 2
        size = self._block + 2 * half
        wanted = self._at(self._read - half, size).astype(np.float64)
        offered = self._at(lowest - half, size + highest - lowest).astype(np.float64)
        products = np.zeros(highest - lowest + 1)
        for one, other in zip(wanted, offered, strict=True):
            products += np.correlate(other, one, mode="valid")
        energy = np.concatenate(([0.0], np.cumsum((offered**2).sum(axis=0))))
        scale = np.sqrt(np.maximum(energy[size:] - energy[:-size], 1e-12))
        return lowest + int(np.argmax(products / scale))


def time_stretch(
    samples: NDArray[np.float32], sample_rate: int, speed: float
) -> NDArray[np.float32]:
    """The whole of a sound at another speed, pitch kept; equal to a stream of it.

    Args:
        samples: float32 [channels, frames].
        sample_rate: In Hz.
        speed: 1.1 plays a tenth faster; within `SPEEDS`.

    Returns:
        float32 [channels, round(frames / speed)].

    Raises:
        ValueError: A speed outside of `SPEEDS`, or samples of another shape.
    """
    if samples.ndim != 2:
        raise ValueError(f"expected [channels, frames], not {samples.shape}")
    stretcher = TimeStretcher(samples.shape[0], sample_rate, speed)
    return np.concatenate((stretcher.push(samples), stretcher.finish()), axis=1)

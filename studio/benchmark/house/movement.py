"""Whether melodies move.

Owns the measure of it. A take that holds one note for a bar sounds like its loop to every measure
of timbre, tempo and key; only which note is the loudest tells.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from studio.benchmark.house.figures import Figure

_WINDOW_SECONDS: Final = 0.128
_HOP_SECONDS: Final = 0.032
_LOW_HZ, _HIGH_HZ = 180.0, 1_500.0
_LEAST_SHARE: Final = 0.9


def pitch_movement(sound: NDArray[np.float32], sample_rate: int) -> float:
    """Entropy of the loudest semitone between 180 and 1,500 Hz, in nats.

    Zero for one held note, ln 12 for twelve that share the time.

    Args:
        sound: float32 [frames], a second or more.
        sample_rate: In Hz.
    """
    size = round(_WINDOW_SECONDS * sample_rate)
    hop = round(_HOP_SECONDS * sample_rate)
    frames = np.lib.stride_tricks.sliding_window_view(sound, size)[::hop] * np.hanning(size)
    level = np.abs(np.fft.rfft(frames, 2 * size, axis=1))
    hertz = np.fft.rfftfreq(2 * size, 1 / sample_rate)
    kept = (hertz >= _LOW_HZ) & (hertz <= _HIGH_HZ)
    notes = np.round(69 + 12 * np.log2(hertz[kept] / 440)).astype(np.int64)
    loudest = level[:, kept].argmax(axis=1)
    heard = level[:, kept].max(axis=1) > 0.1 * level[:, kept].max()
    shares = np.bincount(notes[loudest[heard]]) / max(1, int(heard.sum()))
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def movement_figure(
    takes: NDArray[np.float32],
    copies: NDArray[np.float32],
    loops: NDArray[np.float32],
    rate: int,
) -> Figure:
    """Mean movement of takes, of reconstructed loops of their captions, and of the loops."""
    mean = {
        name: round(float(np.mean([pitch_movement(sound, rate) for sound in sounds])), 3)
        for name, sounds in (
            ("takes", takes),
            ("the codec's reconstruction of the captions' loops", copies),
            ("the captions' loops", loops),
        )
    }
    value = mean.pop("takes")
    limit = round(_LEAST_SHARE * next(iter(mean.values())), 3)
    return Figure(
        name="pitch movement of tonal takes, in nats",
        value=value,
        wanted=f">= {limit:g}, nine tenths of the reconstruction's",
        reached=value >= limit,
        beside=mean,
    )

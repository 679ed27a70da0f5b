"""What the codec loses of fresh loops.

Owns the measures of a reconstruction against its original: mel distance, distortion, onsets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from studio.editing.onsets import detect_onsets
from studio.training.spectral import MelDistance, si_sdr_db

ONSET_TOLERANCE_SECONDS: Final = 0.02


@dataclass(frozen=True, kw_only=True)
class CodecFidelity:
    """Means over loops.

    Attributes:
        log_mel: L1 distance of log-mel magnitudes over five resolutions, in nats.
        si_sdr_db: Scale-invariant signal-to-distortion ratio.
        onset_f: F-measure of the onsets within 20 ms.
        onset_f_shifted: The same for originals 60 ms later, what chance gives.
    """

    log_mel: float
    si_sdr_db: float
    onset_f: float
    onset_f_shifted: float


def measure_codec(
    originals: NDArray[np.float32], copies: NDArray[np.float32], sample_rate: int
) -> CodecFidelity:
    """Hold reconstructions against originals, both [N, frames]."""
    with torch.inference_mode():
        reference, estimate = torch.from_numpy(originals), torch.from_numpy(copies)
        log_mel, _ = MelDistance(sample_rate=sample_rate)(reference, estimate)
        ratio = si_sdr_db(reference, estimate).mean()
    late = round(0.06 * sample_rate)
    shifted = np.roll(originals, late, axis=1)
    onsets = [onset_times(sound, sample_rate) for sound in originals]
    return CodecFidelity(
        log_mel=round(float(log_mel), 3),
        si_sdr_db=round(float(ratio), 2),
        onset_f=_mean_f(onsets, copies, sample_rate),
        onset_f_shifted=_mean_f(onsets, shifted, sample_rate),
    )


def onset_times(sound: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """Seconds at which something starts."""
    return np.asarray(detect_onsets(sound, sample_rate) / sample_rate, dtype=np.float64)


def _mean_f(
    onsets: list[NDArray[np.float64]], sounds: NDArray[np.float32], sample_rate: int
) -> float:
    scores = [
        f_measure(wanted, onset_times(sound, sample_rate))
        for wanted, sound in zip(onsets, sounds, strict=True)
    ]
    return round(float(np.mean(scores)), 3)


def f_measure(wanted: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    """Harmonic mean of recall and precision, each onset matched once within 20 ms."""
    if not len(wanted) or not len(found):
        return float(len(wanted) == len(found))
    matched, place = 0, 0
    for time in np.sort(wanted):
        while place < len(found) and found[place] < time - ONSET_TOLERANCE_SECONDS:
            place += 1
        if place < len(found) and found[place] <= time + ONSET_TOLERANCE_SECONDS:
            matched += 1
            place += 1
    return 2 * matched / (len(wanted) + len(found))

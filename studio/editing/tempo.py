"""Tempo: whether a sound keeps the one it was asked for, and which one an unknown sound has.

Owns the measures of tempo. What the product itself made has its tempo as a fact and is never
measured to learn it, only to check it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, isfinite, log2
from typing import Final

import numpy as np
from numpy.typing import NDArray

from studio.editing.onsets import OnsetEnvelope, OnsetPeaks, onset_envelope, onset_peaks

TOLERANCE: Final = 0.02
"""A sound is on a tempo when it keeps it within this share."""

_SEARCH: Final = 0.12
_STEP: Final = 0.002
_CLEAR_RESULTANT: Final = 0.55
_SIGNIFICANT: Final = 4.0
_RIVAL_MARGIN: Final = 0.5
_REPEATS_WEIGHT: Final = 1.5
_RIVAL_RANGE: Final = (0.55, 1.9)
_RELATIVES: Final = (2 / 3, 3 / 4, 1.0, 4 / 3, 3 / 2)
_RELATIVE_WIDTH: Final = 0.04

_BLIND_RANGE_BPM: Final = (55.0, 215.0)
_USUAL_RANGE_BPM: Final = (70.0, 180.0)
_USUAL_CENTRE_BPM: Final = 122.0
_USUAL_OCTAVES: Final = 0.7
_MOST_SECONDS: Final = 30.0


@dataclass(frozen=True, kw_only=True)
class TempoCheck:
    """How well a sound keeps an asked tempo.

    Attributes:
        on_grid: Whether it keeps the tempo within 2 %, beyond chance.
        local_error: The best tempo within 12 % of the asked one, as a share: 0.05 when the
            sound is 5 % faster. Of no meaning when `grid_resultant` is small throughout.
        grid_resultant: How well the onsets agree on one position within the sixteenths of the
            asked tempo: 1 all on one, about 0 anywhere.
    """

    on_grid: bool
    local_error: float
    grid_resultant: float


@dataclass(frozen=True, kw_only=True)
class TempoEstimate:
    """A tempo found without being told.

    Attributes:
        tempo_bpm: Beats a minute; 0 when nothing in the sound keeps time.
        confidence: 0 to 1; under 0.5 when another tempo explains the sound as well.
    """

    tempo_bpm: float
    confidence: float


def tempo_error(
    samples_mono: NDArray[np.float32], sample_rate: int, tempo_bpm: float
) -> TempoCheck:
    """Check a sound against an asked tempo.

    The onsets o(t), weighted by the square of their strength, are laid on the circle of one
    sixteenth: R(b) = |sum o(t) exp(2 pi i t 4 b / 60)| / sum o(t). The sound is on the tempo when

    - R, searched 12 % to either side, is largest within 2 % of the asked tempo;
    - that R is at least 0.55 and beyond chance: n R^2 >= 4 (Rayleigh's test, chance about
      exp(-n R^2)), where n is the effective number of onsets, (sum s)^2 / sum s^2 of their
      strengths s. White noise and hits at irregular times fail here;
    - no unrelated tempo explains the sound clearly better, by R summed over sixteenths, eighths
      and quarters, and by how well the envelope repeats after a beat, two beats and a bar. Hits
      on plain quarters also agree on the fifth part of a beat, which would let a tempo 5/4 too
      fast pass; and so do swung ones, on its eighths and quarters even, but they do not repeat.

    Metrical relatives are not told apart: a sound of half or double the tempo passes when its
    onsets lie on the asked sixteenths, one of 2/3, 3/4, 4/3 or 3/2 of the tempo when they happen
    to (mostly when it plays eighths or slower). A caller that must know counts them separately.

    Args:
        samples_mono: float32 [frames]; two bars or more are best, a single bar may be repeated.
        sample_rate: In Hz.
        tempo_bpm: The asked tempo.

    Raises:
        ValueError: A tempo that is not positive.
    """
    if not (isfinite(tempo_bpm) and tempo_bpm > 0):
        raise ValueError(f"tempo_bpm must be positive, not {tempo_bpm}")
    envelope = onset_envelope(samples_mono, sample_rate)
    peaks = onset_peaks(envelope)
    if not len(peaks.seconds):
        return TempoCheck(on_grid=False, local_error=0.0, grid_resultant=0.0)
    offsets = np.arange(-round(_SEARCH / _STEP), round(_SEARCH / _STEP) + 1) * _STEP
    resultants = _sixteenth_resultants(peaks, np.asarray(tempo_bpm * (1 + offsets)))
    best = int(np.argmax(resultants))
    clear = float(resultants[best])
    local_error = float(offsets[best]) + _STEP * _vertex(resultants, best)
    on_grid = (
        abs(local_error) <= TOLERANCE
        and clear >= _CLEAR_RESULTANT
        and _effective_count(peaks) * clear**2 >= _SIGNIFICANT
        and _rival_lead(envelope, peaks, tempo_bpm, local_error) <= _RIVAL_MARGIN
    )
    return TempoCheck(
        on_grid=on_grid,
        local_error=local_error,
        grid_resultant=float(resultants[len(offsets) // 2]),
    )


def estimate_tempo(
    samples_mono: NDArray[np.float32], sample_rate: int, *, hint: float | None = None
) -> TempoEstimate:
    """The tempo of an unknown sound, for imports.

    The sixteenth grid that the onsets agree on gives the tempo up to a metrical relative; how
    well the onset envelope repeats after one beat, two beats and a bar, and what tempos are
    usual (70 to 180), choose among those. At most 30 s from the middle are heard.

    Args:
        samples_mono: float32 [frames].
        sample_rate: In Hz.
        hint: A tempo believed to be about right, from a file name say; the answer then lies
            within 12 % of it.

    Raises:
        ValueError: A hint that is not positive.
    """
    if hint is not None and not (isfinite(hint) and hint > 0):
        raise ValueError(f"hint must be positive, not {hint}")
    spare = max(0, len(samples_mono) - round(_MOST_SECONDS * sample_rate))
    heard = samples_mono[spare // 2 : len(samples_mono) - (spare - spare // 2)]
    envelope = onset_envelope(heard, sample_rate)
    peaks = onset_peaks(envelope)
    if len(peaks.seconds) < 3:
        return TempoEstimate(tempo_bpm=0.0, confidence=0.0)
    low, high = _BLIND_RANGE_BPM
    if hint is not None:
        low, high = hint * (1 - _SEARCH), hint * (1 + _SEARCH)
    seconds = max(1.0, len(heard) / sample_rate)
    step = min(_STEP, 0.05 * 60 / (4 * high * seconds))
    count = int(np.log(high / low) / np.log1p(step)) + 1
    tempos = np.asarray(low * (1 + step) ** np.arange(count), dtype=np.float64)
    resultants = _sixteenth_resultants(peaks, tempos)
    repeats = _repeats(envelope.values, envelope.rate_hz, tempos)
    scores = resultants * (0.3 + repeats)
    if hint is None:
        scores = scores * np.array([_usual(tempo) for tempo in tempos])
    best = int(np.argmax(scores))
    clear = float(resultants[best])
    chance = len(tempos) * step * seconds * exp(-_effective_count(peaks) * clear**2)
    others = scores[np.abs(tempos / tempos[best] - 1) > _RELATIVE_WIDTH]
    lead = 1 - float(others.max(initial=0.0)) / max(float(scores[best]), 1e-12)
    confidence = clear * float(np.clip(1 - chance, 0.0, 1.0)) * (0.5 + 0.5 * lead)
    refined = low * (1 + step) ** (best + _vertex(resultants, best))
    return TempoEstimate(tempo_bpm=float(refined), confidence=confidence)


def _sixteenth_resultants(
    peaks: OnsetPeaks, tempos_bpm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """R of each tempo, [tempos]."""
    weights = peaks.strengths**2
    turns = np.exp(2j * np.pi * np.outer(tempos_bpm * (4 / 60), peaks.seconds))
    return np.asarray(np.abs(turns @ weights) / weights.sum())


def _effective_count(peaks: OnsetPeaks) -> float:
    return float(peaks.strengths.sum() ** 2 / (peaks.strengths**2).sum())


def _rival_lead(
    envelope: OnsetEnvelope, peaks: OnsetPeaks, tempo_bpm: float, local_error: float
) -> float:
    """How far the best tempo that is no metrical relative of the asked one is ahead.

    Compared by the sum of the resultants of sixteenths, eighths and quarters, and of repeats.
    """
    ratios = np.arange(*_RIVAL_RANGE, _STEP)
    unrelated = np.all(
        [np.abs(ratios / relative - 1) > _RELATIVE_WIDTH for relative in _RELATIVES], axis=0
    )
    unrelated &= np.abs(ratios - 1) > _SEARCH
    tempos = tempo_bpm * np.concatenate(([1 + local_error], ratios[unrelated]))
    levels = [_sixteenth_resultants(peaks, tempos / part) for part in (1, 2, 4)]
    repeats = _repeats(envelope.values, envelope.rate_hz, tempos)
    support = np.sum(levels, axis=0) + _REPEATS_WEIGHT * repeats
    return float(np.max(support[1:]) - support[0])


def _vertex(values: NDArray[np.float64], place: int) -> float:
    """Where between the neighbours of a maximum its parabola peaks, -0.5 to 0.5."""
    if not 0 < place < len(values) - 1:
        return 0.0
    left, middle, right = values[place - 1 : place + 2]
    bend = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _repeats(
    values: NDArray[np.float64], rate_hz: float, tempos_bpm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean correlation of the envelope with itself one, two and four beats later, [tempos]."""
    smooth = np.convolve(values, np.hanning(11) / np.hanning(11).sum(), mode="same")
    centred = smooth - smooth.mean()
    size = 1 << (2 * len(centred) - 1).bit_length()
    spectrum = np.fft.rfft(centred, size)
    products = np.fft.irfft(np.abs(spectrum) ** 2, size)[: len(centred)]
    overlap = np.arange(len(centred), 0, -1)
    correlation = products / overlap / max(float(products[0]) / len(centred), 1e-12)
    total = np.zeros(len(tempos_bpm))
    for beats in (1, 2, 4):
        lags = beats * 60 / tempos_bpm * rate_hz
        known = lags < len(centred) * 0.75
        at = np.interp(np.where(known, lags, 0), np.arange(len(centred)), correlation)
        total += np.where(known, np.clip(at, 0, 1), 0.25)
    return total / 3


def _usual(tempo_bpm: float) -> float:
    """How usual a tempo is, 0 to 1."""
    octaves = log2(tempo_bpm / _USUAL_CENTRE_BPM) / _USUAL_OCTAVES
    inside = _USUAL_RANGE_BPM[0] <= tempo_bpm <= _USUAL_RANGE_BPM[1]
    return exp(-0.5 * octaves**2) * (1.0 if inside else 0.7)

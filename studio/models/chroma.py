"""The melody of a sound as MusicGen's melody models hear it.

Owns the chroma features: for each short stretch of sound, which of the twelve pitch classes
sounds strongest. It neither reads files nor resamples, and knows nothing of a model's weights.

The filter bank is that of Ellis 2007, "Chroma feature analysis and synthesis", as librosa made
it common and as the published melody models were trained with.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from studio.core.errors import InputError

SAMPLE_RATE = 32_000
PITCH_CLASSES = 12
WINDOW_FRAMES = 16_384
HOP_FRAMES = 4_096
CHROMA_RATE = SAMPLE_RATE / HOP_FRAMES

_LOWEST_A_HZ = 27.5
_CENTRE_OCTAVE, _OCTAVE_SPREAD = 5.0, 2.0
_SEMITONES_FROM_A_TO_C = 3
_QUIETEST = 1e-6
_BLOCK = 32


def pitch_classes(samples: NDArray[np.float32]) -> NDArray[np.int8]:
    """The strongest pitch class of each chroma frame.

    Frame f is heard through a Hann window of `WINDOW_FRAMES` around sample frame
    f * `HOP_FRAMES`; the ends of the sound are reflected. A sound shorter than the window is
    first laid in the middle of silence as long as it. Silence gives pitch class 0.

    Args:
        samples: Mono sound [N] at `SAMPLE_RATE`.

    Returns:
        int8 [F], F = max(N, WINDOW_FRAMES) // HOP_FRAMES + 1, 0 is C and 11 is B;
        `CHROMA_RATE` of them a second.

    Raises:
        InputError: The sound is empty, not mono, or holds NaN or infinity.
    """
    strongest: NDArray[np.int8] = chroma(samples).argmax(axis=1).astype(np.int8)
    return strongest


def chroma(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Energy of the pitch classes, C first: float64 [F, 12].

    The strongest class of a frame is 1, except near silence, where all are near 0. Arguments and
    errors are those of `pitch_classes`.
    """
    if samples.ndim != 1:
        raise InputError(f"A melody must be mono sound, not of shape {list(samples.shape)}.")
    if not len(samples):
        raise InputError("The melody has no sound in it; choose another file.")
    if not np.isfinite(samples).all():
        raise InputError("The melody holds NaN or infinity; choose another file.")
    missing = max(0, WINDOW_FRAMES - len(samples))
    centred = np.pad(samples, (missing // 2, missing - missing // 2))
    reflected = np.pad(centred, WINDOW_FRAMES // 2, mode="reflect")
    frames = sliding_window_view(reflected, WINDOW_FRAMES)[::HOP_FRAMES]
    filters, window = _filter_bank(), _hann()
    energies = np.empty((len(frames), PITCH_CLASSES))
    for begin in range(0, len(frames), _BLOCK):
        spectrum = np.fft.rfft(frames[begin : begin + _BLOCK] * window, axis=1)
        power = spectrum.real**2 + spectrum.imag**2
        energies[begin : begin + _BLOCK] = power @ filters
    energies /= np.maximum(energies.max(axis=1, keepdims=True), _QUIETEST)
    return energies


@cache
def _hann() -> NDArray[np.float64]:
    """A periodic Hann window [WINDOW_FRAMES] of energy 1."""
    phase = 2.0 * np.pi * np.arange(WINDOW_FRAMES) / WINDOW_FRAMES
    window = 0.5 - 0.5 * np.cos(phase)
    return window / np.linalg.norm(window)


@cache
def _filter_bank() -> NDArray[np.float64]:
    """What each frequency of the spectrum gives to each pitch class: [frequencies, 12].

    A bump a semitone wide lies around every pitch of a class. Low frequencies, whose spacing is
    wider than a semitone, spread over more classes, and octaves far from the fifth count less.
    """
    half = WINDOW_FRAMES // 2
    # One frequency more than needed, for the distance from the last one to the next.
    frequencies = np.arange(1, half + 2) * (SAMPLE_RATE / WINDOW_FRAMES)
    heights = PITCH_CLASSES * np.log2(frequencies / _LOWEST_A_HZ)
    # 0 Hz has no pitch: it is put an octave and a half below the first frequency.
    heights = np.concatenate([[heights[0] - 1.5 * PITCH_CLASSES], heights])
    widths = np.maximum(np.diff(heights), 1.0)
    heights = heights[:-1]
    above = heights[:, None] - np.arange(PITCH_CLASSES)
    distance = np.mod(above + PITCH_CLASSES / 2, PITCH_CLASSES) - PITCH_CLASSES / 2
    bumps = np.exp(-2.0 * (distance / widths[:, None]) ** 2)
    bumps /= np.linalg.norm(bumps, axis=1, keepdims=True)
    octaves = heights / PITCH_CLASSES
    bumps *= np.exp(-0.5 * ((octaves - _CENTRE_OCTAVE) / _OCTAVE_SPREAD) ** 2)[:, None]
    filters: NDArray[np.float64] = np.roll(bumps, -_SEMITONES_FROM_A_TO_C, axis=1)
    return filters

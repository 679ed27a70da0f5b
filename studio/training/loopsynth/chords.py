"""Owns the bank of chord voices that are struck: stabs, skanks, keys, organs; no patterns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np

from studio.training.loopsynth.oscillators import (
    Shape,
    Sound,
    decay,
    fade_edges,
    low_pass,
    midi_hz,
    oscillate,
    shaped_noise,
    sine,
    soft_clip,
    times,
)
from studio.training.loopsynth.timing import SAMPLE_RATE

Notes = tuple[int, ...]
_BRIGHTNESS: Final = (0.55, 0.75, 1.0, 1.35, 1.8, 2.4)


def _length(seconds: float) -> int:
    return int(seconds * SAMPLE_RATE)


def _saws(
    notes: Notes,
    samples: int,
    cutoff_hz: float | Sound,
    *,
    resonance: float = 0.8,
    apart: float = 0.0,
    shape: Shape = "saw",
) -> Sound:
    wave = np.zeros(samples, dtype=np.float32)
    for index, note in enumerate(notes):
        for detune in (-apart, apart) if apart else (0.0,):
            wave += oscillate(
                midi_hz(note) * (1 + detune),
                samples,
                shape=shape,
                resonance=resonance,
                cutoff_hz=cutoff_hz,
                phase=0.13 * index,
            )
    return wave


def _partials(notes: Notes, samples: int, levels: Mapping[float, float]) -> Sound:
    wave = np.zeros(samples, dtype=np.float32)
    for note in notes:
        for ratio, level in levels.items():
            wave += level * sine(midi_hz(note) * ratio, samples, phase=0.05 * ratio)
    return wave


def _house(notes: Notes, bright: float, variant: int) -> Sound:
    samples = _length(0.3)
    cutoff_hz = (500 + 2_600 * decay(samples, 0.05)) * bright
    wave = _saws(notes, samples, cutoff_hz, resonance=1.5)
    return 0.2 * wave * decay(samples, (0.07, 0.09, 0.12)[variant])


def _dub(notes: Notes, bright: float, variant: int) -> Sound:
    samples = _length(0.3)
    cutoff_hz = (320 + 1_100 * decay(samples, 0.06)) * bright
    wave = _saws(notes, samples, cutoff_hz, resonance=2.0)
    return 0.22 * wave * decay(samples, (0.08, 0.11, 0.14)[variant])


def _organ(notes: Notes, bright: float, variant: int) -> Sound:
    samples = _length(0.34)
    levels = {1.0: 0.6, 2.0: 0.4, 3.0: 0.25 * bright, 4.0: 0.15 * bright, 6.0: 0.1 * bright}
    if variant == 1:
        levels |= {0.5: 0.3}
    return 0.16 * _partials(notes, samples, levels) * decay(samples, (0.12, 0.15, 0.2)[variant])


def _rave(notes: Notes, bright: float, variant: int) -> Sound:
    samples = _length(0.32)
    wave = _saws(notes, samples, 3_400 * bright, apart=(0.004, 0.006, 0.009)[variant])
    return 0.13 * wave * decay(samples, 0.1)


def _piano(notes: Notes, bright: float, variant: int) -> Sound:
    """Stretched partials whose upper ones fade first, struck by felt."""
    samples = _length(0.6)
    wave = np.zeros(samples, dtype=np.float32)
    for index, note in enumerate(notes):
        for n in range(1, 8):
            ratio = n * np.sqrt(1 + 3e-4 * n * n)
            level = (0.68 * bright**0.3) ** (n - 1)
            tone = sine(midi_hz(note) * ratio, samples, phase=0.11 * n * index)
            wave += level * tone * decay(samples, (0.22 + 0.06 * variant) / n**0.7)
    felt = shaped_noise(np.random.default_rng(7), samples, 700, 3_000) * decay(samples, 0.006)
    return 0.12 * wave + 0.02 * felt


def _epiano(notes: Notes, bright: float, variant: int) -> Sound:
    """A tine: a sine with a bell that fades at once."""
    samples = _length(0.6)
    wave = np.zeros(samples, dtype=np.float32)
    for note in notes:
        depth = 0.7 * bright * decay(samples, 0.06 + 0.03 * variant)
        turns = 2 * np.pi * midi_hz(note) * times(samples)
        wave += np.sin(turns + depth * np.sin(turns)) * decay(samples, 0.28)
        wave += 0.12 * bright * sine(midi_hz(note) * 7, samples) * decay(samples, 0.03)
    return 0.14 * wave


def _skank(notes: Notes, bright: float, variant: int) -> Sound:
    """A muted guitar chord, strummed over a few milliseconds."""
    samples = _length(0.18)
    wave = np.zeros(samples, dtype=np.float32)
    for index, note in enumerate(notes):
        late = int((0.001 + 0.0015 * variant) * index * SAMPLE_RATE)
        cutoff_hz = (900 + 3_000 * decay(samples - late, 0.02)) * bright
        tone = oscillate(
            midi_hz(note + 12), samples - late, shape="pulse", resonance=1.0, cutoff_hz=cutoff_hz
        )
        wave[late:] += tone * decay(samples - late, 0.035)
    return 0.2 * wave


def _brass(notes: Notes, bright: float, variant: int) -> Sound:
    samples = _length(0.34)
    rise: Sound = np.minimum(1.0, times(samples) / np.float32(0.02 + 0.012 * variant))
    wave = _saws(notes, samples, (350 + 2_400 * rise * decay(samples, 0.3)) * bright, apart=0.003)
    return 0.12 * wave * rise * decay(samples, 0.16)


def _orchestra(notes: Notes, bright: float, variant: int) -> Sound:
    """The sampled hit of a whole orchestra: octaves, bow noise and a low sampling rate."""
    samples = _length(0.4)
    spread = tuple(note + octave for note in notes for octave in (-12, 0, 12))
    wave = _saws(spread, samples, 2_000 * bright, apart=0.004)
    scrape = shaped_noise(np.random.default_rng(11), samples, 500, 4_000)
    struck = 0.05 * wave + 0.05 * bright * scrape * decay(samples, 0.03)
    hold = 2 + variant
    held = np.repeat(low_pass(struck, 6_000)[::hold], hold)[:samples]
    return held.astype(np.float32) * decay(samples, 0.12)


def _voices(notes: Notes, bright: float, variant: int) -> Sound:
    """A sung vowel cut short: saws through two resonances."""
    samples = _length(0.36)
    vowel = ((730.0, 1_090.0), (570.0, 840.0), (300.0, 870.0))[variant]
    wave = np.zeros(samples, dtype=np.float32)
    for note in notes:
        harmonics = np.arange(1, min(24, int(5_000 / midi_hz(note))) + 1)
        for n in harmonics:
            hz = float(midi_hz(note) * n)
            level = sum(1 / (1 + ((hz - formant) / 130) ** 2) for formant in vowel) + 0.25 / n
            if hz > 1_500:
                level *= min(1.0, 0.5 * bright)
            wave += level / n**0.5 * sine(hz, samples, phase=0.17 * float(n))
    rise = np.minimum(1.0, times(samples) / np.float32(0.015))
    return soft_clip(0.16 * wave * rise * decay(samples, 0.18))


_MAKERS: Final[Mapping[str, Callable[[Notes, float, int], Sound]]] = MappingProxyType(
    {
        "house": _house,
        "dub": _dub,
        "organ": _organ,
        "rave": _rave,
        "piano": _piano,
        "epiano": _epiano,
        "skank": _skank,
        "brass": _brass,
        "orchestra": _orchestra,
        "vox": _voices,
    }
)
STAB_FAMILIES: Final = tuple(_MAKERS)
STAB_COUNT: Final = len(STAB_FAMILIES) * len(_BRIGHTNESS)


def stab_family(patch: int) -> str:
    """The family of a stab patch in ``range(STAB_COUNT)``."""
    return STAB_FAMILIES[patch % len(STAB_FAMILIES)]


@lru_cache(maxsize=1024)
def stab(patch: int, notes: Notes) -> Sound:
    """One struck chord, ``[samples]``; ``notes`` are MIDI numbers."""
    rank = patch // len(STAB_FAMILIES)
    sound = _MAKERS[stab_family(patch)](notes, _BRIGHTNESS[rank], rank % 3)
    sound = fade_edges(sound, 0.002, 0.02)
    sound.flags.writeable = False
    return sound

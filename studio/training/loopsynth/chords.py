"""Owns the banks of chord stabs, pads and arpeggio notes; no patterns."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np

from studio.training.loopsynth.oscillators import (
    Sound,
    decay,
    fade_edges,
    midi_hz,
    oscillate,
    sine,
    times,
)
from studio.training.loopsynth.timing import FRAME_SAMPLES, SAMPLE_RATE

STAB_FAMILIES: Final = ("house", "dub", "organ", "rave")
ARP_FAMILIES: Final = ("bell", "glass", "saw", "soft")
_STAB_BRIGHTNESS: Final = (0.6, 1.0, 1.5, 2.2)
STAB_COUNT: Final = len(STAB_FAMILIES) * len(_STAB_BRIGHTNESS)
ARP_COUNT: Final = 2 * len(ARP_FAMILIES)
PAD_COUNT: Final = 6


def stab_family(patch: int) -> str:
    """The family of a stab patch in ``range(STAB_COUNT)``."""
    return STAB_FAMILIES[patch % len(STAB_FAMILIES)]


def arp_family(patch: int) -> str:
    """The family of an arpeggio patch in ``range(ARP_COUNT)``."""
    return ARP_FAMILIES[patch % len(ARP_FAMILIES)]


def _organ(notes: tuple[int, ...], samples: int, brightness: float) -> Sound:
    wave = np.zeros(samples, dtype=np.float32)
    for note in notes:
        for harmonic, level in ((1, 0.6), (2, 0.4), (3, 0.25), (4, 0.15), (6, 0.1)):
            tone = level * (1.0 if harmonic < 3 else brightness)
            wave += tone * sine(midi_hz(note) * harmonic, samples, phase=0.05 * harmonic)
    return 0.16 * wave * decay(samples, 0.12)


def _saw_chord(
    notes: tuple[int, ...],
    samples: int,
    cutoff_hz: float | Sound,
    *,
    resonance: float,
    apart: float,
) -> Sound:
    wave = np.zeros(samples, dtype=np.float32)
    for index, note in enumerate(notes):
        for detune in (-apart, apart) if apart else (0.0,):
            wave += oscillate(
                midi_hz(note) * (1 + detune),
                samples,
                resonance=resonance,
                cutoff_hz=cutoff_hz,
                phase=0.13 * index,
            )
    return wave


@lru_cache(maxsize=2048)
def stab(patch: int, notes: tuple[int, ...]) -> Sound:
    """One short chord, ``[samples]``; ``notes`` are MIDI numbers."""
    samples = int(0.3 * SAMPLE_RATE)
    brightness = np.float32(_STAB_BRIGHTNESS[patch // len(STAB_FAMILIES)])
    family = stab_family(patch)
    if family == "organ":
        sound = _organ(notes, samples, float(brightness))
    elif family == "rave":
        wave = _saw_chord(notes, samples, float(4_200 * brightness), resonance=0.8, apart=0.005)
        sound = 0.13 * wave * decay(samples, 0.1)
    elif family == "dub":
        cutoff_hz = (320 + 1_100 * decay(samples, 0.06)) * brightness
        wave = _saw_chord(notes, samples, cutoff_hz, resonance=2.0, apart=0.0)
        sound = 0.22 * wave * decay(samples, 0.11)
    else:
        cutoff_hz = (500 + 2_600 * decay(samples, 0.05)) * brightness
        wave = _saw_chord(notes, samples, cutoff_hz, resonance=1.5, apart=0.0)
        sound = 0.2 * wave * decay(samples, 0.09)
    sound = fade_edges(sound, 0.002, 0.02)
    sound.flags.writeable = False
    return sound


@lru_cache(maxsize=1024)
def arp_note(patch: int, note: int) -> Sound:
    """One plucked note of an arpeggio, ``[samples]``."""
    samples = int(0.42 * SAMPLE_RATE)
    bright = np.float32(1.0 if patch < len(ARP_FAMILIES) else 1.8)
    pitch_hz = midi_hz(note)
    family = arp_family(patch)
    if family == "bell":
        sound = sine(pitch_hz, samples) * decay(samples, 0.13)
        sound += 0.35 * bright * sine(pitch_hz * 2.76, samples) * decay(samples, 0.05)
        sound += 0.15 * bright * sine(pitch_hz * 5.4, samples) * decay(samples, 0.025)
    elif family == "glass":
        sound = sine(pitch_hz, samples) + 0.4 * bright * sine(pitch_hz * 4, samples)
        sound = sound * decay(samples, 0.09)
    elif family == "saw":
        cutoff_hz = (300 + 2_600 * decay(samples, 0.06)) * bright
        sound = oscillate(pitch_hz, samples, resonance=2.0, cutoff_hz=cutoff_hz)
        sound = 0.8 * sound * decay(samples, 0.1)
    else:
        cutoff_hz = (250 + 900 * decay(samples, 0.08)) * bright
        sound = oscillate(pitch_hz, samples, shape="square", cutoff_hz=cutoff_hz)
        sound = 0.9 * sound * decay(samples, 0.12)
    sound = fade_edges(0.5 * sound, 0.002, 0.02)
    sound.flags.writeable = False
    return sound


@lru_cache(maxsize=48)
def pad(patch: int, notes: tuple[int, ...], frames: int) -> Sound:
    """A held chord of exactly ``frames`` codec frames that swells in and out."""
    samples = frames * FRAME_SAMPLES
    cutoff_hz = (500.0, 800.0, 1_200.0, 1_700.0, 2_400.0, 3_200.0)[patch]
    wave = np.zeros(samples, dtype=np.float32)
    for index, note in enumerate(notes):
        for detune in (-0.0015, 0.0015):
            wave += oscillate(
                midi_hz(note) * (1 + detune), samples, cutoff_hz=cutoff_hz, phase=0.21 * index
            )
    seconds = times(samples)
    swell = np.minimum(1.0, np.minimum(seconds, seconds[::-1]) / np.float32(0.06))
    sound = (0.09 * wave * swell).astype(np.float32)
    sound.flags.writeable = False
    return sound

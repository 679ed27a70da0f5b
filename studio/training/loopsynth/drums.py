"""Owns the drum voices and the bank of kits made from them; no patterns, no mixing.

A kit is rendered once for a process with noise fixed by its number, so equal hits are equal
samples, wherever they occur.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np

from studio.training.loopsynth.oscillators import (
    Sound,
    decay,
    fade_edges,
    glide,
    low_pass,
    shaped_noise,
    sine,
    soft_clip,
    times,
)
from studio.training.loopsynth.timing import SAMPLE_RATE

KIT_CHARACTERS: Final = (
    "dusty",
    "bright",
    "heavy",
    "tight",
    "roomy",
    "lofi",
    "deep",
    "metallic",
)
KITS_PER_CHARACTER: Final = 4
KIT_COUNT: Final = len(KIT_CHARACTERS) * KITS_PER_CHARACTER


def _length(seconds: float) -> int:
    return int(seconds * SAMPLE_RATE)


def _kick(rng: np.random.Generator) -> Sound:
    samples = _length(rng.uniform(0.24, 0.4))
    end_hz = rng.uniform(43, 60)
    body = glide(end_hz * rng.uniform(3.5, 7), end_hz, samples, rng.uniform(0.012, 0.035))
    body = body * decay(samples, rng.uniform(0.08, 0.15))
    click = shaped_noise(rng, samples, 1_500, 7_000) * decay(samples, 0.004)
    return soft_clip((body + rng.uniform(0.06, 0.16) * click) * rng.uniform(1.1, 2.3))


def _snare(rng: np.random.Generator) -> Sound:
    samples = _length(rng.uniform(0.17, 0.28))
    pitch_hz = rng.uniform(165, 235)
    shell = glide(pitch_hz * 1.6, pitch_hz, samples, 0.01)
    shell = shell * decay(samples, rng.uniform(0.04, 0.07))
    shell += 0.5 * sine(pitch_hz * 1.59, samples) * decay(samples, 0.035)
    wires = shaped_noise(rng, samples, rng.uniform(900, 2_200), rng.uniform(7_000, 13_000))
    wires *= decay(samples, rng.uniform(0.035, 0.085))
    return soft_clip((rng.uniform(0.4, 0.75) * shell + 0.45 * wires) * 1.6)


def _clap(rng: np.random.Generator) -> Sound:
    samples = _length(0.24)
    seconds = times(samples)
    envelope = np.zeros(samples, dtype=np.float32)
    for start in (0.0, 0.011, 0.022):
        envelope += np.where(seconds >= start, np.exp(-np.abs(seconds - start) / 0.005), 0.0)
    tail = rng.uniform(0.03, 0.07)
    envelope += 0.8 * np.where(seconds >= 0.03, np.exp(-np.abs(seconds - 0.03) / tail), 0.0)
    return shaped_noise(rng, samples, rng.uniform(800, 1_200), rng.uniform(4_000, 8_000)) * envelope


def _cymbal(rng: np.random.Generator, fall_seconds: float) -> Sound:
    samples = _length(4.5 * fall_seconds)
    hiss = shaped_noise(rng, samples, rng.uniform(5_500, 7_500), 13_500, slope=4)
    base_hz = rng.uniform(310, 470)
    metal = np.zeros(samples, dtype=np.float32)
    for partial in (13.3, 16.9, 19.7, 24.1, 29.3):
        metal += sine(base_hz * partial, samples, phase=0.1 * partial)
    return (0.6 * hiss + rng.uniform(0.05, 0.2) * metal) * decay(samples, fall_seconds)


def _closed_hat(rng: np.random.Generator) -> Sound:
    return _cymbal(rng, rng.uniform(0.014, 0.034))


def _open_hat(rng: np.random.Generator) -> Sound:
    return _cymbal(rng, rng.uniform(0.08, 0.15))


def _ride(rng: np.random.Generator) -> Sound:
    samples = _length(0.42)
    base_hz = rng.uniform(360, 480)
    bell = np.zeros(samples, dtype=np.float32)
    for partial in (7.1, 9.3, 11.7, 13.9, 17.3):
        bell += sine(base_hz * partial, samples, phase=0.07 * partial)
    wash = shaped_noise(rng, samples, 6_000, 12_000)
    strike = 0.6 * decay(samples, 0.11) + 0.6 * decay(samples, 0.01)
    return (0.3 * bell + 0.3 * wash) * strike


def _tom(rng: np.random.Generator) -> Sound:
    samples = _length(0.3)
    pitch_hz = rng.uniform(85, 170)
    skin = shaped_noise(rng, samples, 500, 4_000) * decay(samples, 0.008)
    return glide(pitch_hz * 1.5, pitch_hz, samples, 0.03) * decay(samples, 0.09) + 0.1 * skin


def _rim(rng: np.random.Generator) -> Sound:
    samples = _length(0.07)
    pitch_hz = rng.uniform(750, 1_650)
    wood = sine(pitch_hz, samples) + 0.6 * sine(pitch_hz * 1.47, samples)
    click = shaped_noise(rng, samples, 3_000, 11_000) * decay(samples, 0.002)
    return wood * decay(samples, 0.012) + 0.3 * click


_VOICES: Final[Mapping[str, tuple[Callable[[np.random.Generator], Sound], float]]] = {
    "kick": (_kick, 0.92),
    "snare": (_snare, 0.85),
    "clap": (_clap, 0.7),
    "hat": (_closed_hat, 0.62),
    "openhat": (_open_hat, 0.55),
    "ride": (_ride, 0.5),
    "tom": (_tom, 0.65),
    "rim": (_rim, 0.6),
}
VOICES: Final = tuple(_VOICES)


def _roomy(sound: Sound, rng: np.random.Generator) -> Sound:
    echo_samples = _length(0.2)
    room = shaped_noise(rng, echo_samples, 300, 7_000) * decay(echo_samples, 0.05) * 0.035
    total = len(sound) + echo_samples
    size = 1 << total.bit_length()
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(room, size), size)[:total]
    wet[: len(sound)] += sound
    return wet.astype(np.float32)


def _with_character(sound: Sound, character: str, rng: np.random.Generator) -> Sound:
    samples = len(sound)
    if character == "dusty":
        return soft_clip(1.6 * low_pass(sound, 4_800))
    if character == "bright":
        return sound + 0.8 * (sound - low_pass(sound, 4_000))
    if character == "heavy":
        return soft_clip(2.6 * sound)
    if character == "tight":
        kept = int(0.5 * samples)
        return sound[:kept] * decay(kept, kept / SAMPLE_RATE / 2.6)
    if character == "roomy":
        return _roomy(sound, rng)
    if character == "lofi":
        held = np.repeat(low_pass(sound, 5_000)[::3], 3)[:samples]
        return (np.round(held * 28.0) / 28.0).astype(np.float32)
    if character == "deep":
        slower = np.arange(int(samples * 1.3)) / 1.3
        return np.interp(slower, np.arange(samples), sound).astype(np.float32)
    ring = sine(float(rng.uniform(320, 680)), samples)
    return (0.5 * sound + 0.75 * sound * ring).astype(np.float32)


@lru_cache(maxsize=KIT_COUNT)
def kit_sounds(kit: int) -> Mapping[str, Sound]:
    """The hits of one kit by voice, ``[samples]`` each, at mixing level."""
    rng = np.random.default_rng([31_415, kit])
    character = kit_character(kit)
    hits: dict[str, Sound] = {}
    for voice, (make, level) in _VOICES.items():
        sound = make(rng).astype(np.float32)
        sound = _with_character(sound / np.max(np.abs(sound)), character, rng)
        quieter = 0.78 if character == "heavy" else 1.0
        sound = sound / np.max(np.abs(sound)) * level * quieter * rng.uniform(0.9, 1.05)
        hits[voice] = fade_edges(sound, 0.0003, min(0.03, len(sound) / SAMPLE_RATE / 4))
        hits[voice].flags.writeable = False
    return MappingProxyType(hits)


def kit_character(kit: int) -> str:
    """The character of a kit number in ``range(KIT_COUNT)``."""
    return KIT_CHARACTERS[kit % len(KIT_CHARACTERS)]

"""Owns the bank of drum kits and what makes their characters; no patterns, no mixing.

A kit is rendered once for a process with noise fixed by its number, so equal hits are equal
samples, wherever they occur. Soft hits are other samples: duller and shorter.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np

from studio.training.loopsynth.oscillators import (
    Sound,
    decay,
    fade_edges,
    high_pass,
    low_pass,
    shaped_noise,
    sine,
    soft_clip,
)
from studio.training.loopsynth.percussion import MAKERS, STYLES
from studio.training.loopsynth.timing import SAMPLE_RATE

_CHARACTER_STYLES: Final = {
    "dusty": "acoustic",
    "bright": "machine",
    "heavy": "machine",
    "tight": "machine",
    "roomy": "acoustic",
    "lofi": "plain",
    "deep": "plain",
    "metallic": "plain",
    "808": "analog",
    "909": "machine",
    "acoustic": "acoustic",
    "industrial": "noise",
    "gated": "machine",
    "jazzy": "acoustic",
    "electronic": "plain",
    "glitch": "glitch",
}
KIT_CHARACTERS: Final = tuple(_CHARACTER_STYLES)
KITS_PER_CHARACTER: Final = 6
KIT_COUNT: Final = len(KIT_CHARACTERS) * KITS_PER_CHARACTER
VOICES: Final = tuple(MAKERS)
CYMBALS: Final = ("hat", "openhat", "ride", "crash", "shaker")
_QUIETER: Final = {"heavy": 0.78, "industrial": 0.72}
_SOFT_HZ: Final = {voice: 6_500.0 if voice in CYMBALS else 2_600.0 for voice in VOICES}


def _room(sound: Sound, rng: np.random.Generator, seconds: float, level: float) -> Sound:
    echo_samples = int(4 * seconds * SAMPLE_RATE)
    room = shaped_noise(rng, echo_samples, 300, 7_000) * decay(echo_samples, seconds) * level
    total = len(sound) + echo_samples
    size = 1 << total.bit_length()
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(room, size), size)[:total]
    wet[: len(sound)] += sound
    return wet.astype(np.float32)


def _crushed(sound: Sound, hold: int, steps: float, cutoff_hz: float) -> Sound:
    held = np.repeat(low_pass(sound, cutoff_hz)[::hold], hold)[: len(sound)]
    return (np.round(held * steps) / steps).astype(np.float32)


def _shortened(sound: Sound, share: float) -> Sound:
    kept = int(share * len(sound))
    return sound[:kept] * decay(kept, kept / SAMPLE_RATE / 2.6)


def _ringing(sound: Sound, pitch_hz: float, dry: float, wet: float) -> Sound:
    return (dry * sound + wet * sound * sine(pitch_hz, len(sound))).astype(np.float32)


def _with_character(sound: Sound, voice: str, character: str, rng: np.random.Generator) -> Sound:
    match character:
        case "dusty":
            return soft_clip(1.6 * low_pass(sound, rng.uniform(3_800, 5_600)))
        case "bright":
            return sound + 0.8 * high_pass(sound, 4_000)
        case "heavy":
            return soft_clip(rng.uniform(2.2, 3.4) * sound)
        case "tight":
            return _shortened(sound, rng.uniform(0.4, 0.55))
        case "roomy":
            return _room(sound, rng, rng.uniform(0.04, 0.07), 0.035)
        case "lofi":
            return _crushed(sound, int(rng.choice([2, 3, 4])), 28.0, 5_000)
        case "deep":
            slower = np.arange(int(len(sound) * 1.3)) / 1.3
            return np.interp(slower, np.arange(len(sound)), sound).astype(np.float32)
        case "metallic":
            dry, wet = (0.9, 0.3) if voice == "kick" else (0.5, 0.75)
            return _ringing(sound, float(rng.uniform(320, 680)), dry, wet)
        case "industrial":
            rung = _ringing(sound, float(rng.uniform(90, 260)), 0.8, 0.5)
            return _room(soft_clip(rng.uniform(3, 5) * rung), rng, 0.035, 0.03)
        case "gated":
            if voice not in ("snare", "clap", "tom"):
                return sound
            roomy = _room(sound, rng, 0.12, 0.05)[: int(rng.uniform(0.2, 0.28) * SAMPLE_RATE)]
            return soft_clip(1.5 * roomy)
        case "jazzy":
            softer = low_pass(sound, 7_500)
            return _room(softer, rng, 0.03, 0.02) if voice != "kick" else softer
        case "electronic":
            if voice in CYMBALS:
                return _crushed(sound, 2, 64.0, 9_000)
            swept = low_pass(sound, 6_000) * (1 + 0.6 * sine(rng.uniform(55, 120), len(sound)))
            return soft_clip(1.4 * swept)
        case "glitch":
            return _crushed(_shortened(sound, rng.uniform(0.5, 0.8)), 2, 12.0, 9_000)
        case "acoustic":
            return _room(sound, rng, rng.uniform(0.02, 0.035), 0.025)
    return sound


def _soft_name(voice: str) -> str:
    return f"soft {voice}"


@lru_cache(maxsize=KIT_COUNT)
def kit_sounds(kit: int) -> Mapping[str, Sound]:
    """The hits of one kit, ``[samples]`` each, at mixing level: each voice and "soft " + voice."""
    rng = np.random.default_rng([31_415, kit])
    character = kit_character(kit)
    style = STYLES[_CHARACTER_STYLES[character]]
    hits: dict[str, Sound] = {}
    for voice, (make, level) in MAKERS.items():
        sound = fade_edges(make(rng, style).astype(np.float32), 0.0, 0.02)
        sound = _with_character(sound / np.max(np.abs(sound)), voice, character, rng)
        peak = level * _QUIETER.get(character, 1.0) * rng.uniform(0.9, 1.05)
        hits[voice] = _finished(sound, peak)
        kept = max(int(0.7 * len(sound)), 960)
        soft = low_pass(sound, _SOFT_HZ[voice])[:kept]
        hits[_soft_name(voice)] = _finished(soft, 0.85 * peak)
    return MappingProxyType(hits)


def _finished(sound: Sound, peak: float) -> Sound:
    sound = sound / np.max(np.abs(sound)) * np.float32(min(peak, 0.97))
    sound = fade_edges(sound, 0.0003, min(0.03, len(sound) / SAMPLE_RATE / 4))
    sound.flags.writeable = False
    return sound


def drum_hit(kit: int, voice: str, *, soft: bool = False) -> Sound:
    """One hit of a kit."""
    return kit_sounds(kit)[_soft_name(voice) if soft else voice]


def kit_character(kit: int) -> str:
    """The character of a kit number in ``range(KIT_COUNT)``."""
    return KIT_CHARACTERS[kit % len(KIT_CHARACTERS)]

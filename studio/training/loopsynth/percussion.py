"""Owns the drum voices of every style, one hit at a time; kits and patterns are made elsewhere.

A style is a way of making a drum: "analog" and "machine" after the drum computers of the 1980s,
"acoustic" after skin and wood, "noise" and "glitch" after overdriven and digital ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from studio.training.loopsynth.oscillators import (
    Sound,
    decay,
    glide,
    shaped_noise,
    sine,
    soft_clip,
    times,
)
from studio.training.loopsynth.timing import SAMPLE_RATE

Range = tuple[float, float]
_METAL: Final = (13.3, 16.9, 19.7, 24.1, 29.3)
_BELL: Final = (7.1, 9.3, 11.7, 13.9, 17.3)
_COWBELL_HZ: Final = (540.0, 800.0)


@dataclass(frozen=True, kw_only=True)
class Style:
    """Where the numbers of a style's drums are drawn from.

    Attributes:
        kick_hz: Pitch a kick ends at.
        kick_ratio: Its first pitch over its last.
        kick_sweep: Seconds in which the pitch falls.
        kick_decay: Seconds in which it fades.
        kick_click: Level of the beater.
        kick_drive: Distortion.
        snare_hz: Pitch of the shell.
        snare_decay: Seconds in which the wires fade.
        snare_body: Level of the shell.
        hat_decay: Seconds in which a closed hat fades.
        hat_tone: Level of the cymbals' partials beside their noise.
        low_hz: Where the cymbals' noise begins.
    """

    kick_hz: Range = (43, 60)
    kick_ratio: Range = (3.5, 7)
    kick_sweep: Range = (0.012, 0.035)
    kick_decay: Range = (0.08, 0.15)
    kick_click: Range = (0.06, 0.16)
    kick_drive: Range = (1.1, 2.3)
    snare_hz: Range = (165, 235)
    snare_decay: Range = (0.035, 0.085)
    snare_body: Range = (0.4, 0.75)
    hat_decay: Range = (0.014, 0.034)
    hat_tone: Range = (0.05, 0.2)
    low_hz: Range = (5_500, 7_500)


STYLES: Final[Mapping[str, Style]] = MappingProxyType(
    {
        "plain": Style(),
        "analog": Style(
            kick_hz=(44, 54),
            kick_ratio=(1.8, 3),
            kick_sweep=(0.02, 0.05),
            kick_decay=(0.24, 0.42),
            kick_click=(0.02, 0.07),
            kick_drive=(1.0, 1.5),
            snare_hz=(175, 215),
            snare_decay=(0.05, 0.09),
            hat_decay=(0.016, 0.04),
            hat_tone=(0.3, 0.5),
            low_hz=(6_500, 8_500),
        ),
        "machine": Style(
            kick_hz=(47, 57),
            kick_ratio=(4, 6.5),
            kick_sweep=(0.018, 0.03),
            kick_decay=(0.12, 0.2),
            kick_click=(0.14, 0.28),
            kick_drive=(1.3, 2.2),
            snare_hz=(180, 240),
            snare_decay=(0.06, 0.11),
            snare_body=(0.5, 0.8),
            hat_tone=(0.15, 0.3),
        ),
        "acoustic": Style(
            kick_hz=(56, 74),
            kick_ratio=(1.5, 2.4),
            kick_sweep=(0.008, 0.014),
            kick_decay=(0.07, 0.12),
            kick_click=(0.12, 0.26),
            kick_drive=(0.9, 1.3),
            snare_hz=(180, 265),
            snare_decay=(0.06, 0.12),
            snare_body=(0.35, 0.6),
            hat_decay=(0.02, 0.045),
            hat_tone=(0.2, 0.4),
            low_hz=(4_500, 6_500),
        ),
        "noise": Style(
            kick_ratio=(6, 11),
            kick_decay=(0.1, 0.18),
            kick_click=(0.2, 0.4),
            kick_drive=(3, 6),
            snare_hz=(140, 200),
            snare_decay=(0.08, 0.14),
            hat_decay=(0.02, 0.05),
            low_hz=(3_500, 5_500),
        ),
        "glitch": Style(
            kick_hz=(52, 72),
            kick_ratio=(5, 12),
            kick_sweep=(0.006, 0.014),
            kick_decay=(0.035, 0.06),
            kick_click=(0.2, 0.4),
            snare_hz=(260, 420),
            snare_decay=(0.018, 0.035),
            hat_decay=(0.006, 0.014),
            hat_tone=(0.4, 0.8),
            low_hz=(7_000, 9_500),
        ),
    }
)


def _length(seconds: float) -> int:
    return int(seconds * SAMPLE_RATE)


def _kick(rng: np.random.Generator, style: Style) -> Sound:
    fades = rng.uniform(*style.kick_decay)
    samples = _length(min(0.75, 0.16 + 2.2 * fades))
    end_hz = rng.uniform(*style.kick_hz)
    start_hz = end_hz * rng.uniform(*style.kick_ratio)
    body = glide(start_hz, end_hz, samples, rng.uniform(*style.kick_sweep))
    body = body * decay(samples, fades)
    click = shaped_noise(rng, samples, 1_500, 7_000) * decay(samples, 0.004)
    drive = rng.uniform(*style.kick_drive)
    return soft_clip((body + rng.uniform(*style.kick_click) * click) * drive)


def _snare(rng: np.random.Generator, style: Style) -> Sound:
    fades = rng.uniform(*style.snare_decay)
    samples = _length(0.1 + 2.4 * fades)
    pitch_hz = rng.uniform(*style.snare_hz)
    shell = glide(pitch_hz * 1.6, pitch_hz, samples, 0.01)
    shell = shell * decay(samples, rng.uniform(0.04, 0.07))
    shell += 0.5 * sine(pitch_hz * 1.59, samples) * decay(samples, 0.035)
    wires = shaped_noise(rng, samples, rng.uniform(900, 2_200), rng.uniform(7_000, 13_000))
    wires *= decay(samples, fades)
    return soft_clip((rng.uniform(*style.snare_body) * shell + 0.6 * wires) * 1.6)


def _clap(rng: np.random.Generator, style: Style) -> Sound:
    samples = _length(0.26)
    seconds = times(samples)
    envelope = np.zeros(samples, dtype=np.float32)
    apart = rng.uniform(0.008, 0.013)
    for start in (0.0, apart, 2 * apart):
        envelope += np.where(seconds >= start, np.exp(-np.abs(seconds - start) / 0.005), 0.0)
    last = 2.7 * apart
    tail = 0.7 * rng.uniform(*style.snare_decay) + 0.01
    envelope += 0.8 * np.where(seconds >= last, np.exp(-np.abs(seconds - last) / tail), 0.0)
    return shaped_noise(rng, samples, rng.uniform(800, 1_200), rng.uniform(4_000, 8_000)) * envelope


def _cymbal(rng: np.random.Generator, style: Style, fall_seconds: float) -> Sound:
    samples = _length(4.5 * fall_seconds)
    hiss = shaped_noise(rng, samples, rng.uniform(*style.low_hz), 13_500, slope=4)
    base_hz = rng.uniform(310, 470)
    metal = np.zeros(samples, dtype=np.float32)
    for partial in _METAL:
        metal += sine(base_hz * partial, samples, phase=0.1 * partial)
    return (0.6 * hiss + rng.uniform(*style.hat_tone) * metal) * decay(samples, fall_seconds)


def _closed_hat(rng: np.random.Generator, style: Style) -> Sound:
    return _cymbal(rng, style, rng.uniform(*style.hat_decay))


def _open_hat(rng: np.random.Generator, style: Style) -> Sound:
    return _cymbal(rng, style, 0.05 + 2.5 * rng.uniform(*style.hat_decay))


def _ride(rng: np.random.Generator, style: Style) -> Sound:
    samples = _length(0.42)
    base_hz = rng.uniform(360, 480)
    bell = np.zeros(samples, dtype=np.float32)
    for partial in _BELL:
        bell += sine(base_hz * partial, samples, phase=0.07 * partial)
    wash = shaped_noise(rng, samples, rng.uniform(*style.low_hz), 12_000)
    strike = 0.6 * decay(samples, rng.uniform(0.09, 0.14)) + 0.6 * decay(samples, 0.01)
    return (rng.uniform(0.25, 0.4) * bell + 0.3 * wash) * strike


def _crash(rng: np.random.Generator, style: Style) -> Sound:
    samples = _length(0.9)
    wash = shaped_noise(rng, samples, 0.55 * rng.uniform(*style.low_hz), 13_000)
    metal = np.zeros(samples, dtype=np.float32)
    for partial in (*_BELL, *_METAL):
        metal += sine(rng.uniform(330, 360) * partial, samples, phase=0.05 * partial)
    return (0.8 * wash + 0.08 * metal) * decay(samples, rng.uniform(0.18, 0.28))


def _tom(rng: np.random.Generator, style: Style) -> Sound:
    samples = _length(0.32)
    pitch_hz = 1.2 * rng.uniform(*style.kick_hz) * rng.uniform(1.2, 2.4)
    skin = shaped_noise(rng, samples, 500, 4_000) * decay(samples, 0.008)
    return glide(pitch_hz * 1.5, pitch_hz, samples, 0.03) * decay(samples, 0.1) + 0.1 * skin


def _rim(rng: np.random.Generator, style: Style) -> Sound:
    del style
    samples = _length(0.07)
    pitch_hz = rng.uniform(750, 1_650)
    wood = sine(pitch_hz, samples) + 0.6 * sine(pitch_hz * 1.47, samples)
    click = shaped_noise(rng, samples, 3_000, 11_000) * decay(samples, 0.002)
    return wood * decay(samples, 0.012) + 0.3 * click


def _shaker(rng: np.random.Generator, style: Style) -> Sound:
    samples = _length(0.1)
    grains = shaped_noise(rng, samples, rng.uniform(*style.low_hz) - 1_500, 12_500, slope=3)
    rise: Sound = np.minimum(1.0, times(samples) / np.float32(rng.uniform(0.008, 0.016)))
    return grains * rise * decay(samples, rng.uniform(0.018, 0.03))


def _conga(rng: np.random.Generator, style: Style) -> Sound:
    del style
    samples = _length(0.24)
    pitch_hz = rng.uniform(190, 340)
    slap = shaped_noise(rng, samples, 900, 5_000) * decay(samples, 0.005)
    head = glide(pitch_hz * 1.15, pitch_hz, samples, 0.012) * decay(samples, 0.06)
    head += 0.3 * sine(pitch_hz * 1.62, samples) * decay(samples, 0.03)
    return head + rng.uniform(0.08, 0.2) * slap


def _cowbell(rng: np.random.Generator, style: Style) -> Sound:
    del style
    samples = _length(0.22)
    tune = rng.uniform(0.85, 1.2)
    ring = np.zeros(samples, dtype=np.float32)
    for pitch_hz in _COWBELL_HZ:
        for harmonic in (1, 3, 5):
            ring += sine(tune * pitch_hz * harmonic, samples) / harmonic
    return ring * (0.5 * decay(samples, 0.05) + 0.5 * decay(samples, 0.012))


def _perc(rng: np.random.Generator, style: Style) -> Sound:
    """A small tuned blip: wood, metal or frequency modulation."""
    del style
    samples = _length(0.12)
    pitch_hz = rng.uniform(420, 1_100)
    turns = pitch_hz * times(samples) + rng.uniform(0.5, 3) * sine(
        pitch_hz * rng.choice([1.41, 2.0, 2.76]), samples
    ) * decay(samples, 0.02)
    return np.asarray(
        np.sin(2 * np.pi * turns) * decay(samples, rng.uniform(0.02, 0.04)), dtype=np.float32
    )


Maker = Callable[[np.random.Generator, Style], Sound]
MAKERS: Final[Mapping[str, tuple[Maker, float]]] = MappingProxyType(
    {
        "kick": (_kick, 0.76),
        "snare": (_snare, 0.9),
        "clap": (_clap, 0.8),
        "hat": (_closed_hat, 0.7),
        "openhat": (_open_hat, 0.62),
        "ride": (_ride, 0.56),
        "tom": (_tom, 0.6),
        "rim": (_rim, 0.6),
        "crash": (_crash, 0.6),
        "shaker": (_shaker, 0.6),
        "conga": (_conga, 0.62),
        "cowbell": (_cowbell, 0.5),
        "perc": (_perc, 0.55),
    }
)
"""How each voice is made, and its peak in a mix."""

"""Owns what is true of a rendered loop: its labels, read from composition and samples."""

from __future__ import annotations

from typing import Final

import numpy as np

from studio.training.loopsynth.basses import bass_colour, bass_family
from studio.training.loopsynth.chords import stab_family
from studio.training.loopsynth.composition import Composition
from studio.training.loopsynth.drums import kit_character
from studio.training.loopsynth.labels import (
    ROOTS,
    Beat,
    LoopLabels,
    Tone,
    density_of,
    speed_of,
)
from studio.training.loopsynth.melodies import triad
from studio.training.loopsynth.oscillators import Sound
from studio.training.loopsynth.pads import pad_family
from studio.training.loopsynth.plucks import pluck_family
from studio.training.loopsynth.timing import STEPS_PER_BAR

_DARK_BELOW: Final = 0.03
_BRIGHT_ABOVE: Final = 0.16
_THIRD_SHARE: Final = 0.14


def treble_balance(samples: Sound) -> float:
    """Energy of the sample-to-sample difference over the energy: 0 is all bass, 2 white noise."""
    energy = float(np.dot(samples, samples))
    difference = np.diff(samples, append=samples[:1])
    return float(np.dot(difference, difference)) / max(energy, 1e-12)


def _tone(samples: Sound) -> Tone:
    balance = treble_balance(samples)
    return "dark" if balance < _DARK_BELOW else "bright" if balance > _BRIGHT_ABOVE else ""


def _beat(composition: Composition) -> Beat:
    drums = dict(composition.drums)
    if composition.kind != "loop" or not drums:
        return ""
    if composition.genre == "reggaeton":
        return "dembow"
    kick = drums.get("kick", ())
    if kick and all(kick[step] for step in range(0, len(kick), 4)):
        return "fourfloor"
    loud = {
        step % STEPS_PER_BAR
        for voice in ("snare", "clap", "rim")
        for step, level in enumerate(drums.get(voice, ()))
        if level == 3
    }
    if loud == {8} and composition.genre != "dub":
        return "halftime"
    return "break" if composition.genre in ("jungle", "breakbeat") else ""


def _is_tonal(composition: Composition) -> bool:
    """Whether chords or a melody make the key plain: its key note leads, its third is heard."""
    if composition.kind != "loop":
        return False
    weights = np.zeros(12)
    for _, notes in composition.stabs:
        for note in notes:
            weights[note % 12] += 2
    for _, steps, note in composition.melody:
        weights[note % 12] += min(steps, 4)
    if composition.pad_patch is not None:
        for degree in composition.progression:
            for note in triad(degree, major=composition.major):
                weights[note % 12] += 4
    if not weights.any():
        return False
    third = 4 if composition.major else 3
    plain = weights[third] >= _THIRD_SHARE * weights.sum()
    for _, steps, note in composition.bass:
        weights[note % 12] += min(steps, 4)
    return bool(plain and weights[0] >= weights.max())


def describe(
    seed: int, composition: Composition, samples: Sound, onset_frames: tuple[int, ...]
) -> LoopLabels:
    """The labels of a rendered composition."""
    pitched = composition.bass or composition.stabs or composition.melody
    keyed = bool(pitched) or composition.pad_patch is not None or composition.riser == "tone"
    key = ROOTS[composition.root] + ("" if composition.major else "m")
    has_drums = bool(composition.drums)
    snare = dict(composition.drums).get("snare", ())
    pad = composition.pad_patch
    return LoopLabels(
        seed=seed,
        genre="" if composition.kind == "oneshot" else composition.genre,
        grid=composition.grid,
        bars=composition.bars,
        kit_character=kit_character(composition.kit) if has_drums else None,
        kit=composition.kit if has_drums else None,
        voices=tuple(voice for voice, _ in composition.drums),
        beat=_beat(composition),
        bass=bass_family(composition.bass_patch) if composition.bass else None,
        bass_colour=bass_colour(composition.bass_patch) if composition.bass else "",
        stab=stab_family(composition.stab_patch) if composition.stabs else None,
        pad=None if pad is None else pad_family(pad),
        arp=pluck_family(composition.melody_patch) if composition.melody else None,
        key=key if keyed else None,
        swing=composition.swung,
        fill=composition.fill,
        echo=composition.echo_steps > 0,
        tone=_tone(samples),
        density=density_of(onset_frames, composition.bars),
        speed=speed_of(composition.grid),
        period_frames=composition.bars * STEPS_PER_BAR * composition.grid,
        onset_frames=onset_frames,
        pattern_hash=composition.pattern_hash,
        kind=composition.kind,
        lead=composition.lead,
        tonal=_is_tonal(composition),
        roll=composition.rolling,
        ghosts=snare.count(1) >= 2 * composition.bars,
        pumping=composition.pumping,
    )

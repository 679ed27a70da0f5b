"""Owns the mixing of a drawn loop into samples and labels; chooses nothing itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from studio.training.loopsynth.basses import bass_colour, bass_family, bass_note
from studio.training.loopsynth.chords import arp_family, arp_note, pad, stab, stab_family
from studio.training.loopsynth.composition import Composition, Split, draw_composition
from studio.training.loopsynth.drums import kit_character, kit_sounds
from studio.training.loopsynth.labels import (
    ROOTS,
    Beat,
    LoopLabels,
    Tone,
    density_of,
    speed_of,
)
from studio.training.loopsynth.oscillators import Sound, soft_clip
from studio.training.loopsynth.timing import FRAME_SAMPLES, STEPS_PER_BAR

_DRUM_GAINS: Final = (0.0, 0.18, 0.36, 0.56)
_PAD_GAIN: Final = 0.5
_DRIVE: Final = 1.05
_ECHO_GAINS: Final = (0.42, 0.18)
_ECHO_STEPS: Final = 3
_DARK_BELOW: Final = 0.03
_BRIGHT_ABOVE: Final = 0.16


@dataclass(frozen=True, kw_only=True)
class SynthLoop:
    """One period of a loop.

    Attributes:
        samples: Mono, float32, ``[period_frames * FRAME_SAMPLES]`` at ``SAMPLE_RATE``; circular.
        labels: What is true of it.
    """

    samples: Sound
    labels: LoopLabels


@dataclass(frozen=True, kw_only=True)
class Event:
    """A sound that starts on a codec frame, with a linear gain."""

    frame: int
    sound: Sound
    gain: float


def render_loop(
    seed: int,
    *,
    split: Split = "train",
    genre: str | None = None,
    grid: int | None = None,
    bars: int | None = None,
) -> SynthLoop:
    """Render the loop of a seed; the same arguments give the same samples.

    Args:
        seed: Not negative.
        split: "train" or "validation"; the two share no patterns.
        genre: Fix the genre.
        grid: Fix the codec frames to a sixteenth.
        bars: Fix the length in bars.

    Raises:
        TrainingError: An argument names something the synthesiser does not have.
    """
    composition = draw_composition(seed, split=split, genre=genre, grid=grid, bars=bars)
    period_frames = composition.bars * STEPS_PER_BAR * composition.grid
    attacks = list(events_of(composition))
    mix = mix_circular([*attacks, *_pad_events(composition)], period_frames)
    samples = soft_clip(mix * np.float32(_DRIVE))
    onsets = tuple(sorted({event.frame for event in attacks}))
    labels = _label(seed, composition, samples, onsets)
    return SynthLoop(samples=samples, labels=labels)


def events_of(composition: Composition) -> Iterator[Event]:
    """Every sound with an attack, in no particular order, within one period."""
    period = composition.bars * STEPS_PER_BAR * composition.grid

    def frame_of(step: int) -> int:
        late = composition.swing_frames if step % 2 else 0
        return step * composition.grid + late

    if composition.drums:
        kit = kit_sounds(composition.kit)
        for voice, levels in composition.drums:
            for step, level in enumerate(levels):
                if level:
                    gain = _DRUM_GAINS[level]
                    yield Event(frame=frame_of(step), sound=kit[voice], gain=gain)
    bass_gain, stab_gain, arp_gain = composition.gains
    lowest = _bass_octave(composition.root)
    for step, steps, semitones in composition.bass:
        frames = max(1, steps * composition.grid - (1 if steps > 1 else 0))
        sound = bass_note(composition.bass_patch, lowest + semitones, frames)
        yield Event(frame=frame_of(step), sound=sound, gain=bass_gain)
    melodic: list[Event] = []
    for step, chord in composition.stabs:
        notes = tuple(48 + composition.root + semitones for semitones in chord)
        sound = stab(composition.stab_patch, notes)
        melodic.append(Event(frame=frame_of(step), sound=sound, gain=stab_gain))
    for step, semitones in composition.arp:
        sound = arp_note(composition.arp_patch, 60 + composition.root + semitones)
        melodic.append(Event(frame=frame_of(step), sound=sound, gain=arp_gain))
    yield from melodic
    if composition.echo:
        for event in melodic:
            for times, gain in enumerate(_ECHO_GAINS, start=1):
                frame = (event.frame + times * _ECHO_STEPS * composition.grid) % period
                yield Event(frame=frame, sound=event.sound, gain=event.gain * gain)


def _bass_octave(root: int) -> int:
    return (24 if root >= 4 else 36) + root


def _pad_events(composition: Composition) -> Iterator[Event]:
    if composition.pad_patch is None:
        return
    third = 4 if composition.major else 3
    bar_frames = STEPS_PER_BAR * composition.grid
    for bar in range(composition.bars):
        base = 48 + composition.root + (composition.shift if bar else 0)
        sound = pad(composition.pad_patch, (base, base + third, base + 7), bar_frames)
        yield Event(frame=bar * bar_frames, sound=sound, gain=_PAD_GAIN)


def mix_circular(events: Iterable[Event], period_frames: int) -> Sound:
    """The sum of events on a circle, ``[period_frames * FRAME_SAMPLES]``; tails wrap round."""
    mix = np.zeros(period_frames * FRAME_SAMPLES, dtype=np.float32)
    for event in events:
        place = event.frame * FRAME_SAMPLES
        sound = event.sound
        while len(sound):
            count = min(len(sound), len(mix) - place)
            mix[place : place + count] += np.float32(event.gain) * sound[:count]
            sound = sound[count:]
            place = 0
    return mix


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
    kick = drums.get("kick", ())
    if kick and all(kick[step] for step in range(0, len(kick), 4)):
        return "fourfloor"
    loud = {
        step % STEPS_PER_BAR
        for voice in ("snare", "clap", "rim")
        for step, level in enumerate(drums.get(voice, ()))
        if level > 2
    }
    if loud == {8} and composition.genre != "dub":
        return "halftime"
    if composition.genre == "jungle":
        return "break"
    return ""


def _label(
    seed: int, composition: Composition, samples: Sound, onset_frames: tuple[int, ...]
) -> LoopLabels:
    pitched = composition.bass or composition.stabs or composition.arp
    key = ROOTS[composition.root] + ("" if composition.major else "m")
    has_drums = bool(composition.drums)
    return LoopLabels(
        seed=seed,
        genre=composition.genre,
        grid=composition.grid,
        bars=composition.bars,
        kit_character=kit_character(composition.kit) if has_drums else None,
        kit=composition.kit if has_drums else None,
        voices=tuple(voice for voice, _ in composition.drums),
        beat=_beat(composition),
        bass=bass_family(composition.bass_patch) if composition.bass else None,
        bass_colour=bass_colour(composition.bass_patch) if composition.bass else "",
        stab=stab_family(composition.stab_patch) if composition.stabs else None,
        pad=composition.pad_patch,
        arp=arp_family(composition.arp_patch) if composition.arp else None,
        key=key if pitched or composition.pad_patch is not None else None,
        swing=composition.swung,
        fill=composition.fill,
        echo=composition.echo,
        tone=_tone(samples),
        density=density_of(onset_frames, composition.bars),
        speed=speed_of(composition.grid),
        period_frames=composition.bars * STEPS_PER_BAR * composition.grid,
        onset_frames=onset_frames,
        pattern_hash=composition.pattern_hash,
    )

"""Owns the mixing of a drawn loop into samples and labels; chooses nothing itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from studio.training.loopsynth.basses import bass_note
from studio.training.loopsynth.chords import stab
from studio.training.loopsynth.composition import Composition, Split
from studio.training.loopsynth.describing import describe
from studio.training.loopsynth.drawing import draw_composition
from studio.training.loopsynth.drumming import ROLL
from studio.training.loopsynth.drums import CYMBALS, drum_hit
from studio.training.loopsynth.effects import dub_echo, ducking, master, room
from studio.training.loopsynth.labels import Kind, LoopLabels
from studio.training.loopsynth.melodies import triad
from studio.training.loopsynth.oscillators import Sound, midi_hz
from studio.training.loopsynth.pads import pad
from studio.training.loopsynth.plucks import pluck_note
from studio.training.loopsynth.sweeps import gate, rising_noise, rising_tone
from studio.training.loopsynth.timing import FRAME_SAMPLES, STEPS_PER_BAR

_DRUM_GAINS: Final = (0.0, 0.22, 0.36, 0.56, 0.34)
_BACKBEAT: Final = ("snare", "clap", "rim")
_PAD_GAIN: Final = 0.62
_ECHO_LEVEL, _ECHO_FEEDBACK = 0.62, 0.42
_ROOM_LEVEL: Final = 0.16
_THRESHOLD, _RATIO = 0.42, 2.2
_SHOT_PEAK: Final = 0.8


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
    """A sound that starts on a codec frame.

    Attributes:
        track: "drums", "bass" or "music".
        frame: Codec frame, of one period.
        late_samples: How much later than its frame it sounds, less than a frame either way.
        sound: Its samples.
        gain: Linear.
    """

    track: str
    frame: int
    late_samples: int
    sound: Sound
    gain: float


def render_loop(
    seed: int,
    *,
    split: Split = "train",
    genre: str | None = None,
    grid: int | None = None,
    bars: int | None = None,
    kind: Kind | None = "loop",
) -> SynthLoop:
    """Render the loop of a seed; the same arguments give the same samples.

    Args:
        seed: Not negative.
        split: "train" or "validation"; no part of a loop plays the same first bar in both.
        genre: Fix the genre.
        grid: Fix the codec frames to a sixteenth.
        bars: Fix the length in bars.
        kind: "loop", "oneshot" or "riser"; None lets the seed decide.

    Raises:
        TrainingError: An argument names something the synthesiser does not have.
    """
    composition = draw_composition(seed, split=split, genre=genre, grid=grid, bars=bars, kind=kind)
    attacks = list(events_of(composition))
    samples = _mixed(composition, attacks)
    onsets = tuple(sorted({event.frame for event in attacks}))
    return SynthLoop(samples=samples, labels=describe(seed, composition, samples, onsets))


def loops_drawn_as(seeds: Iterable[int], *, genre: str, grid: int) -> Iterator[SynthLoop]:
    """The training loops of one genre and grid among those that the seeds of a bank draw."""
    for seed in seeds:
        drawn = draw_composition(seed, kind=None)
        if (drawn.kind, drawn.genre, drawn.grid) == ("loop", genre, grid):
            yield render_loop(seed, kind=None)


def events_of(composition: Composition) -> Iterator[Event]:
    """Every sound with an attack, in no particular order, within one period."""
    yield from _drum_events(composition)
    bass_gain, stab_gain, melody_gain = composition.gains
    grid = composition.grid
    _, _, bass_lag, chord_lag = composition.lags
    for step, steps, semitones in composition.bass:
        frames = max(1, steps * grid - (1 if steps > 1 else 0))
        note = bass_octave(composition.root) + semitones
        yield Event(
            track="bass",
            frame=_frame_of(composition, step),
            late_samples=bass_lag,
            sound=bass_note(composition.bass_patch, note, frames),
            gain=bass_gain,
        )
    for step, chord in composition.stabs:
        notes = tuple(48 + composition.root + semitones for semitones in chord)
        yield Event(
            track="music",
            frame=_frame_of(composition, step),
            late_samples=chord_lag,
            sound=stab(composition.stab_patch, notes),
            gain=stab_gain * _touch(composition, step),
        )
    for step, steps, semitones in composition.melody:
        yield Event(
            track="music",
            frame=_frame_of(composition, step),
            late_samples=chord_lag,
            sound=pluck_note(
                composition.melody_patch, 60 + composition.root + semitones, steps * grid
            ),
            gain=melody_gain * _touch(composition, step),
        )


def _drum_events(composition: Composition) -> Iterator[Event]:
    backbeat_lag, top_lag, _, _ = composition.lags
    for voice, levels in composition.drums:
        lag = backbeat_lag if voice in _BACKBEAT else top_lag if voice in CYMBALS else 0
        for step, level in enumerate(levels):
            if not level:
                continue
            gain = _DRUM_GAINS[level] * (1.0 if voice == "kick" else _touch(composition, step))
            sound = drum_hit(composition.kit, voice, soft=level == 1)
            frame = _frame_of(composition, step)
            for place, share in _strokes(composition.grid) if level == ROLL else ((0, 1.0),):
                yield Event(
                    track="drums",
                    frame=frame + place,
                    late_samples=lag,
                    sound=sound,
                    gain=gain * share,
                )


def _strokes(grid: int) -> tuple[tuple[int, float], ...]:
    """Where within a sixteenth a roll strikes, in whole frames, and how hard."""
    if grid % 2 == 0:
        return ((0, 0.9), (grid // 2, 1.0))
    return ((0, 0.8), (grid // 3, 0.9), (2 * grid // 3, 1.0))


def _frame_of(composition: Composition, step: int) -> int:
    return step * composition.grid + (composition.swing_frames if step % 2 else 0)


def _touch(composition: Composition, step: int) -> float:
    return composition.touch[step % STEPS_PER_BAR]


def bass_octave(root: int) -> int:
    """MIDI number of the key note where basses play it."""
    return (24 if root >= 4 else 36) + root


def _mixed(composition: Composition, attacks: list[Event]) -> Sound:
    frames = composition.bars * STEPS_PER_BAR * composition.grid
    tracks = {
        name: mix_circular((event for event in attacks if event.track == name), frames)
        for name in ("drums", "bass", "music")
    }
    if composition.kind == "riser" and composition.riser != "snare":
        return _master(composition, _riser(composition, frames))
    if composition.kind == "riser":
        tracks["drums"] *= np.linspace(0.3, 1.0, len(tracks["drums"]), dtype=np.float32)
    if composition.pad_patch is not None:
        tracks["music"] += np.float32(_PAD_GAIN) * _pad_track(composition, frames)
    if composition.echo_steps:
        delay = composition.echo_steps * composition.grid
        wet = dub_echo(tracks["music"], delay, feedback=_ECHO_FEEDBACK)
        tracks["music"] += np.float32(_ECHO_LEVEL) * wet
    if composition.room:
        size = "large" if composition.genre in ("ambient", "dub") else "small"
        tracks["drums"] += np.float32(_ROOM_LEVEL) * room(tracks["drums"], size)
    if composition.pumping:
        kicks = [_frame_of(composition, step) for step, hit in _kicks(composition) if hit]
        dip = ducking(frames, tuple(kicks), depth=0.8, seconds=0.17)
        tracks["bass"] *= dip
        tracks["music"] *= dip
    return _master(composition, tracks["drums"] + tracks["bass"] + tracks["music"])


def _kicks(composition: Composition) -> Iterator[tuple[int, int]]:
    return enumerate(dict(composition.drums).get("kick", ()))


def _master(composition: Composition, mix: Sound) -> Sound:
    if composition.kind == "oneshot":
        mix = np.asarray(_SHOT_PEAK / np.max(np.abs(mix)) * mix, dtype=np.float32)
    return master(mix, drive=composition.drive, threshold=_THRESHOLD, ratio=_RATIO)


def _riser(composition: Composition, frames: int) -> Sound:
    if composition.riser == "tone":
        return rising_tone(frames, midi_hz(48 + composition.root))
    noise = rising_noise(frames)
    return noise * gate(frames, composition.grid) if composition.riser == "gated" else noise


def _pad_track(composition: Composition, frames: int) -> Sound:
    assert composition.pad_patch is not None
    chords = tuple(
        tuple(48 + composition.root + note for note in triad(degree, major=composition.major))
        for degree in composition.progression
    )
    return pad(composition.pad_patch, chords, frames)


def mix_circular(events: Iterable[Event], period_frames: int) -> Sound:
    """The sum of events on a circle, ``[period_frames * FRAME_SAMPLES]``; tails wrap round."""
    mix = np.zeros(period_frames * FRAME_SAMPLES, dtype=np.float32)
    for event in events:
        place = (event.frame * FRAME_SAMPLES + event.late_samples) % len(mix)
        sound = event.sound
        while len(sound):
            count = min(len(sound), len(mix) - place)
            mix[place : place + count] += np.float32(event.gain) * sound[:count]
            sound = sound[count:]
            place = 0
    return mix

"""A sound cut into segments of the model's context.

Owns where the cuts are, what fills the segment of a shorter sound, and how much of a segment is
learnt. It reads the file block by block and holds a few segments at most, however long the sound.

Letters: T codec frames of a segment, N its samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.audio.files import stream_audio
from studio.audio.resample import StreamResampler
from studio.training.workshop.listening import SILENT_PEAK
from studio.training.workshop.settings import ShortSounds

LEAD_FRAMES = 20
TRAIL_FRAMES = 6
ENDING_SECONDS = 0.25
_LEAST_REST = 0.1


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How sounds become segments.

    Attributes:
        sample_rate: Of the codec, in Hz.
        hop: Samples of a codec frame.
        frames: T.
        short_sounds: What fills the segment of a shorter sound.
        variants: How often each sound is cut, each time a little later and quieter.
    """

    sample_rate: int
    hop: int
    frames: int
    short_sounds: ShortSounds = "auto"
    variants: int = 1

    @property
    def samples(self) -> int:
        """N."""
        return self.frames * self.hop

    @property
    def key(self) -> str:
        """Equal where equal sounds give equal segments."""
        return f"1 {self.sample_rate} {self.hop} {self.frames} {self.short_sounds} {self.variants}"


@dataclass(frozen=True, kw_only=True)
class Variation:
    """How one cutting of a sound differs from the plain one.

    The codes of a sound change wholly when it starts a few milliseconds later; the ear does not
    mind. So a few variations of few sounds keep a model from learning their codes by heart.

    Attributes:
        gain: Linear.
        part: How much later it starts, 0 to 1: of half a segment where the sound is longer than
            one, else of a codec frame.
    """

    gain: float = 1.0
    part: float = 0.0

    @classmethod
    def numbered(cls, number: int, content_hash: str) -> Variation:
        """Variation `number` of a sound; 0 is the plain one."""
        if number == 0:
            return cls()
        rng = np.random.default_rng((int(content_hash[:15], 16), number))
        return cls(gain=float(10 ** (-rng.uniform(0, 6) / 20)), part=float(rng.uniform(0.05, 1)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Segment:
    """One piece of a sound.

    Attributes:
        audio: float32 [lead + N + trail]: what stands before and after it helps the codec and is
            not learnt.
        frames: How many of the T frames are learnt; the rest is padding.
    """

    audio: NDArray[np.float32]
    frames: int


def segments_of(
    path: Path, layout: Layout, *, decays: bool, variation: Variation = Variation()
) -> Iterator[Segment]:
    """The segments of a sound that are not silent.

    A long sound gives one segment after another; a rest of a tenth or more gives one that ends
    with the sound. A shorter sound is played round and round if it is a loop. A one-shot is
    followed by silence, of which the first quarter of a second is learnt: there it has ended.

    Args:
        path: The file.
        layout: How to cut.
        decays: Whether the sound dies away, for `short_sounds` "auto".
        variation: How this cutting differs.

    Raises:
        AudioFileError: It cannot be read to its end.
    """
    lead, trail = LEAD_FRAMES * layout.hop, TRAIL_FRAMES * layout.hop
    whole = lead + layout.samples + trail
    before = np.zeros(lead, dtype=np.float32)
    waiting: NDArray[np.float32] = before
    last = np.zeros(0, dtype=np.float32)
    cut = 0
    skipped = 0
    later = round(variation.part * layout.samples / 2)
    for block in _mono(path, layout.sample_rate):
        waiting = np.concatenate([waiting, variation.gain * block])
        if not skipped and len(waiting) >= lead + layout.samples + later:
            waiting, skipped = waiting[later:], later
        while len(waiting) >= whole:
            yield from _heard(waiting[:whole], lead, layout)
            last, waiting = waiting[: lead + layout.samples], waiting[layout.samples :]
            cut += 1
    if len(waiting) - lead >= layout.samples:
        yield from _heard(_padded(waiting, whole), lead, layout)
        last, waiting = waiting[: lead + layout.samples], waiting[layout.samples :]
        cut += 1
    rest = waiting[lead:]
    if cut == 0:
        tiled = layout.short_sounds == "tile" or _tiles(layout, decays)
        yield _short(rest, layout, tiled=tiled, delay=round(variation.part * layout.hop))
    elif len(rest) >= _LEAST_REST * layout.samples:
        ending = np.concatenate([last, rest])[-(lead + layout.samples) :]
        yield from _heard(_padded(ending, whole), lead, layout)


def _mono(path: Path, sample_rate: int) -> Iterator[NDArray[np.float32]]:
    with stream_audio(path) as stream:
        resampler = StreamResampler(stream.info.sample_rate, sample_rate)
        for block in stream.blocks:
            yield resampler.push(block.mean(axis=0, dtype=np.float32))
        yield resampler.push(np.zeros(0, dtype=np.float32), last=True)


def _heard(audio: NDArray[np.float32], lead: int, layout: Layout) -> Iterator[Segment]:
    inside = audio[lead : lead + layout.samples]
    if float(np.abs(inside).max(initial=0.0)) >= SILENT_PEAK:
        yield Segment(audio=audio, frames=layout.frames)


def _padded(audio: NDArray[np.float32], length: int) -> NDArray[np.float32]:
    return np.pad(audio[:length], (0, max(0, length - len(audio))))


def _tiles(layout: Layout, decays: bool) -> bool:
    return layout.short_sounds == "auto" and not decays


def _short(sound: NDArray[np.float32], layout: Layout, *, tiled: bool, delay: int) -> Segment:
    lead, trail = LEAD_FRAMES * layout.hop, TRAIL_FRAMES * layout.hop
    whole = lead + layout.samples + trail
    if tiled and len(sound):
        places = np.arange(-lead - delay, layout.samples + trail - delay) % len(sound)
        return Segment(audio=sound[places], frames=layout.frames)
    audio = np.zeros(whole, dtype=np.float32)
    sound = sound[: layout.samples - delay]
    audio[lead + delay : lead + delay + len(sound)] = sound
    ending = ENDING_SECONDS * layout.sample_rate
    frames = math.ceil((delay + len(sound) + ending) / layout.hop)
    return Segment(audio=audio, frames=min(layout.frames, frames))

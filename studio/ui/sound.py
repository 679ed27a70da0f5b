"""A sound as the window holds it: samples, peaks and facts.

Owns `Sound`, whether it is finished or still being made. It knows neither Qt nor the player.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.audio.clip import AudioClip
from studio.audio.files import read_audio
from studio.audio.peaks import PeakPyramid
from studio.generation.request import GenerationRequest
from studio.library.records import SampleRecord
from studio.ui.facts import bars_text, length_text, tempo_text

_BEATS_PER_BAR = 4


class Sound:
    """What the waveform shows.

    Attributes:
        name: Shown above the waveform.
        sample_rate: In Hz.
        tempo_bpm: None when unknown.
        bars: None when it is no loop or unknown.
        key: None when unknown.
        seed: None for an import.
        record: The library's row, once there is one.
        file: Where it was read, for a sound that is not in the library.
        job_id: The job that is making it, while it grows.
        pyramid: Peaks of what there is so far.
        clip: The whole sound; None while it grows.
        parts: What has arrived of a growing sound, float32 [channels, frames] each.
        expected_frames: Length that a growing sound will have, as well as that is known.
    """

    def __init__(
        self,
        *,
        name: str,
        sample_rate: int,
        channels: int,
        tempo_bpm: float | None,
        bars: int | None,
        key: str | None,
        seed: int | None,
    ) -> None:
        self.name = name
        self.sample_rate = sample_rate
        self.tempo_bpm = tempo_bpm
        self.bars = bars
        self.key = key
        self.seed = seed
        self.record: SampleRecord | None = None
        self.file: Path | None = None
        self.job_id: int | None = None
        self.pyramid = PeakPyramid(channels)
        self.clip: AudioClip | None = None
        self.parts: list[NDArray[np.float32]] = []
        self.expected_frames = 0
        if tempo_bpm and bars:
            self.expected_frames = round(bars * _BEATS_PER_BAR * 60 / tempo_bpm * sample_rate)

    @classmethod
    def from_record(cls, record: SampleRecord, clip: AudioClip) -> Sound:
        """A sound of the library, its peaks computed here."""
        sound = cls(
            name=record.name,
            sample_rate=clip.sample_rate,
            channels=clip.channels,
            tempo_bpm=record.tempo_bpm,
            bars=record.bars,
            key=record.key,
            seed=record.seed,
        )
        sound.record = record
        sound.complete(clip)
        return sound

    @classmethod
    def from_file(cls, file: Path, name: str) -> Sound:
        """A sound that is not in the library, its peaks computed here.

        Raises:
            AudioFileError: The file is missing or unreadable.
        """
        clip = read_audio(file)
        sound = cls(
            name=name,
            sample_rate=clip.sample_rate,
            channels=clip.channels,
            tempo_bpm=None,
            bars=None,
            key=None,
            seed=None,
        )
        sound.file = file
        sound.complete(clip)
        return sound

    @classmethod
    def from_job(
        cls, job_id: int, request: GenerationRequest, sample_rate: int, channels: int
    ) -> Sound:
        """A sound of which nothing is there yet."""
        sound = cls(
            name=request.prompt.strip().splitlines()[0] if request.prompt.strip() else "Untitled",
            sample_rate=sample_rate,
            channels=channels,
            tempo_bpm=request.tempo_bpm,
            bars=request.bars,
            key=request.key,
            seed=request.seed,
        )
        sound.job_id = job_id
        return sound

    @property
    def growing(self) -> bool:
        """Whether more is to come."""
        return self.clip is None

    @property
    def frames(self) -> int:
        """Frames there are."""
        return self.pyramid.frames

    @property
    def shown_frames(self) -> int:
        """Frames that the whole width of the waveform stands for."""
        return max(self.frames, self.expected_frames if self.growing else 0, 1)

    @property
    def beat_frames(self) -> float | None:
        """Length of a beat in frames; None when the tempo is unknown."""
        return 60 * self.sample_rate / self.tempo_bpm if self.tempo_bpm else None

    def append(self, samples: NDArray[np.float32], share_done: float) -> None:
        """Add frames [channels, frames] of a growing sound.

        Args:
            samples: What follows.
            share_done: How much of the whole take has been made, from 0 to 1.
        """
        self.pyramid.append(samples)
        self.parts.append(samples)
        if not (self.tempo_bpm and self.bars) and share_done > 0:
            self.expected_frames = round(self.frames / share_done)

    def complete(self, clip: AudioClip) -> None:
        """Take over the finished sound."""
        self.clip = clip
        self.parts = []
        self.sample_rate = clip.sample_rate
        self.pyramid = PeakPyramid.from_samples(clip.samples)

    def facts(self) -> str:
        """`174 BPM, Am, 2 bars, 2.76 s, seed 7`, as far as known."""
        parts = [
            f"{tempo_text(self.tempo_bpm)} BPM" if self.tempo_bpm else "",
            self.key or "",
            bars_text(self.bars),
            length_text(self.shown_frames / self.sample_rate),
            f"seed {self.seed}" if self.seed is not None else "",
        ]
        return "   ".join(part for part in parts if part)

    def level_at(self, frame: int) -> float:
        """Largest absolute sample of the 20 ms before `frame`, full scale 1."""
        start = max(0, frame - self.sample_rate // 50)
        lowest, highest, _ = self.pyramid.view(start, max(frame, start + 1), 1)
        return float(max(-lowest[0], highest[0]))

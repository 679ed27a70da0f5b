"""Words of sounds for a model that reads them by a template, such as the built-in one.

Owns the choice of a grid for each sound, the caption that carries the template's ruler, and the
sound played so that it lies on the grid. Such a model was taught loops that do; its takes are
stretched from there to the tempo that was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from studio.audio.clip import AudioClip
from studio.audio.files import read_audio
from studio.core.errors import AudioFileError
from studio.editing.key import parse_key
from studio.editing.stretch import time_stretch
from studio.editing.tempo import estimate_tempo
from studio.models.prompting import PromptTemplate
from studio.training.workshop.scan import Sound, Survey
from studio.training.workshop.words import Caption

_SURE = 0.5
_KEPT_SHARE = 0.7
_LONG_BARS = 1.75
_NEARLY_WHOLE = 0.03
_FASTEST = 1.25
_HARDLY = 1e-4
_HEARD_SECONDS = 60.0
_RULER = re.compile(r" ?\br\d+_\d+\b")
_LAYOUT = re.compile(r"^g\d+ l\d+ ?")


@dataclass(frozen=True, kw_only=True)
class TemplateCaption(Caption):
    """A caption in a template's form.

    Attributes:
        template: The template.
        grid: Codec frames to a sixteenth.
        period_bars: Bars after which the sound repeats, 1 or 2.
        speed: How much faster than the sound itself it must be played to lie on the grid.
    """

    template: PromptTemplate
    grid: int
    period_bars: int
    speed: float

    def full(self) -> str:
        """Every word, and the ruler."""
        return self._text(self.words)

    def random(self, rng: np.random.Generator) -> str:
        """Some of the words, and the ruler."""
        return self._text([word for word in self.words if rng.random() < _KEPT_SHARE])

    def _text(self, words: Sequence[str]) -> str:
        return self.template.text(words, grid=self.grid, period_bars=self.period_bars)

    @staticmethod
    def spoken(text: str) -> str:
        """A template's text as a person would say it; any other as it is."""
        return _LAYOUT.sub("", _RULER.sub("", text)).strip()


def template_captions(
    heard: Survey, captions: Sequence[Caption], template: PromptTemplate
) -> tuple[Caption, ...]:
    """Captions in the template's form for the sounds that can be played on one of its grids.

    The tempo is the one that a sound's name or tags state, else the one that is heard. Other
    sounds get a caption without words: the null condition.

    Args:
        heard: The folder.
        captions: Of its sounds, in their order.
        template: Of the model.
    """
    return tuple(
        _captioned(heard, sound, caption, template)
        for sound, caption in zip(heard.sounds, captions, strict=True)
    )


def _captioned(heard: Survey, sound: Sound, caption: Caption, template: PromptTemplate) -> Caption:
    if sound.facts.duration_seconds > _HEARD_SECONDS:
        return Caption(words=())
    tempo = caption.tempo_bpm or _heard_tempo(heard, sound)
    if not tempo:
        return Caption(words=())
    grid = template.nearest_grid(tempo)
    bars = sound.facts.duration_seconds * tempo / 240
    speed = template.grid_tempo_bpm(grid) / tempo
    whole = max(1, round(bars))
    if abs(bars / whole - 1) < _NEARLY_WHOLE:
        # A loop: its length says its tempo more exactly than a rounded number does.
        speed *= bars / whole
    if not 1 / _FASTEST < speed < _FASTEST:
        return Caption(words=())
    words, _ = template.match_words(" ".join(caption.words))
    key = None if caption.key is None else parse_key(caption.key)
    if key is not None and f"key:{key.lower()}" in template.words:
        words = (*words, f"key:{key.lower()}")
    return TemplateCaption(
        words=words,
        tempo_bpm=caption.tempo_bpm,
        key=caption.key,
        template=template,
        grid=grid,
        period_bars=template.period_bars(2 if bars > _LONG_BARS else 1, grid),
        speed=speed,
    )


def hearing_on_grids(
    heard: Survey, captions: Sequence[Caption], work: Path
) -> Callable[[Sound], Path]:
    """What gives the file to hear for a sound: its own, or one that plays it on its grid.

    Args:
        heard: The folder.
        captions: Of its sounds, in their order.
        work: Folder of the one file that is made, anew for each sound.
    """
    by_path = {sound.path: caption for sound, caption in zip(heard.sounds, captions, strict=True)}
    made = work / "on-grid.wav"

    def file_of(sound: Sound) -> Path:
        caption, own = by_path[sound.path], heard.folder / sound.path
        if not isinstance(caption, TemplateCaption) or abs(caption.speed - 1) < _HARDLY:
            return own
        clip = read_audio(own, max_seconds=_HEARD_SECONDS)
        AudioClip(
            samples=time_stretch(clip.samples, clip.sample_rate, caption.speed),
            sample_rate=clip.sample_rate,
        ).save(made)
        return made

    return file_of


def _heard_tempo(heard: Survey, sound: Sound) -> float:
    """The tempo of a sound; 0 where nothing keeps time."""
    try:
        clip = read_audio(heard.folder / sound.path, max_seconds=_HEARD_SECONDS)
    except AudioFileError:
        return 0.0
    found = estimate_tempo(clip.samples.mean(axis=0), clip.sample_rate)
    return found.tempo_bpm if found.confidence >= _SURE else 0.0

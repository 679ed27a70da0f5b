"""From a producer's words to the text that a template-trained model was taught.

Owns the text template of models that carry a `prompting.json`: which words they know, which
tempo grids they keep, and the ruler, one text token for each sixteenth that stands at that
sixteenth's codec frame. The trainer and the engine both build text here and nowhere else.

A grid is a whole number of codec frames to a sixteenth, so every onset falls on a frame. A bar
has 16 sixteenths. Models without a template get the prompt as it was typed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from studio.core.errors import ModelError
from studio.editing.key import parse_key

SIXTEENTHS_IN_BAR = 16
_TEMPO = re.compile(r"(?<![\w.])(\d{2,3}(?:\.\d+)?)\s*-?\s*bpm\b", re.IGNORECASE)
_KEY = re.compile(
    r"\b(?:[A-Ga-g][#b\u266f\u266d]?\s+(?:minor|major|min|maj)|[A-G][#b\u266f\u266d]?m(?:in|aj)?)"
    r"(?![\w#])"
)
_BARS = re.compile(r"\b\d{1,2}[\s-]*bars?\b", re.IGNORECASE)
_WORD = re.compile(r"[\w#&:'-]+")
_LONGEST_PHRASE = 4
_KEY_WORD = "key:"
_FILLER_WORDS = frozenset(
    "a an and the of in on with at to for some very my me make loop loops beat beats groove track "
    "music sound sounds bpm tempo key bar bars".split()
)


def tempo_in(prompt: str) -> float | None:
    """The tempo that a prompt names ("174 bpm"), in quarter notes a minute."""
    match = _TEMPO.search(prompt)
    return float(match[1]) if match else None


def key_in(prompt: str) -> str | None:
    """The key that a prompt names ("in A minor", "F#m"), in the stored form."""
    match = _KEY.search(prompt)
    return parse_key(match[0]) if match else None


@dataclass(frozen=True, kw_only=True)
class PromptPlan:
    """How one prompt will be rendered.

    Attributes:
        text: What the text encoder reads, ruler included.
        words: The known words it holds, in order.
        unknown_words: Words of the prompt that the model was never taught.
        grid: Codec frames to a sixteenth.
        grid_tempo_bpm: Tempo of that grid; the asked tempo is reached from it by stretching.
        bar_frames: Codec frames in a bar.
        period_bars: Bars after which the material repeats, 1 or 2.
        key: Stored form of the key, None when none was asked.
    """

    text: str
    words: tuple[str, ...]
    unknown_words: tuple[str, ...]
    grid: int
    grid_tempo_bpm: float
    bar_frames: int
    period_bars: int
    key: str | None


@dataclass(frozen=True, kw_only=True)
class PromptTemplate:
    """A model's text template, as stored in its `prompting.json`.

    Attributes:
        words: Every word the model was taught, keys as "key:am".
        genres: Those of `words` that open a caption.
        aliases: Phrases a producer may type, to known words.
        grids: Codec frames to a sixteenth that the model keeps time on.
        context_frames: Codec frames the ruler covers.
        frame_rate: Codec frames a second.
        tempos: What a genre means when no tempo is named, in quarter notes a minute.
        key_interval: Sixteenths between two places of the ruler at which the key is said again;
            0 where it is said once, among the words.
    """

    words: tuple[str, ...]
    genres: tuple[str, ...]
    aliases: Mapping[str, str]
    grids: tuple[int, ...]
    context_frames: int
    frame_rate: float
    tempos: Mapping[str, float] = field(default_factory=dict)
    key_interval: int = 0

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read a `prompting.json`.

        Raises:
            ModelError: A field is missing or senseless.
        """
        try:
            template = cls(
                words=tuple(str(word) for word in values["words"]),
                genres=tuple(str(word) for word in values["genres"]),
                aliases={str(k): str(v) for k, v in values["aliases"].items()},
                grids=tuple(sorted(int(grid) for grid in values["grids"])),
                context_frames=int(values["context_frames"]),
                frame_rate=float(values["frame_rate"]),
                tempos={str(k): float(v) for k, v in values.get("tempos", {}).items()},
                key_interval=int(values.get("key_interval", 0)),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelError(
                f"The model's prompting.json is not usable: {type(error).__name__} {error}."
            ) from error
        grids_fit = template.grids and 0 < template.grids[0] <= template.grids[-1] <= 64
        if not grids_fit or template.frame_rate <= 0 or not 0 < template.context_frames <= 4096:
            raise ModelError("The model's prompting.json holds no usable grid or context.")
        if any(not 20 <= tempo_bpm <= 400 for tempo_bpm in template.tempos.values()):
            raise ModelError("The model's prompting.json holds tempos outside 20 to 400 bpm.")
        if not 0 <= template.key_interval <= 64:
            raise ModelError("The model's prompting.json says its key at no usable interval.")
        return template

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads."""
        return {
            "words": list(self.words),
            "genres": list(self.genres),
            "aliases": dict(self.aliases),
            "grids": list(self.grids),
            "context_frames": self.context_frames,
            "frame_rate": self.frame_rate,
            "tempos": dict(self.tempos),
            "key_interval": self.key_interval,
        }

    def grid_tempo_bpm(self, grid: int) -> float:
        """Tempo of a grid: four sixteenths to a beat."""
        return 60 * self.frame_rate / (4 * grid)

    def usual_tempo_bpm(self, prompt: str) -> float | None:
        """The tempo of the first genre in a prompt that names none; None without a genre."""
        words, _ = self.match_words(prompt)
        return next((self.tempos[word] for word in words if word in self.tempos), None)

    def nearest_grid(self, tempo_bpm: float) -> int:
        """The grid that needs the least stretching to reach `tempo_bpm`."""

        def stretch(grid: int) -> float:
            ratio = self.grid_tempo_bpm(grid) / tempo_bpm
            return max(ratio, 1 / ratio)

        return min(self.grids, key=stretch)

    def ruler(self, grid: int) -> list[str]:
        """One token for each sixteenth of the context; number j stands at codec frame j x grid."""
        return [f"r{grid}_{j}" for j in range(self.context_frames // grid + 1)]

    def vocabulary(self) -> list[str]:
        """Every token a text can hold, in a fixed order."""
        tokens = [f"g{grid}" for grid in self.grids] + ["l1", "l2", *sorted(set(self.words))]
        for grid in self.grids:
            tokens += self.ruler(grid)
        return tokens

    def text(self, words: Sequence[str], *, grid: int, period_bars: int) -> str:
        """The text of a loop: grid, period, words, ruler; of several keys the last one counts."""
        ruler = self.ruler(grid)
        keys = [word for word in words if word.startswith(_KEY_WORD)]
        if self.key_interval and keys:
            words = [word for word in words if word not in keys]
            ruler = [
                token
                for j, mark in enumerate(ruler)
                for token in ([keys[-1], mark] if j % self.key_interval == 0 else [mark])
            ]
        return " ".join([f"g{grid}", f"l{period_bars}", *words, *ruler])

    def period_bars(self, bars: int, grid: int) -> int:
        """Bars of the longest taught period that divides `bars` and fits the context."""
        two_fit = 2 * SIXTEENTHS_IN_BAR * grid <= self.context_frames
        return 2 if bars % 2 == 0 and two_fit else 1

    def match_words(self, prompt: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Split a prompt into (known words, unknown words); tempo, key and length are left out."""
        rest = _BARS.sub(" ", _KEY.sub(" ", _TEMPO.sub(" ", prompt)))
        typed = _WORD.findall(rest.lower())
        known: list[str] = []
        unknown: list[str] = []
        place = 0
        while place < len(typed):
            for length in range(min(_LONGEST_PHRASE, len(typed) - place), 0, -1):
                phrase = " ".join(typed[place : place + length])
                meaning = self.aliases.get(phrase, phrase if phrase in self.words else None)
                if meaning is not None:
                    known += [word for word in meaning.split() if word in self.words]
                    place += length
                    break
            else:
                if typed[place] not in _FILLER_WORDS and not typed[place].isdigit():
                    unknown.append(typed[place])
                place += 1
        ordered = dict.fromkeys([w for w in known if w in self.genres] + known)
        return tuple(ordered), tuple(dict.fromkeys(unknown))

    def negative_text(self, negative: str, plan: PromptPlan) -> str:
        """The text of what guidance leads away from: other words, or none, on the same grid.

        So guidance speaks for the words alone, and leaves the time as it is.
        """
        words, _ = self.match_words(negative)
        return self.text(words, grid=plan.grid, period_bars=plan.period_bars)

    def plan(self, *, prompt: str, tempo_bpm: float, bars: int, key: str | None) -> PromptPlan:
        """Decide grid, period and text for a prompt.

        Args:
            prompt: What the producer typed.
            tempo_bpm: Asked tempo.
            bars: Asked length in bars.
            key: Stored form of the asked key, or None to take one named in the prompt.
        """
        grid = self.nearest_grid(tempo_bpm)
        words, unknown = self.match_words(prompt)
        key = key or key_in(prompt)
        if key is not None and _KEY_WORD + key.lower() in self.words:
            words = (*words, _KEY_WORD + key.lower())
        period = self.period_bars(bars, grid)
        return PromptPlan(
            text=self.text(words, grid=grid, period_bars=period),
            words=words,
            unknown_words=unknown,
            grid=grid,
            grid_tempo_bpm=self.grid_tempo_bpm(grid),
            bar_frames=SIXTEENTHS_IN_BAR * grid,
            period_bars=period,
            key=key,
        )

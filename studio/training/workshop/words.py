"""What a sound is called: words out of names, folders, tags and sidecars.

Owns the reading of sidecars in audiocraft's form as untrusted input, the choice of words that
mean something, and the random captions made of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from studio.editing.key import parse_key

_TEXT_FIELDS: Final = ("description", "title")
_LIST_FIELDS: Final = ("genre", "instrument", "moods", "keywords")
_FILE_TAGS: Final = ("title", "genre", "comment")
_MOST_SIDECAR_BYTES: Final = 2**20
_MOST_WORDS: Final = 40
_LONGEST_WORD: Final = 32
_TEMPO: Final = re.compile(r"(?<![\d.])(\d{2,3})(?:\.\d+)?[\s_-]*bpm", re.IGNORECASE)
_KEY: Final = re.compile(
    r"(?<![A-Za-z])([A-G][#b]?)[\s_-]*(m|min|minor|maj|major)(?![A-Za-z])"
    r"|(?<![A-Za-z])([a-g][#b]?)[\s_-]+(minor|major)(?![A-Za-z])"
)
_WORD: Final = re.compile(r"[^\W\d_]+(?:['#-][^\W\d_]+)*", re.UNICODE)
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_IDLE: Final = frozenset(
    "a an and the of in on with at to for by from is wav wave aif aiff flac mp3 ogg audio sound "
    "sounds sample samples file files track final copy untitled new mix master render bounce "
    "version take bpm key mono stereo left right".split()
)
_KEPT_SHARE: Final = 0.7
_FACT_SHARE: Final = 0.6


@dataclass(frozen=True, kw_only=True)
class Caption:
    """What is known of one sound.

    Attributes:
        words: Each once, the most telling first.
        tempo_bpm: A whole number, None where unknown.
        key: As a person would write it, "f# minor"; None where unknown.
    """

    words: tuple[str, ...]
    tempo_bpm: int | None = None
    key: str | None = None

    def __bool__(self) -> bool:
        return bool(self.words)

    def full(self) -> str:
        """Everything, in order."""
        return " ".join([*self.words, *self._facts()])

    def random(self, rng: np.random.Generator) -> str:
        """Some of it in any order, as people type it; at least one word if there is one."""
        kept = [word for word in self.words if rng.random() < _KEPT_SHARE]
        if not kept and self.words:
            kept = [self.words[int(rng.integers(len(self.words)))]]
        parts = kept + [fact for fact in self._facts() if rng.random() < _FACT_SHARE]
        return " ".join(parts[i] for i in rng.permutation(len(parts)))

    def _facts(self) -> list[str]:
        facts = [] if self.tempo_bpm is None else [f"{self.tempo_bpm} bpm"]
        return facts if self.key is None else [*facts, self.key]


def caption_of(folder: Path, path: str, tags: Mapping[str, str]) -> Caption:
    """What is known of the sound at `path` below `folder`.

    A sidecar is `<name>.json` beside the sound, or `<name>.<suffix>.json`. Where it describes the
    sound, the file's own name adds nothing but tempo and key.
    """
    sidecar = _sidecar(folder / path)
    place = Path(path)
    spoken = [*place.parts[:-1], place.stem]
    texts = [str(sidecar[name]) for name in _TEXT_FIELDS if isinstance(sidecar.get(name), str)]
    for name in _LIST_FIELDS:
        texts += _listed(sidecar.get(name))
    facts = " ".join([*texts, *spoken])
    if not texts:
        texts = [*spoken, *(tags[name] for name in _FILE_TAGS if name in tags)]
    return Caption(
        words=_words(texts),
        tempo_bpm=_tempo(sidecar.get("bpm"), facts),
        key=_key(sidecar.get("key"), facts),
    )


def _sidecar(sound: Path) -> Mapping[str, Any]:
    for file in (sound.with_suffix(".json"), sound.with_name(sound.name + ".json")):
        try:
            if file.stat().st_size > _MOST_SIDECAR_BYTES:
                continue
            values = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(values, dict):
            return values
    return {}


def _listed(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [item for item in value if isinstance(item, str)]
    return []


def _words(texts: Sequence[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for text in texts:
        plain = _HUMP.sub(" ", _KEY.sub(" ", _TEMPO.sub(" ", text.replace("_", " "))))
        for word in _WORD.findall(plain):
            small = word.lower()
            if 1 < len(small) <= _LONGEST_WORD and small not in _IDLE:
                found[small] = None
    return tuple(found)[:_MOST_WORDS]


def _tempo(stated: Any, text: str) -> int | None:
    if isinstance(stated, str):
        match = re.fullmatch(r"\s*(\d{2,3}(?:\.\d+)?)\s*(?:bpm)?\s*", stated, re.IGNORECASE)
        stated = float(match[1]) if match else None
    if isinstance(stated, int | float) and not isinstance(stated, bool) and 20 <= stated <= 400:
        return round(stated)
    match = _TEMPO.search(text)
    return int(match[1]) if match and 20 <= int(match[1]) <= 400 else None


def _key(stated: Any, text: str) -> str | None:
    if isinstance(stated, str):
        stored = parse_key(stated)
        if stored is not None:
            return _spoken_key(stored)
    match = _KEY.search(text)
    if match is None:
        return None
    tonic, mode = (match[1], match[2]) if match[1] else (match[3], match[4])
    stored = parse_key(f"{tonic} {mode}")
    return None if stored is None else _spoken_key(stored)


def _spoken_key(stored: str) -> str:
    if stored.endswith("m"):
        return f"{stored[:-1].lower()} minor"
    return f"{stored.lower()} major"

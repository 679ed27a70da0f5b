"""What the takes of a seed bank are asked for.

Owns the way from the facts of an unseen loop to a prompt as a producer would type it. It makes no
sound.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Final

import numpy as np

from studio.generation.request import MAX_TEMPO_BPM, MIN_TEMPO_BPM, GenerationRequest
from studio.models.catalog import HOUSE
from studio.models.prompting import PromptTemplate
from studio.training.loopsynth import caption, grid_tempo_bpm, render_loop
from studio.training.loopsynth.captions import SPEED_WORDS
from studio.training.loopsynth.styles import STYLES

_SEED: Final = 70_000_000
_NEAR: Final = 0.06
_BARS: Final = 2
_FEWEST_WORDS: Final = 4
_UNSPOKEN: Final = frozenset(SPEED_WORDS.values()) | {"medium", "minor", "major"}
"""What tempo and key say already, or nothing."""

_SPELT: Final = {
    "fourfloor": "four on the floor",
    "ghosts": "ghost notes",
    "arp": "arpeggio",
    "lofibeats": "lo-fi beats",
    "hiphop": "hip hop",
}
_COMPOUNDS: Final = {
    "housechord": ("house chords", "stabs"),
    "dubchord": ("dub chords", "stabs"),
    "epiano": ("electric piano", "stabs"),
    "vox": ("vocal chops", "stabs"),
    "warmpad": ("warm pad", "pad"),
    "glasspad": ("glass pad", "pad"),
    "sweeppad": ("sweep pad", "pad"),
    "synthlead": ("synth lead", "lead"),
    "sawarp": ("saw arp", "arp"),
    "softarp": ("soft arp", "arp"),
}
"""Phrases that mean a word and a more general one."""


def bank_requests(template: PromptTemplate, genre: str) -> Iterator[GenerationRequest]:
    """Requests for two bars of a genre at its usual tempos, without end, each with its own seed.

    Args:
        template: Of the model.
        genre: One of its genres.
    """
    rng = np.random.default_rng(sum(genre.encode()))
    known = set(template.words) - _UNSPOKEN
    for seed in count(_SEED):
        labels = render_loop(seed, split="validation", genre=genre).labels
        if labels.grid not in STYLES[genre].grids:
            continue
        words = _whole([word for word in caption(labels, rng).split() if word in known])
        if len(words) < _FEWEST_WORDS:
            continue
        tempo_bpm = near_tempo(grid_tempo_bpm(labels.grid), template.tempos.get(genre))
        yield GenerationRequest(
            prompt=spelt_out(words, template),
            model=HOUSE,
            seed=seed,
            tempo_bpm=tempo_bpm,
            bars=_BARS,
            key=_key_of(words),
        ).checked()


def near_tempo(grid_bpm: float, usual_bpm: float | None) -> float:
    """The whole tempo nearest to a genre's usual one that hardly has to be stretched to."""
    low, high = grid_bpm * (1 - _NEAR), grid_bpm * (1 + _NEAR)
    wanted = min(max(usual_bpm or grid_bpm, low), high)
    return float(min(max(round(wanted), MIN_TEMPO_BPM), MAX_TEMPO_BPM))


def spelt_out(words: list[str], template: PromptTemplate) -> str:
    """Caption words as a person writes them; the model understands the same by them."""
    plain = [word for word in words if not word.startswith("key:")]
    # Two neighbours may read as one phrase ("crisp, drums only"): then another comes first.
    for first in range(1, len(plain) + 1):
        turned = [*plain[:1], *plain[first:], *plain[1:first]]
        said = {general for word in turned for _, general in [_COMPOUNDS.get(word, ("", ""))]}
        prompt = ", ".join(_phrase(word, template) for word in turned if word not in said)
        if set(template.match_words(prompt)[0]) == set(plain):
            return prompt
    return ", ".join(plain)


def _whole(words: list[str]) -> list[str]:
    """The words, with the more general one of each compound."""
    general = [_COMPOUNDS[word][1] for word in words if word in _COMPOUNDS]
    return list(dict.fromkeys([*words, *general]))


def _phrase(word: str, template: PromptTemplate) -> str:
    if word in _COMPOUNDS:
        return _COMPOUNDS[word][0]
    spaced = {
        phrase: meaning
        for phrase, meaning in template.aliases.items()
        if phrase.replace(" ", "") == word and " " in phrase
    }
    phrase = _SPELT.get(word) or next((p for p, m in spaced.items() if m == word), word)
    return phrase if template.match_words(phrase)[0] == (word,) else word


def _key_of(words: list[str]) -> str | None:
    named = next((word for word in words if word.startswith("key:")), None)
    if named is None:
        return None
    root = named.removeprefix("key:")
    return root[0].upper() + root[1:]

"""Owns the words loops are described with: captions, their vocabulary; not what people type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from studio.training.loopsynth.basses import BASS_FAMILIES
from studio.training.loopsynth.chords import STAB_FAMILIES
from studio.training.loopsynth.drums import KIT_CHARACTERS, VOICES
from studio.training.loopsynth.labels import GENRES, KEYS, LoopLabels
from studio.training.loopsynth.pads import PAD_FAMILIES
from studio.training.loopsynth.plucks import PLUCK_FAMILIES


def _renamed(names: tuple[str, ...], words: Mapping[str, str]) -> dict[str, str]:
    return {name: words.get(name, name) for name in names}


KIT_WORDS: Final = _renamed(KIT_CHARACTERS, {"bright": "crisp"})
"""Word of each kit character; 'bright' is kept for the tone of the whole loop."""

STAB_WORDS: Final = _renamed(STAB_FAMILIES, {"house": "housechord", "dub": "dubchord"})
ARP_WORDS: Final = _renamed(
    PLUCK_FAMILIES, {"saw": "sawarp", "soft": "softarp", "fm": "fmpluck", "lead": "synthlead"}
)
PAD_WORDS: Final = _renamed(
    PAD_FAMILIES, {"warm": "warmpad", "glassy": "glasspad", "sweep": "sweeppad"}
)
SPEED_WORDS: Final = {
    "very fast": "veryfast",
    "fast": "fast",
    "driving": "driving",
    "steady": "steady",
    "slow": "slow",
    "very slow": "veryslow",
}
_USUAL_VOICES: Final = ("kick", "snare", "hat")
"""So usual that a caption seldom names them, except of a single hit."""

_BEAT_WORDS: Final = ("break", "fourfloor", "halftime", "dembow")
_DENSITY_WORDS: Final = ("sparse", "medium", "busy")
_OTHER_WORDS: Final = (
    "drumsonly",
    "nodrums",
    "bass",
    "darkbass",
    "brightbass",
    "stabs",
    "pad",
    "arp",
    "lead",
    "minor",
    "major",
    "swing",
    "fill",
    "roll",
    "ghosts",
    "pump",
    "echo",
    "dark",
    "bright",
    "oneshot",
    "riser",
)


def vocabulary() -> tuple[str, ...]:
    """Every word a caption can hold, each once, in a fixed order."""
    return (
        *GENRES,
        *_BEAT_WORDS,
        *KIT_WORDS.values(),
        *VOICES,
        *BASS_FAMILIES,
        *STAB_WORDS.values(),
        *ARP_WORDS.values(),
        *PAD_WORDS.values(),
        *_DENSITY_WORDS,
        *SPEED_WORDS.values(),
        *_OTHER_WORDS,
        *(f"key:{key}" for key in KEYS),
    )


def caption(labels: LoopLabels, rng: np.random.Generator) -> str:
    """A true description of a loop: its genre, then some of its facts in any order.

    A single hit has no genre; its caption begins with "oneshot".

    Args:
        labels: The loop's facts.
        rng: Chooses the facts and their order.

    Returns:
        Words of ``vocabulary()`` with single spaces between them.
    """
    words = [word for word, chance in _facts(labels) if rng.random() < chance]
    rng.shuffle(words)
    first = "oneshot" if labels.kind == "oneshot" else labels.genre
    return " ".join([first, *words])


def true_words(labels: LoopLabels) -> frozenset[str]:
    """Every word that is true of a loop, whether or not a caption would mention it."""
    return frozenset(word for word, _ in _facts(labels)) | ({labels.genre} - {""})


def _facts(labels: LoopLabels) -> list[tuple[str, float]]:
    """Every true word but the first, with the chance that a caption mentions it."""
    if labels.kind == "oneshot":
        return [*_sound_facts(labels, certain=True), *_tone_facts(labels)]
    facts: list[tuple[str, float]] = [*_sound_facts(labels, certain=False), *_tone_facts(labels)]
    if labels.kind == "riser":
        return [("riser", 1.0), *facts, (SPEED_WORDS[labels.speed], 0.5)]
    if labels.kit_character is None:
        facts.append(("nodrums", 0.8))
    if labels.beat:
        facts.append((labels.beat, 0.4))
    if labels.key is None:
        facts.append(("drumsonly", 0.8))
    for word, holds, chance in (
        ("swing", labels.swing, 0.8),
        ("fill", labels.fill, 0.75),
        ("roll", labels.roll, 0.75),
        ("ghosts", labels.ghosts, 0.5),
        ("pump", labels.pumping, 0.75),
        ("echo", labels.echo, 0.75),
    ):
        if holds:
            facts.append((word, chance))
    facts.append((labels.density, 0.5))
    facts.append((SPEED_WORDS[labels.speed], 0.5))
    return facts


def _sound_facts(labels: LoopLabels, *, certain: bool) -> list[tuple[str, float]]:
    """What sounds: every voice, and its family or character."""
    facts: list[tuple[str, float]] = []
    if labels.kit_character is not None:
        facts.append((KIT_WORDS[labels.kit_character], 0.85))
    for voice in labels.voices:
        facts.append((voice, 1.0 if certain else 0.08 if voice in _USUAL_VOICES else 0.5))
    if labels.bass is not None:
        facts += [(labels.bass, 0.85), ("bass", 1.0 if certain else 0.35)]
        if labels.bass_colour:
            facts.append((f"{labels.bass_colour}bass", 0.45))
    if labels.stab is not None:
        facts += [(STAB_WORDS[labels.stab], 0.8), ("stabs", 1.0 if certain else 0.45)]
    if labels.arp is not None:
        line = "lead" if labels.lead else "arp"
        facts.append((ARP_WORDS[labels.arp], 1.0 if certain else 0.7))
        facts += [] if certain else [(line, 0.7)]
    if labels.pad is not None:
        facts += [(PAD_WORDS[labels.pad], 0.6), ("pad", 0.75)]
    if labels.key is not None:
        facts.append((f"key:{labels.key}", 0.95 if labels.tonal else 0.5))
        facts += [("minor" if labels.key.endswith("m") else "major", 0.2)]
    return facts


def _tone_facts(labels: LoopLabels) -> list[tuple[str, float]]:
    return [(labels.tone, 0.5)] if labels.tone else []

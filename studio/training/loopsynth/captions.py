"""Owns the words loops are described with: captions, their vocabulary; not what people type."""

from __future__ import annotations

from typing import Final

import numpy as np

from studio.training.loopsynth.basses import BASS_FAMILIES
from studio.training.loopsynth.chords import ARP_FAMILIES, STAB_FAMILIES
from studio.training.loopsynth.drums import KIT_CHARACTERS
from studio.training.loopsynth.labels import GENRES, KEYS, LoopLabels

KIT_WORDS: Final = {name: name if name != "bright" else "crisp" for name in KIT_CHARACTERS}
"""Word of each kit character; 'bright' is kept for the tone of the whole loop."""

STAB_WORDS: Final = dict(
    zip(STAB_FAMILIES, ("housechord", "dubchord", "organ", "rave"), strict=True)
)
ARP_WORDS: Final = dict(zip(ARP_FAMILIES, ("bell", "glass", "sawarp", "softarp"), strict=True))
SPEED_WORDS: Final = {
    "very fast": "veryfast",
    "fast": "fast",
    "driving": "driving",
    "steady": "steady",
    "slow": "slow",
    "very slow": "veryslow",
}
_VOICE_WORDS: Final = ("clap", "openhat", "ride", "tom", "rim")
_BEAT_WORDS: Final = ("break", "fourfloor", "halftime")
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
    "minor",
    "major",
    "swing",
    "fill",
    "echo",
    "dark",
    "bright",
)


def vocabulary() -> tuple[str, ...]:
    """Every word a caption can hold, each once, in a fixed order."""
    return (
        *GENRES,
        *_BEAT_WORDS,
        *KIT_WORDS.values(),
        *_VOICE_WORDS,
        *BASS_FAMILIES,
        *STAB_WORDS.values(),
        *ARP_WORDS.values(),
        *_DENSITY_WORDS,
        *SPEED_WORDS.values(),
        *_OTHER_WORDS,
        *(f"key:{key}" for key in KEYS),
    )


def caption(labels: LoopLabels, rng: np.random.Generator) -> str:
    """A true description of a loop: its genre, then some of its facts in any order.

    Args:
        labels: The loop's facts.
        rng: Chooses the facts and their order.

    Returns:
        Words of ``vocabulary()`` with single spaces between them.
    """
    words = [word for word, chance in _facts(labels) if rng.random() < chance]
    rng.shuffle(words)
    return " ".join([labels.genre, *words])


def _facts(labels: LoopLabels) -> list[tuple[str, float]]:
    """Every true word but the genre, with the chance that a caption mentions it."""
    facts: list[tuple[str, float]] = []
    if labels.kit_character is None:
        facts.append(("nodrums", 0.8))
    else:
        facts.append((KIT_WORDS[labels.kit_character], 0.85))
        facts += [(word, 0.3) for word in _VOICE_WORDS if word in labels.voices]
    if labels.beat:
        facts.append((labels.beat, 0.4))
    if labels.key is None:
        facts.append(("drumsonly", 0.8))
    else:
        facts.append((f"key:{labels.key}", 0.65))
        facts.append(("minor" if labels.key.endswith("m") else "major", 0.2))
    if labels.bass is not None:
        facts += [(labels.bass, 0.85), ("bass", 0.35)]
        if labels.bass_colour:
            facts.append((f"{labels.bass_colour}bass", 0.45))
    if labels.stab is not None:
        facts += [(STAB_WORDS[labels.stab], 0.8), ("stabs", 0.45)]
    if labels.arp is not None:
        facts += [(ARP_WORDS[labels.arp], 0.6), ("arp", 0.7)]
    if labels.pad is not None:
        facts.append(("pad", 0.85))
    for word, holds, chance in (
        ("swing", labels.swing, 0.8),
        ("fill", labels.fill, 0.75),
        ("echo", labels.echo, 0.75),
    ):
        if holds:
            facts.append((word, chance))
    if labels.tone:
        facts.append((labels.tone, 0.5))
    facts.append((labels.density, 0.5))
    facts.append((SPEED_WORDS[labels.speed], 0.5))
    return facts

"""What reference and backends are asked for, so that each kind of model hears all it can."""

from __future__ import annotations

import numpy as np

from studio.models.backend import Condition
from tests.models.reference import PROMPT, SHORT_PROMPT

FRAMES = 300
TEXTS = (PROMPT, SHORT_PROMPT, "hat", "", "swing kick dub")
# In a melody model's prefix, transformers lets the tokens see the padding of shorter texts.
EQUAL_TEXTS = (PROMPT, "dub techno dub techno dub", "hat " * 5, "bass " * 5, "swing kick dub a b")


def conditions_of(kind: str) -> list[Condition]:
    """Five conditions for a "text", "unconditional" or melody model."""
    if kind == "text":
        return [Condition(text=text) for text in TEXTS]
    if kind == "unconditional":
        return [Condition()] * 5
    melodies = np.random.default_rng(3).integers(0, 12, (5, 7), dtype=np.int8)
    return [
        Condition(text=text, melody=melody)
        for text, melody in zip(EQUAL_TEXTS, melodies, strict=True)
    ]

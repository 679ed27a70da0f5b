"""The nearest known word to one that a model was never taught.

Owns the measure of nearness, by spelling. Which words a model knows is its template's business.
"""

from __future__ import annotations

import difflib

from studio.models.prompting import PromptTemplate

_LEAST = 0.6
_LEAST_PREFIX = 4
_PREFIX_BONUS = 0.1


def nearest_word(word: str, template: PromptTemplate) -> str | None:
    """What a person may have meant by a word that the model does not know.

    Words and phrases that the template translates count as known. Words that begin alike are
    preferred ("wobbly" is "wobble", not "bubbly"); where nothing is like it, nothing is said.

    Args:
        word: As `PromptTemplate.match_words` gives it.
        template: Of the model.
    """
    known = [*(w for w in template.words if ":" not in w), *template.aliases]
    known = [each for each in dict.fromkeys(known) if each != word]

    matcher = difflib.SequenceMatcher(b=word)
    best: tuple[float, int, str] | None = None
    for other in known:
        matcher.set_seq1(other)
        if matcher.real_quick_ratio() < _LEAST or matcher.quick_ratio() < _LEAST:
            continue
        likeness = matcher.ratio()
        if _shared_beginning(word, other) >= _LEAST_PREFIX:
            likeness += _PREFIX_BONUS
        found = (likeness, -len(other), other)
        if likeness >= _LEAST and (best is None or found > best):
            best = found
    return None if best is None else best[2]


def _shared_beginning(one: str, other: str) -> int:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count

"""The words under the prompt.

Owns what is said when the model will not take up a part of what is asked for, or when prompt and
fields disagree. Pure functions.
"""

from __future__ import annotations

from collections.abc import Sequence

from studio.editing.key import parse_key
from studio.generation.request import MAX_TEMPO_BPM, MIN_TEMPO_BPM
from studio.models.nearest_words import nearest_word
from studio.models.prompting import PromptTemplate, key_in, tempo_in
from studio.ui.keys import key_for
from studio.ui.model_words import ModelTraits

_SHOWN_WORDS = 5
_MOST_UNKNOWN = 8


def prompt_hints(
    prompt: str, *, tempo_bpm: float, key: str, traits: ModelTraits, let_go: bool
) -> list[str]:
    """The lines to show; none when all is well.

    Args:
        prompt: As typed.
        tempo_bpm: Of the field; 0 for any.
        key: Text of the field.
        traits: What the model listens to.
        let_go: The kept part of a recipe was dropped since its tempo or model was changed.
    """
    lines = []
    if traits.absent:
        lines.append(
            f"This model is not on this computer; {key_for('models').label} lists the models."
        )
    if tempo_bpm and not MIN_TEMPO_BPM <= tempo_bpm <= MAX_TEMPO_BPM:
        lines.append(f"Tempo goes from {MIN_TEMPO_BPM:.0f} to {MAX_TEMPO_BPM:.0f} BPM.")
    if let_go:
        lines.append("The recipe's kept part fits only its own tempo and model; it was let go.")
    if not traits.hears_words:
        if prompt.strip():
            lines.append("This model hears no words; the prompt is left out.")
        return lines
    named = tempo_in(prompt)
    if named is not None and tempo_bpm and named != tempo_bpm:
        lines.append(f"The prompt says {named:g} BPM; the field decides: {tempo_bpm:g}.")
    chosen_key, named_key = parse_key(key), key_in(prompt)
    if chosen_key and named_key and chosen_key != named_key:
        lines.append(f"The prompt says {named_key}; the field decides: {chosen_key}.")
    if traits.template is not None and prompt.strip():
        known, unknown = traits.template.match_words(prompt)
        if unknown:
            lines.append(f"This model does not know: {_with_nearest(unknown, traits.template)}")
        if not known:
            words = ", ".join(traits.template.genres[:_SHOWN_WORDS])
            lines.append(f"It knows words such as {words}.")
    return lines


def _with_nearest(unknown: Sequence[str], template: PromptTemplate) -> str:
    """`wobbly (nearest: wobble), flugelhorn`; of very many, the first."""
    parts = []
    for word in unknown[:_MOST_UNKNOWN]:
        nearest = nearest_word(word, template)
        parts.append(word if nearest is None else f"{word} (nearest: {nearest})")
    rest = len(unknown) - len(parts)
    return ", ".join([*parts, f"and {rest} more"] if rest > 0 else parts)

"""From what takes are made under to the streams of the decoder.

Owns the reading of prompts and melodies and the choice of as few streams as do, the same for
every backend. Every text and
every melody is read by itself, so that a take does not depend on those beside it.

Letters in shapes: L text tokens, P places of the prefix, D model width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import InputError, ModelError
from studio.models.backend import Condition
from studio.models.language_config import PITCH_CLASSES, MelodyConfig
from studio.models.streams import Stream
from studio.models.tokenizer import TextTokenizer

LONGEST_TEXT_TOKENS = 4_096


class ConditionReader(Protocol):
    """The networks that conditions go through; arrays are those of the backend's library."""

    def read_text(self, ids: NDArray[np.int64], mask: NDArray[np.bool_]) -> Any:
        """Float [L, D] of one text's tokens, int64 [1, L], and mask, bool [1, L]."""
        ...

    def read_prefix(self, classes: NDArray[np.int64], text: Any, places: int) -> Any:
        """Melody, then text, then zeros up to `places`: float [F + places, D].

        Args:
            classes: int64 [F], the pitch class of each chroma frame.
            text: Float [L, D] as `read_text` gives it, or None.
            places: At least L.
        """
        ...


class Conditioner:
    """Reads the conditions of one model."""

    def __init__(
        self,
        name: str,
        language: ConditionReader | None,
        *,
        tokenizer: TextTokenizer | None = None,
        melody: MelodyConfig | None = None,
    ) -> None:
        """Read for one model.

        Args:
            name: What the model is called in errors.
            language: Its text encoder and projections; None where it has no conditions.
            tokenizer: None where the bundle has none.
            melody: None where it hears no melody.
        """
        self._name = name
        self._language = language
        self._tokenizer = tokenizer
        self._melody = melody

    @property
    def reads_text(self) -> bool:
        """Whether a prompt can be read: there is a text encoder, and a tokenizer."""
        return self._language is not None and self._tokenizer is not None

    def streams(
        self, conditions: Sequence[Condition], *, guidance: float
    ) -> list[tuple[Stream, ...]]:
        """The streams of each take: the one that decides, and the one it is led away from.

        The second is left out where guidance changes nothing: at 1, or where both are alike.

        Raises:
            ModelError: A condition is of a kind that the model does not know, or there is text,
                but the bundle has no tokenizer.
            InputError: A melody is no row of pitch classes, or a text is too long.
        """
        for condition in conditions:
            self._check(condition)
        texts: dict[str, Any] = {}
        for condition in conditions:
            for text in (condition.text, condition.negative):
                if text not in texts:
                    texts[text] = self._read_text(text) if text else None
        plans = []
        for condition in conditions:
            wanted, avoided = texts[condition.text], texts[condition.negative]
            melody = condition.melody
            if guidance == 1.0 or (wanted is avoided and melody is None):
                plans.append(self._pair((wanted, melody)))
            else:
                plans.append(self._pair((wanted, melody), (avoided, None)))
        return plans

    def _pair(self, *slots: tuple[Any, NDArray[np.int8] | None]) -> tuple[Stream, ...]:
        """One stream a slot of text and melody.

        In a prefix both texts take as many places as the longer one, the rest zeros: so the
        tokens stand at the same positions in both streams, as they do in the reference.
        """
        if self._melody is None:
            return tuple(Stream(text=text) for text, _ in slots)
        places = max(1, *(0 if text is None else len(text) for text, _ in slots))
        return tuple(
            Stream(prefix=self._prefix(text, melody, places, self._melody.frames))
            for text, melody in slots
        )

    def _prefix(self, text: Any, melody: NDArray[np.int8] | None, places: int, frames: int) -> Any:
        """Melody, then text: float [P, D]. The null melody is the first pitch class all along."""
        assert self._language is not None
        classes = np.zeros(1, dtype=np.int8) if melody is None else melody
        tiled = np.resize(classes, frames).astype(np.int64)
        return self._language.read_prefix(tiled, text, places)

    def _read_text(self, text: str) -> Any:
        """Float [L, D]; None where the tokenizer finds nothing in it."""
        assert self._language is not None
        if self._tokenizer is None:
            raise ModelError(
                f"The model {self._name} has no tokenizer.json and cannot read a prompt;"
                " add the file or leave the prompt empty."
            )
        ids, mask = self._tokenizer.encode([text])
        if ids.shape[1] > LONGEST_TEXT_TOKENS:
            raise InputError(
                f"The prompt has {ids.shape[1]} tokens, more than {LONGEST_TEXT_TOKENS};"
                " shorten it."
            )
        if not ids.shape[1]:
            return None
        return self._language.read_text(ids, mask)

    def _check(self, condition: Condition) -> None:
        if self._language is None and (condition.text or condition.negative):
            raise ModelError(
                f"The model {self._name} does not read text; leave the prompt and the negative"
                " prompt empty or choose another model."
            )
        melody = condition.melody
        if melody is None:
            return
        if self._melody is None:
            raise ModelError(
                f"The model {self._name} does not follow a melody; leave the melody out or choose"
                " a melody model."
            )
        if melody.ndim != 1 or not melody.size or melody.dtype.kind not in "iu":
            raise InputError(
                f"A melody must be a row of pitch classes, not {melody.dtype} {list(melody.shape)}."
            )
        if melody.min() < 0 or melody.max() >= PITCH_CLASSES:
            raise InputError(f"A pitch class is outside 0 to {PITCH_CLASSES - 1}.")

"""Captions as token ids.

Owns the word-level tokenizer of a template-trained model, the choice of captions for a batch, and
the union of loops and captions that a language model learns from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch import Tensor

from studio.models.prompting import PromptTemplate
from studio.training.loopsynth import KEYS, LoopLabels, caption
from studio.training.tokens import CodedLoops

PADDING, UNKNOWN = "<pad>", "<unk>"
_CAPTIONS_A_LOOP = 8
_BARE = _CAPTIONS_A_LOOP - 1
"""Place of the caption without words, which guidance leads away from; see `PromptTemplate`."""

_GENRE_LEFT_OUT = 0.08
_TRITONE = 6


def build_tokenizer(template: PromptTemplate) -> Tokenizer:
    """One id for each token of the template, after padding (0) and unknown (1)."""
    tokens = [PADDING, UNKNOWN, *template.vocabulary()]
    model = WordLevel({token: i for i, token in enumerate(tokens)}, unk_token=UNKNOWN)
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return tokenizer


def caption_words(
    labels: LoopLabels, template: PromptTemplate, rng: np.random.Generator
) -> list[str]:
    """A truthful random caption; now and then without its genre, as people type them too."""
    words = caption(labels, rng).split()
    if words[0] in template.genres and rng.random() < _GENRE_LEFT_OUT:
        words = words[1:]
    return words


class CaptionBook:
    """Several captions for each loop, as padded ids."""

    def __init__(
        self, labels: Sequence[LoopLabels], template: PromptTemplate, seed: int = 0
    ) -> None:
        rng = np.random.default_rng(seed)
        ids = {token: i for i, token in enumerate([PADDING, UNKNOWN, *template.vocabulary()])}
        self._in_another_key = torch.arange(len(ids))
        for place, key in enumerate(KEYS):
            octave = place // 12 * 12
            other = KEYS[octave + (place - octave + _TRITONE) % 12]
            if f"key:{key}" in ids and f"key:{other}" in ids:
                self._in_another_key[ids[f"key:{key}"]] = ids[f"key:{other}"]
        rows = []
        for one in labels:
            for place in range(_CAPTIONS_A_LOOP):
                bare = place == _BARE and one.kind == "loop"
                words = [] if bare else caption_words(one, template, rng)
                text = template.text(words, grid=one.grid, period_bars=one.bars)
                rows.append([ids.get(token, 1) for token in text.split()])
        longest = max(len(row) for row in rows)
        self._ids = np.zeros((len(labels), _CAPTIONS_A_LOOP, longest), dtype=np.int64)
        for place, row in enumerate(rows):
            self._ids[place // _CAPTIONS_A_LOOP, place % _CAPTIONS_A_LOOP, : len(row)] = row

    def random(self, indices: Sequence[int], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Ids int64 [B, L] and mask bool [B, L] of one caption for each of `indices`."""
        which = rng.integers(_CAPTIONS_A_LOOP, size=len(indices))
        return _trim(torch.from_numpy(self._ids[np.asarray(indices), which]))

    def first(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The same, always the first caption."""
        return _trim(torch.from_numpy(self._ids[np.asarray(indices), 0]))

    def in_another_key(self, ids: Tensor) -> Tensor:
        """The texts `ids` with each key a tritone away; those that name none stay as they are."""
        return self._in_another_key[ids]


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """Coded loops of one split with their captions."""

    coded: CodedLoops
    labels: Sequence[LoopLabels]
    captions: CaptionBook


def _trim(ids: Tensor) -> tuple[Tensor, Tensor]:
    longest = int((ids > 0).sum(1).max())
    ids = ids[:, :longest]
    return ids, ids > 0

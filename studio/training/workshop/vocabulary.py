"""Words as tokens of a small text encoder.

Owns the tokenizer that a bundle carries. It tidies what a person types by itself, since such a
bundle has no text template: letters become small, marks are dropped, and a number is read digit
by digit, so that a tempo never heard lies between those that were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import NFKC, Lowercase, Replace, Sequence
from tokenizers.pre_tokenizers import Digits, WhitespaceSplit
from tokenizers.pre_tokenizers import Sequence as Steps

PADDING, UNKNOWN = "<pad>", "<unk>"
PADDING_ID, UNKNOWN_ID = 0, 1
MOST_WORDS = 4000
_ALWAYS = ("bpm", "minor", "major", *"0123456789")


def build_vocabulary(captions: Iterable[str]) -> Tokenizer:
    """A tokenizer of every word in `captions`, the most frequent ones where they are too many."""
    plain = _tokenizer({PADDING: PADDING_ID, UNKNOWN: UNKNOWN_ID})
    counts: Counter[str] = Counter()
    for caption in captions:
        counts.update(_pieces(plain, caption))
    for token in _ALWAYS:
        counts.pop(token, None)
    frequent = sorted(counts, key=lambda word: (-counts[word], word))[:MOST_WORDS]
    tokens = [PADDING, UNKNOWN, *_ALWAYS, *sorted(frequent)]
    return _tokenizer({token: number for number, token in enumerate(tokens)})


def _pieces(tokenizer: Tokenizer, text: str) -> list[str]:
    normal = tokenizer.normalizer.normalize_str(text)
    return [piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal)]


def _tokenizer(ids: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(WordLevel(ids, unk_token=UNKNOWN))
    tokenizer.normalizer = Sequence(
        [NFKC(), Lowercase(), Replace(Regex(r"[^\w#'-]|_"), " "), Replace(Regex(r"(?<!\w)-"), " ")]
    )
    tokenizer.pre_tokenizer = Steps([WhitespaceSplit(), Digits(individual_digits=True)])
    return tokenizer

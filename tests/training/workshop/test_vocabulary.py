from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from studio.models.tokenizer import TextTokenizer
from studio.training.workshop import vocabulary
from studio.training.workshop.vocabulary import UNKNOWN, build_vocabulary


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return build_vocabulary(["dark jungle 174 bpm f# minor", "lo-fi kick", "jungle"])


@pytest.mark.parametrize(
    ("typed", "tokens"),
    [
        ("Dark Jungle, 165 BPM!", ["dark", "jungle", "1", "6", "5", "bpm"]),
        ("lo-fi kick in F# minor", ["lo-fi", "kick", UNKNOWN, "f#", "minor"]),
        ("174bpm jungle_kick", ["1", "7", "4", "bpm", "jungle", "kick"]),
        ("- kick -", ["kick"]),
        ("", []),
    ],
)
def test_what_a_person_types_is_tidied(tokenizer: Tokenizer, typed: str, tokens: list[str]) -> None:
    assert tokenizer.encode(typed).tokens == tokens


def test_it_opens_as_a_bundles_tokenizer(tokenizer: Tokenizer, tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    tokenizer.save(str(file))
    opened = TextTokenizer(file, vocabulary=tokenizer.get_vocab_size())
    ids, mask = opened.encode(["Dark kick", ""])
    assert ids[0].tolist() == tokenizer.encode("dark kick").ids
    assert mask.tolist() == [[True, True], [False, False]]


def test_only_the_most_frequent_of_too_many_words_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(vocabulary, "MOST_WORDS", 2)
    kept = build_vocabulary(["often rare", "often twice", "often twice other"]).get_vocab()
    assert {"often", "twice"} <= set(kept)
    assert not {"rare", "other"} & set(kept)
    assert (kept["<pad>"], kept[UNKNOWN]) == (0, 1)

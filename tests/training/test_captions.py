from __future__ import annotations

import torch

from studio.training.captions import CaptionBook, build_tokenizer
from studio.training.house import house_template
from studio.training.loopsynth import render_loop


def test_another_key_is_a_tritone_away_and_nothing_else_differs() -> None:
    template = house_template()
    labels = [render_loop(seed).labels for seed in range(40)]
    book = CaptionBook(labels, template)
    ids, _ = book.first(range(len(labels)))
    moved = book.in_another_key(ids)
    keyed = (ids != moved).any(dim=1)
    assert 5 < keyed.sum() < len(labels)
    tokenizer = build_tokenizer(template)
    vocabulary = tokenizer.get_vocab()
    assert moved[ids == vocabulary["key:am"]].unique().tolist() in ([], [vocabulary["key:d#m"]])
    for before, after in zip(ids[ids != moved].tolist(), moved[ids != moved].tolist(), strict=True):
        old, new = tokenizer.id_to_token(before), tokenizer.id_to_token(after)
        assert old.startswith("key:")
        assert new.startswith("key:")
        assert old.endswith("m") == new.endswith("m")
    assert torch.equal(book.in_another_key(moved), ids)

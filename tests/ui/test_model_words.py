from __future__ import annotations

from types import SimpleNamespace

import pytest

from studio.core.errors import ModelError
from studio.ui import model_words
from studio.ui.model_words import read_template


def test_a_model_from_elsewhere_takes_any_words():
    assert read_template("facebook/musicgen-small") is None


def test_a_folder_that_is_no_model_is_a_fault(tmp_path):
    with pytest.raises(ModelError):
        read_template(str(tmp_path))


def test_the_template_comes_from_the_bundle(tmp_path, monkeypatch):
    prompting = {
        "words": ["jungle"],
        "genres": ["jungle"],
        "aliases": {},
        "grids": [4],
        "context_frames": 128,
        "frame_rate": 50,
    }
    monkeypatch.setattr(
        model_words, "open_bundle", lambda _folder: SimpleNamespace(prompting=prompting)
    )
    template = read_template(str(tmp_path))
    assert template is not None
    assert template.match_words("jungle tuba") == (("jungle",), ("tuba",))


def test_a_bundle_without_a_template_takes_any_words(tmp_path, monkeypatch):
    monkeypatch.setattr(model_words, "open_bundle", lambda _: SimpleNamespace(prompting=None))
    assert read_template(str(tmp_path)) is None

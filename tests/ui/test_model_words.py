from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from studio.core.errors import ModelError
from studio.ui import model_words
from studio.ui.model_words import ModelTraits, read_traits
from tests.ui.conftest import made_up_model

PROMPTING = {
    "words": ["jungle"],
    "genres": ["jungle"],
    "aliases": {},
    "grids": [4],
    "context_frames": 128,
    "frame_rate": 50,
}


@pytest.fixture
def bundle(monkeypatch):
    """What the next folder holds."""
    held = SimpleNamespace(has_text=True, has_melody=False, prompting=None)
    monkeypatch.setattr(model_words, "open_bundle", lambda _folder: held)
    monkeypatch.setattr(model_words, "holds_bundle", lambda _folder: True)
    return held


def test_of_a_model_that_is_not_listed_nothing_is_known():
    traits = read_traits("facebook/musicgen-small")
    assert traits == ModelTraits()
    assert traits.hears_words
    assert traits.follows_melody


def test_a_folder_that_is_no_model_is_a_fault(tmp_path):
    with pytest.raises(ModelError):
        read_traits(str(tmp_path))


def test_the_template_comes_from_the_bundle(tmp_path, bundle):
    bundle.prompting = PROMPTING
    template = read_traits(str(tmp_path)).template
    assert template is not None
    assert template.match_words("jungle tuba") == (("jungle",), ("tuba",))


def test_a_bundle_without_a_template_takes_any_words(tmp_path, bundle):
    assert read_traits(str(tmp_path)) == ModelTraits(kind="text")


@pytest.mark.parametrize(
    ("has_text", "has_melody", "kind"),
    [(True, False, "text"), (True, True, "melody"), (False, False, "unconditional")],
)
def test_what_a_folder_listens_to_is_what_its_bundle_has(
    tmp_path, bundle, has_text, has_melody, kind
):
    bundle.has_text, bundle.has_melody = has_text, has_melody
    assert read_traits(str(tmp_path)).kind == kind


def test_an_added_model_is_read_in_its_folder(tmp_path, bundle):
    bundle.prompting = PROMPTING
    traits = read_traits("mine", made_up_model("mine", registered=True, path=tmp_path))
    assert traits.kind == "text"
    assert traits.template is not None


def test_of_a_listed_model_the_list_says_enough():
    melody = made_up_model("melody", kind="melody", path=None)
    assert read_traits("melody", melody) == ModelTraits(kind="melody", absent=True)
    micro = made_up_model("micro", kind="unconditional", registered=True, path=None)
    assert read_traits("micro", micro).absent
    assert not read_traits("micro", micro).hears_words
    assert not read_traits("micro", replace(micro, registered=False)).follows_melody

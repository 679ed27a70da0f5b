from __future__ import annotations

import pytest

from studio.models.catalog import KnownModel, find_known, known_models
from studio.models.hub.cache import is_repository


def test_the_embedded_model_comes_first_and_the_parts_last() -> None:
    kinds = [model.kind for model in known_models()]
    first = known_models()[0]
    assert (first.name, first.embedded, first.channels) == ("house", True, 1)
    assert kinds.index("part") == len(kinds) - kinds.count("part")


def test_every_published_size_is_there() -> None:
    names = {model.name for model in known_models()}
    sizes = ["small", "medium", "large", "melody", "melody-large"]
    assert {f"facebook/musicgen-{size}" for size in sizes} <= names
    assert {f"facebook/musicgen-stereo-{size}" for size in sizes} <= names


def test_names_are_unique_and_can_be_fetched() -> None:
    models = known_models()
    assert len({model.name.casefold() for model in models}) == len(models)
    assert [m.name for m in models if not m.embedded and not is_repository(m.repository)] == []


def test_every_needed_part_is_in_the_catalogue() -> None:
    parts = {model.name for model in known_models() if model.kind == "part"}
    needed = {part for model in known_models() for part in model.parts}
    assert needed
    assert needed <= parts


@pytest.mark.parametrize("model", known_models(), ids=lambda model: model.name)
def test_the_facts_fit_together(model: KnownModel) -> None:
    assert model.codebooks == 4 * model.channels
    assert model.size_megabytes > 0
    assert model.licence
    assert (model.sample_rate == 32_000) is (model.channels > 0)
    if model.name.startswith("facebook/"):
        assert model.licence == "CC-BY-NC-4.0"
        assert (model.channels == 2) is ("stereo" in model.name)
        assert (model.kind == "melody") is ("melody" in model.name)


def test_an_entry_is_found_by_its_name_and_by_its_repository() -> None:
    assert find_known("t5-base") == find_known("google-t5/t5-base")
    assert find_known("house") == known_models()[0]
    assert find_known("") is None
    assert find_known("musicgen-small") is None

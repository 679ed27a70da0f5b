"""A model with an adapter, from the shelf to the codes of a take."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from studio.core.errors import InputError, ModelError
from studio.generation.engine import Engine
from studio.generation.loading import load_model
from studio.generation.musicgen import MusicGen
from studio.generation.request import GenerationRequest
from studio.models.bundle import open_bundle
from studio.models.shelf.shelf import ModelShelf
from tests.generation.tiny_bundle import write_tiny_bundle
from tests.models.adapter_writer import random_factors, write_adapter


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def adapter(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    factors = random_factors(open_bundle(bundle))
    return write_adapter(tmp_path_factory.mktemp("adapters") / "dusty", factors)


def test_an_adapter_changes_the_codes_and_without_strength_not_one(
    bundle: Path, adapter: Path, tmp_path: Path
) -> None:
    shelf = ModelShelf(tmp_path / "models")
    shelf.add(adapter)
    engine = Engine(partial(load_model, shelf=shelf))
    plain = GenerationRequest(prompt="jungle", model=str(bundle), seed=5, max_steps=20)
    takes = [
        engine.generate(GenerationRequest(**{**vars(plain), "adapters": adapters}))
        for adapters in ((), (("dusty", 0.0),), (("dusty", 1.0),), ((str(adapter), 1.0),))
    ]
    base, off, on, by_folder = (take.codes for take in takes)
    assert np.array_equal(base, off)
    assert not np.array_equal(base, on)
    assert np.array_equal(on, by_folder)
    assert takes[0].model_hash == takes[1].model_hash != takes[2].model_hash
    again = engine.generate(GenerationRequest.from_json(takes[2].request.to_json()))
    assert np.array_equal(again.codes, on)


def test_a_script_loads_a_model_with_adapters(bundle: Path, adapter: Path) -> None:
    plain = MusicGen.from_pretrained(bundle)
    changed = MusicGen.from_pretrained(bundle, adapters={str(adapter): 0.5})
    options = {"seed": 1, "max_steps": 20}
    assert not np.array_equal(
        plain.codes("jungle", **options),  # type: ignore[arg-type] # the options of one test
        changed.codes("jungle", **options),  # type: ignore[arg-type] # likewise
    )
    (take,) = changed.takes("jungle", seed=1, max_steps=20)
    assert take.request.adapters == ((str(adapter), 0.5),)
    tokens = np.zeros((1, changed.codebooks, 4), dtype=np.int64)
    assert not np.array_equal(plain.logits(tokens), changed.logits(tokens))
    (other,) = plain.takes("jungle", seed=1, max_steps=20)
    assert changed.extend(other, duration_seconds=1.0).request.adapters == take.request.adapters


def test_bad_adapters_of_a_script_are_refused(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no adapter"):
        MusicGen.from_pretrained(bundle, adapters={str(tmp_path / "gone"): 1.0})
    with pytest.raises(InputError, match="strength of the adapter"):
        MusicGen.from_pretrained(bundle, adapters={"dusty": 40.0})

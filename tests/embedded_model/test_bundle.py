"""The embedded model is a stock MusicGen bundle, small enough to ship."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, MusicgenForConditionalGeneration

from studio import MusicGen
from studio.core.paths import resources_dir
from studio.models.bundle import open_bundle
from studio.models.prompting import PromptTemplate

PROMPT = "174 bpm jungle break, dark reese bass"


@pytest.fixture(scope="module")
def folder() -> Path:
    return resources_dir() / "models" / "house"


@pytest.fixture(scope="module")
def model() -> MusicGen:
    return MusicGen.from_pretrained("house")


@pytest.fixture(scope="module")
def text(folder: Path) -> str:
    prompting = open_bundle(folder).prompting
    assert prompting is not None
    template = PromptTemplate.from_dict(prompting)
    return template.plan(prompt=PROMPT, tempo_bpm=174, bars=2, key=None).text


def test_bundle_is_under_32_megabytes(folder: Path) -> None:
    assert sum(file.stat().st_size for file in folder.iterdir()) < 32_000_000


def test_transformers_opens_it_unchanged_with_equal_logits(
    folder: Path, model: MusicGen, text: str
) -> None:
    reference = MusicgenForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    reference.eval()
    ids = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt").input_ids
    filler = model.codebook_size
    tokens = np.random.default_rng(0).integers(filler, size=(1, model.codebooks, 40))
    tokens[:, :, 0] = filler
    with torch.no_grad():
        theirs = reference(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            decoder_input_ids=torch.from_numpy(tokens).reshape(model.codebooks, -1),
        ).logits
    exact = MusicGen.from_pretrained("house", precision="float32")
    ours = exact.logits(tokens, [text])
    assert np.abs(ours[0] - theirs.numpy()).max() < 1e-4


def test_its_two_bar_loop_is_exact_audible_and_decided_by_the_seed(model: MusicGen) -> None:
    first, again, other = (model.generate(PROMPT, bars=2, bpm=174, seed=seed) for seed in (7, 7, 8))
    assert first.shape == (1, 88_276)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.sqrt(np.mean(first**2)) > 0.01
    assert np.abs(first).max() < 1.0

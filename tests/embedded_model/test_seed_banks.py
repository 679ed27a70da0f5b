"""The banks that come with the program are whole, and are the embedded model's."""

from __future__ import annotations

import pytest

from studio import MusicGen, list_banks, open_bank
from studio.core.paths import resources_dir
from studio.models.bundle import open_bundle
from studio.models.prompting import PromptTemplate
from studio.training.loopsynth import GENRES


def test_each_genre_has_a_bank_of_64_different_takes() -> None:
    assert list_banks() == tuple(sorted(GENRES))
    for name in list_banks():
        bank = open_bank(name)
        assert len(bank) == 64
        assert len({take.codes for take in bank}) == 64
        assert len({take.request.seed for take in bank}) == 64


def test_the_model_sounds_them_as_it_would_make_them() -> None:
    model = MusicGen.from_pretrained("house")
    for name in ("jungle", "ambient"):
        coded = open_bank(name).take(1)
        sounded = model.resound(coded)
        request = coded.request
        (made,) = model.takes(
            request.prompt,
            bpm=request.tempo_bpm,
            bars=request.bars,
            key=request.key,
            seed=request.seed,
        )
        assert (made.codes == sounded.codes).all()
        assert (made.clip.samples == sounded.clip.samples).all()


@pytest.mark.parametrize("name", sorted(GENRES))
def test_their_prompts_are_in_words_that_the_model_knows(name: str) -> None:
    prompting = open_bundle(resources_dir() / "models" / "house").prompting
    assert prompting is not None
    template = PromptTemplate.from_dict(prompting)
    for take in open_bank(name):
        assert template.match_words(take.request.prompt)[1] == ()

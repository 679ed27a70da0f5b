from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from studio.core.errors import TrainingError
from studio.models.prompting import PromptTemplate
from studio.models.torch_backend.codec import EncodecModel
from studio.models.torch_backend.transformer import DecoderBlock
from studio.training.bank import LoopBank
from studio.training.captions import build_tokenizer
from studio.training.codec import HOUSE_CODEC, set_initial_weights
from studio.training.growth import add_codebooks, grow_from
from studio.training.language_model import LanguageModelRecipe, build_language_model
from studio.training.publish import publish_bundle

SMALL = LanguageModelRecipe(layers=2, dim=64, heads=2, text_layers=1)


def template(*words: str, context_frames: int = 96) -> PromptTemplate:
    return PromptTemplate(
        words=words,
        genres=("jungle",),
        aliases={},
        grids=(4, 9),
        context_frames=context_frames,
        frame_rate=50.0,
    )


EARLIER, LATER = template("jungle", "reese"), template("dub", "jungle", context_frames=144)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("earlier") / "bundle"
    model = build_language_model(SMALL, EARLIER, codebooks=4, codes=512)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half().float())
    publish_bundle(
        folder,
        codec=EncodecModel(replace(HOUSE_CODEC, codebooks=4)),
        model=model.eval(),
        tokenizer=build_tokenizer(EARLIER),
        template=EARLIER,
        generation={},
    )
    return folder


@pytest.fixture
def noises() -> LoopBank:
    rng = np.random.default_rng(0)
    samples = rng.integers(-9_000, 9_000, 64_000).astype(np.int16)
    return LoopBank(samples=samples, offsets=np.array([0, 40_000, 64_000]), labels=[])


@pytest.fixture
def small_codec(noises: LoopBank) -> EncodecModel:
    """An untrained codec of three codebooks."""
    torch.manual_seed(0)
    config = replace(HOUSE_CODEC, num_filters=4, hidden_size=8, codebook_size=32, codebooks=3)
    codec = EncodecModel(config).eval()
    set_initial_weights(codec)
    with torch.inference_mode():
        spread = codec.latents(torch.from_numpy(noises.excerpt(0, 0, 32_000))[None, None]).std()
    codec.codebooks.copy_(spread * torch.randn(codec.codebooks.shape))
    return codec


def test_a_grown_model_plays_as_the_earlier_one_did(bundle: Path) -> None:
    earlier = build_language_model(SMALL, EARLIER, codebooks=4, codes=512)
    larger = LanguageModelRecipe(layers=4, dim=64, heads=2, text_layers=1)
    grown = build_language_model(larger, LATER, codebooks=4, codes=512)
    shared = grow_from(grown, LATER, bundle)
    assert shared == len(set(build_tokenizer(EARLIER).get_vocab()) - {"reese"})
    tokens = torch.randint(512, (1, 4, 20))
    text = EARLIER.text(["jungle"], grid=4, period_bars=1)
    logits = []
    for model, words in ((earlier, EARLIER), (grown, LATER)):
        ids = torch.tensor([build_tokenizer(words).encode(text).ids])
        with torch.inference_mode():
            logits.append(model.eval()(tokens, ids, torch.ones_like(ids, dtype=torch.bool)))
    assert torch.allclose(logits[0], logits[1], atol=0.02)
    assert logits[0].std() > 0.05


def test_codebooks_that_an_earlier_model_had_not_change_nothing_of_what_it_says(
    bundle: Path,
) -> None:
    earlier = build_language_model(SMALL, EARLIER, codebooks=4, codes=512)
    grown = build_language_model(SMALL, EARLIER, codebooks=6, codes=512)
    grow_from(grown, EARLIER, bundle)
    tokens = torch.randint(512, (1, 6, 20))
    ids = torch.tensor([build_tokenizer(EARLIER).encode("jungle").ids])
    mask = torch.ones_like(ids, dtype=torch.bool)
    with torch.inference_mode():
        said = grown.eval()(tokens, ids, mask)
        wanted = earlier.eval()(tokens[:, :4], ids, mask)
    assert said.shape == (1, 20, 6, 512)
    assert torch.allclose(said[:, :, :4], wanted, atol=0.02)
    assert said[:, :, 4:].std() > 0.01


def test_further_codebooks_code_what_the_earlier_ones_leave_over(
    small_codec: EncodecModel, noises: LoopBank
) -> None:
    config = replace(small_codec.config, codebooks=5)
    grown = add_codebooks(small_codec, config, noises)
    audio = torch.from_numpy(noises.excerpt(0, 0, 32_000))[None, None]
    with torch.inference_mode():
        codes, before = grown.encode(audio), small_codec.encode(audio)
        latents = small_codec.latents(audio)
        errors = [
            float((latents - model.embed(found)).pow(2).mean())
            for model, found in ((small_codec, before), (grown, codes))
        ]
    assert torch.equal(codes[:, :3], before)
    assert errors[1] < 0.8 * errors[0]


@pytest.mark.parametrize("change", [{"hidden_size": 16}, {"codebooks": 2}])
def test_a_codec_of_other_sizes_is_not_grown(
    small_codec: EncodecModel, noises: LoopBank, change: dict[str, int]
) -> None:
    with pytest.raises(TrainingError, match="only be grown by codebooks"):
        add_codebooks(small_codec, replace(small_codec.config, **change), noises)


def test_a_model_of_another_width_is_refused(bundle: Path) -> None:
    wide = LanguageModelRecipe(layers=2, dim=128, heads=2, text_layers=1)
    model = build_language_model(wide, LATER, codebooks=4, codes=512)
    with pytest.raises(TrainingError, match="cannot begin as bundle"):
        grow_from(model, LATER, bundle)


def test_the_added_layers_look_at_the_words(bundle: Path) -> None:
    larger = LanguageModelRecipe(layers=4, dim=64, heads=2, text_layers=1)
    grown = build_language_model(larger, LATER, codebooks=4, codes=512)
    grow_from(grown, LATER, bundle)
    tokens = LATER.text(["dub", "jungle"], grid=4, period_bars=1).split()
    known = build_tokenizer(LATER).get_vocab()
    ids = torch.tensor([[known[token] for token in tokens]])
    is_word = torch.tensor([token in ("dub", "jungle") for token in tokens])
    stream = torch.randn(1, 30, 64, generator=torch.Generator().manual_seed(0))
    shares = []
    with torch.inference_mode():
        read = grown.conditioning(ids, torch.ones_like(ids, dtype=torch.bool))
        for block in grown.decoder.blocks:
            assert isinstance(block, DecoderBlock)
            attention = block.cross_attention
            key, _ = attention.keys_values(read)
            query = attention.query(block.cross_norm(stream)).view(1, 30, 2, 32).transpose(1, 2)
            looks = (query @ key.transpose(-1, -2) * 32**-0.5).softmax(-1)
            shares.append(float(looks[..., is_word].sum(-1).mean()))
    assert max(shares[:2]) < 0.2
    assert min(shares[2:]) > 0.4

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from studio.core.errors import TrainingError
from studio.models.prompting import PromptTemplate
from studio.models.torch_backend.codec import EncodecModel
from studio.models.torch_backend.transformer import DecoderBlock
from studio.training.captions import build_tokenizer
from studio.training.codec import HOUSE_CODEC
from studio.training.growth import grow_from
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
        codec=EncodecModel(HOUSE_CODEC),
        model=model.eval(),
        tokenizer=build_tokenizer(EARLIER),
        template=EARLIER,
        generation={},
    )
    return folder


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

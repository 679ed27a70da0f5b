from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from studio.models.backend import Condition, Sampling
from studio.models.selection import load_backend
from studio.models.torch_backend.codec import EncodecModel
from studio.models.torch_backend.transformer import MusicDecoder, MusicLanguageModel
from studio.training.code_losses import code_losses
from studio.training.publish import publish_bundle
from studio.training.workshop.network import (
    Batch,
    Network,
    build_network,
    loss_sums,
    parameters_of,
    read_texts,
    sample_codes,
)
from studio.training.workshop.sizes import SIZES, Size
from studio.training.workshop.vocabulary import build_vocabulary

TOKENIZER = build_vocabulary(["warm pad", "dry hit"])
FRAMES = 20


def network(*, text: bool, recompute: bool = False) -> Network:
    return build_network(
        SIZES["nano"],
        codebooks=4,
        vocabulary=64,
        frames=FRAMES,
        text_tokens=TOKENIZER.get_vocab_size() if text else 0,
        seed=1,
        recompute=recompute,
    )


def batch(*, text: bool, frames: tuple[int, ...] = (20, 20)) -> Batch:
    rng = np.random.default_rng(0)
    codes = torch.from_numpy(rng.integers(64, size=(len(frames), 4, FRAMES)))
    ids, mask = read_texts(TOKENIZER, ["warm pad", ""][: len(frames)])
    return Batch(
        codes=codes,
        frames=torch.tensor(frames),
        ids=ids if text else None,
        mask=mask if text else None,
    )


def test_the_loss_of_full_segments_is_the_house_models() -> None:
    model = network(text=True).eval()
    rows = batch(text=True)
    assert rows.ids is not None
    assert rows.mask is not None
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        sums = loss_sums(model, rows, bfloat16=True)
        means, _ = code_losses(model, rows.codes, rows.ids, rows.mask)
    assert torch.allclose(sums / 40, means, atol=2e-3)


@pytest.mark.parametrize("text", [False, True])
def test_padding_carries_no_loss(text: bool) -> None:
    """Later codebooks trail the first, and so see what it makes of three more frames."""
    model = network(text=text).eval()
    rows = batch(text=text, frames=(12, 20))
    with torch.no_grad():
        sums = loss_sums(model, rows, bfloat16=False)
        rows.codes[0, :, 15:] = 5
        assert torch.allclose(loss_sums(model, rows, bfloat16=False), sums, atol=1e-4)
        rows.codes[0, :, :12] = 5
        assert not torch.allclose(loss_sums(model, rows, bfloat16=False), sums, atol=1e-2)


def test_parts_of_a_batch_add_up_to_it() -> None:
    model = network(text=True).eval()
    rows = batch(text=True, frames=(12, 20))
    with torch.no_grad():
        whole = loss_sums(model, rows, bfloat16=False)
        parts = [loss_sums(model, part, bfloat16=False) for part in rows.parts(1)]
    assert len(parts) == 2
    assert torch.allclose(parts[0] + parts[1], whole, atol=1e-4)


def test_computing_blocks_again_gives_the_same_gradients() -> None:
    rows = batch(text=True)
    gradients = []
    for recompute in (False, True):
        model = network(text=True, recompute=recompute).train()
        loss_sums(model, rows, bfloat16=False).sum().backward()
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        assert torch.allclose(gradient, gradients[1][name], atol=1e-5), name


def test_hidden_codes_are_not_seen_but_asked_for() -> None:
    model = network(text=False).eval()
    rows = batch(text=False)
    everything = torch.ones_like(rows.codes, dtype=torch.bool)
    blind = Batch(codes=rows.codes, frames=rows.frames, hidden=everything)
    other = Batch(codes=(rows.codes + 1) % 64, frames=rows.frames, hidden=everything)
    with torch.no_grad():
        one, two = (loss_sums(model, part, bfloat16=False) for part in (blind, other))
        seen = loss_sums(model, rows, bfloat16=False)
    assert not torch.allclose(one, two)
    assert not torch.allclose(one, seen)


def test_a_few_words_become_unknown_in_training() -> None:
    rng = np.random.default_rng(0)
    ids, mask = read_texts(TOKENIZER, ["warm pad dry hit"] * 200, rng)
    assert 0.01 < float((ids == 1).float().mean()) < 0.06
    assert bool(mask.all())


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("tokens", [0, 50])
def test_the_stated_number_of_parameters_is_the_networks(size: Size, tokens: int) -> None:
    with torch.device("meta"):
        shape = size.decoder(codebooks=4, vocabulary=512, text=tokens > 0, frames=100)
        made: Network = (
            MusicLanguageModel(size.text(tokens), shape) if tokens else MusicDecoder(shape)
        )
    assert size.parameters(codebooks=4, vocabulary=512, text_tokens=tokens) == parameters_of(made)


@pytest.mark.parametrize("text", [False, True])
def test_a_preview_is_what_the_engine_plays(
    text: bool, codec: EncodecModel, tmp_path: Path
) -> None:
    """Of the same weights, here those that the bundle's half precision keeps."""
    model = network(text=text)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half())
    publish_bundle(
        tmp_path / "bundle",
        codec=codec,
        model=model,
        generation={},
        tokenizer=TOKENIZER if text else None,
    )
    sampling = Sampling(temperature=0.9, top_k=5, guidance=2.0)
    made = sample_codes(
        model,
        read_texts(TOKENIZER, ["warm pad"]) if text else None,
        frames=FRAMES - 4,
        seed=3,
        sampling=sampling,
    )
    backend = load_backend(tmp_path / "bundle", backend="torch", precision="float32")
    assert backend.info.window_frames == FRAMES
    condition = Condition(text="Warm pad!" if text else "")
    columns = backend.steps([condition], frames=FRAMES - 4, seeds=[3], sampling=sampling)
    assert np.array_equal(made, np.stack([column[0] for column in columns], axis=1))

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.models.bundle import open_bundle
from studio.models.language_config import TextConfig
from studio.models.torch_backend.text import TextEncoder
from studio.models.torch_backend.weights import Section
from tests.models.reference import Reference


def _encoder(reference: Reference) -> TextEncoder:
    bundle = open_bundle(reference.folder)
    encoder = TextEncoder(TextConfig.from_hf(bundle.config["text_encoder"]))
    encoder.load_hf(Section(bundle.tensors(), "text_encoder."))
    return encoder


@torch.inference_mode()
def test_padded_texts_encode_as_in_transformers(reference: Reference) -> None:
    ids = torch.randint(0, 40, (2, 150), generator=torch.Generator().manual_seed(0))
    mask = torch.ones(2, 150, dtype=torch.bool)
    mask[1, 9:] = False
    expected = reference.model.text_encoder(input_ids=ids, attention_mask=mask.long())
    actual = _encoder(reference)(ids, mask)
    torch.testing.assert_close(actual[mask], expected.last_hidden_state[mask], atol=1e-5, rtol=0.0)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    dim=st.sampled_from([4, 16, 50]),
    head_dim=st.sampled_from([1, 8, 24]),
    heads=st.integers(1, 4),
    layers=st.integers(1, 4),
    ffn_dim=st.integers(1, 90),
    buckets=st.sampled_from([8, 20, 32]),
    distance=st.sampled_from([20, 128]),
    length=st.integers(1, 200),
)
@torch.inference_mode()
def test_encoders_of_any_shape(
    dim: int,
    head_dim: int,
    heads: int,
    layers: int,
    ffn_dim: int,
    buckets: int,
    distance: int,
    length: int,
) -> None:
    from transformers import T5Config, T5EncoderModel

    torch.manual_seed(length)
    config = T5Config(
        vocab_size=20,
        d_model=dim,
        d_kv=head_dim,
        num_heads=heads,
        num_layers=layers,
        d_ff=ffn_dim,
        relative_attention_num_buckets=buckets,
        relative_attention_max_distance=distance,
    )
    oracle = T5EncoderModel(config).eval()
    encoder = TextEncoder(TextConfig.from_hf(config.to_dict()))
    encoder.load_hf(oracle.state_dict())
    ids = torch.randint(0, 20, (1, length))
    actual = encoder(ids, torch.ones(1, length, dtype=torch.bool))
    expected = oracle(input_ids=ids).last_hidden_state
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=0.0)


def test_weights_written_back_are_those_that_were_read(reference: Reference) -> None:
    stored = Section(open_bundle(reference.folder).tensors(), "text_encoder.")
    written = _encoder(reference).to_hf()
    assert written.keys() == stored.keys()
    assert all(torch.equal(written[name], stored[name]) for name in stored)


def test_the_tied_name_of_the_embedding_is_read_too(reference: Reference) -> None:
    stored = dict(Section(open_bundle(reference.folder).tensors(), "text_encoder."))
    embedding = stored.pop("shared.weight")
    stored["encoder.embed_tokens.weight"] = embedding
    encoder = TextEncoder(_encoder(reference).config)
    encoder.load_hf(stored)
    assert torch.equal(encoder.embedding.weight, embedding)


def test_every_weight_learns(reference: Reference) -> None:
    encoder = _encoder(reference)
    mask = torch.ones(1, 12, dtype=torch.bool)
    encoder(torch.arange(12)[None], mask).square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in encoder.parameters())

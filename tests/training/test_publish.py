"""Published bundles against transformers, which must find every tensor and compute the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from studio.core.errors import StorageError
from studio.models.bundle import open_bundle
from studio.models.codec_config import EncodecConfig
from studio.models.language_config import DecoderConfig
from studio.models.model_card import ModelCard
from studio.models.selection import load_backend
from studio.models.torch_backend.codec import EncodecModel
from studio.models.torch_backend.transformer import MusicDecoder
from studio.training.codec import set_initial_weights
from studio.training.publish import publish_bundle

CODEC = EncodecConfig(
    sampling_rate=32_000,
    num_filters=2,
    hidden_size=12,
    codebook_size=16,
    codebooks=4,
    upsampling_ratios=(8, 5, 4, 4),
)
CARD = ModelCard(
    about="Trained on kicks|snares <script> [here](http://x).",
    data={"folder": "my | drums", "seconds": 81.25},
    recipe={"steps": 300},
    measures={"held-out nats": 3.14159265},
    licence="CC0-1.0",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published model without words."""
    torch.manual_seed(3)
    torch.set_num_threads(1)
    codec = EncodecModel(CODEC)
    set_initial_weights(codec)
    codec.codebooks.data.normal_(0, 0.5)
    config = DecoderConfig(
        codebooks=4, vocabulary=16, dim=32, layers=2, heads=4, ffn_dim=64, cross_attention=False
    )
    decoder = MusicDecoder(config)
    for parameter in decoder.parameters():
        if parameter.ndim > 1:
            parameter.data.mul_(3.0)
    folder = tmp_path_factory.mktemp("published") / "kicks"
    sampling = {"do_sample": True, "guidance_scale": 1.0, "top_k": 30}
    publish_bundle(folder, codec=codec, model=decoder, generation=sampling, card=CARD)
    return folder


@pytest.fixture(scope="module")
def oracle(folder: Path) -> Any:
    """The same model in transformers, which may not miss a tensor nor find one too many."""
    from transformers import MusicgenForConditionalGeneration

    model, loading = MusicgenForConditionalGeneration.from_pretrained(
        folder, output_loading_info=True, dtype=torch.float32
    )
    assert not loading["missing_keys"]
    assert not loading["unexpected_keys"]
    assert not loading["mismatched_keys"]
    return model.eval()


def test_transformers_computes_the_logits_of_a_model_without_words(
    folder: Path, oracle: Any
) -> None:
    backend = load_backend(folder, backend="torch")
    assert not backend.info.has_text
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 17, size=(2, 4, 24))
    nothing = oracle.get_unconditional_inputs(2)
    with torch.inference_mode():
        theirs = oracle(
            encoder_outputs=nothing.encoder_outputs,
            attention_mask=nothing.attention_mask,
            decoder_input_ids=torch.from_numpy(tokens.reshape(8, 24)),
        ).logits
    ours = backend.logits(tokens, None)
    expected = theirs.reshape(2, 4, 24, 16).numpy()
    assert np.abs(ours - expected).max() < 1e-4
    assert np.abs(expected).max() > 0.1


def test_transformers_makes_sound_with_a_model_without_words(oracle: Any) -> None:
    torch.manual_seed(0)
    made = oracle.generate(**oracle.get_unconditional_inputs(1), do_sample=True, max_new_tokens=12)
    assert made.shape[:2] == (1, 1)
    assert made.shape[2] > 0
    assert bool(made.isfinite().all())


def test_the_codec_decodes_as_in_transformers(folder: Path, oracle: Any) -> None:
    codes = np.random.default_rng(1).integers(0, 16, size=(1, 4, 10))
    ours = load_backend(folder, backend="torch").decode(codes)
    with torch.inference_mode():
        theirs = oracle.audio_encoder.decode(torch.from_numpy(codes)[None], [None]).audio_values
    assert np.allclose(ours, theirs.numpy(), atol=1e-5)


def test_a_published_model_without_words_is_opened_as_such(folder: Path) -> None:
    bundle = open_bundle(folder)
    assert not bundle.has_text
    assert not bundle.has_melody
    assert bundle.prompting is None


def test_the_card_says_what_it_was_given_and_nothing_else(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    _, header, page = text.split("---\n", 2)
    assert yaml.safe_load(header) == {
        "library_name": "transformers",
        "pipeline_tag": "text-to-audio",
        "license": "cc0-1.0",
        "tags": ["musicgen"],
    }
    assert page.splitlines()[1] == "# kicks"
    assert "| folder | my \\| drums |" in page
    assert "| seconds | 81.25 |" in page
    assert "| held-out nats | 3.14159 |" in page
    assert "<script" not in page.replace("\\<", "")
    assert page.endswith("Of the weights: CC0-1.0.\n")


def test_a_card_without_a_licence_says_so() -> None:
    text = ModelCard(about="A test.").text("it")
    assert "license" not in text
    assert "## Data" not in text
    assert text.endswith("Of the weights: not stated.\n")


def test_a_folder_of_somebody_elses_is_not_replaced(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "mine.wav").write_bytes(b"RIFF")
    with pytest.raises(StorageError, match=r"mine\.wav is in it"):
        publish_bundle(
            tmp_path / "songs",
            codec=EncodecModel(CODEC),
            model=MusicDecoder(
                DecoderConfig(
                    codebooks=4,
                    vocabulary=16,
                    dim=8,
                    layers=1,
                    heads=2,
                    ffn_dim=8,
                    cross_attention=False,
                )
            ),
            generation={},
        )
    assert (tmp_path / "songs" / "mine.wav").read_bytes() == b"RIFF"

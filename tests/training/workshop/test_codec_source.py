from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from studio.core.errors import ModelError, TrainingError
from studio.models.torch_backend.codec import EncodecModel
from studio.training.workshop.codec_source import fingerprint, load_codec


def save_alone(codec: EncodecModel, folder: Path, **changes: object) -> Path:
    """The codec as an EnCodec model of its own."""
    folder.mkdir()
    values = {**codec.config.to_hf(), **changes}
    (folder / "config.json").write_text(json.dumps(values))
    tensors = {name: value.contiguous() for name, value in codec.to_hf().items()}
    save_file(tensors, folder / "model.safetensors")
    return folder


def test_a_codec_comes_out_of_a_bundle_or_out_of_its_own_folder(
    codec: EncodecModel, codec_folder: Path, tmp_path: Path
) -> None:
    alone = load_codec(save_alone(codec, tmp_path / "encodec"))
    assert alone.config == codec.config
    assert fingerprint(load_codec(codec_folder)) == fingerprint(codec)
    audio = 0.1 * torch.randn(1, 1, 6400, generator=torch.Generator().manual_seed(0))
    assert torch.equal(alone.encode(audio), codec.encode(audio))


def test_the_fingerprint_changes_with_any_number(codec_folder: Path) -> None:
    codec = load_codec(codec_folder)
    before = fingerprint(codec)
    codec.codebooks[1, 2, 3] += 1e-3
    assert fingerprint(codec) != before


def test_what_is_no_codec_is_one_line(codec: EncodecModel, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        load_codec(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"config\.json"):
        load_codec(tmp_path / "empty")
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError, match="describes no codec"):
        load_codec(other)
    causal = save_alone(codec, tmp_path / "causal", use_causal_conv=True)
    with pytest.raises(ModelError, match="use_causal_conv"):
        load_codec(causal)
    huge = save_alone(codec, tmp_path / "huge", codebook_size=2**16, target_bandwidths=[3.3])
    with pytest.raises(TrainingError, match="more than the 32768"):
        load_codec(huge)

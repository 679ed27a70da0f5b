from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from studio.core.errors import ModelError
from studio.models.backend import Sampling
from studio.models.bundle import open_bundle
from studio.models.selection import load_backend
from tests.models.reference import Reference, under

WEIGHTS = "model.safetensors"
HEAD = "decoder.lm_heads.1.weight"
EMBEDDING = "text_encoder.shared.weight"
CODEBOOK = "audio_encoder.quantizer.layers.0.codebook.embed"

Spoil = Callable[[Path], object]


def _edit_json(folder: Path, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    values = json.loads((folder / name).read_text())
    change(values)
    (folder / name).write_text(json.dumps(values))


def _config(change: Callable[[dict[str, Any]], object]) -> Spoil:
    return lambda folder: _edit_json(folder, "config.json", change)


def _tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Spoil:
    def spoil(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS)
        change(tensors)
        save_file(tensors, folder / WEIGHTS)

    return spoil


def _index(places: object) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / WEIGHTS).rename(folder / "one.safetensors")
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))

    return spoil


def _write(name: str, content: bytes) -> Spoil:
    return lambda folder: (folder / name).write_bytes(content)


def _cut(folder: Path) -> None:
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])


def _rename_to_bin(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "pytorch_model.bin")


FAULTS: dict[str, tuple[Spoil, str, str]] = {
    "no config": (lambda f: (f / "config.json").unlink(), "config.json", "missing"),
    "config is a folder": (
        lambda f: ((f / "config.json").unlink(), (f / "config.json").mkdir()),
        "config.json",
        "cannot be read",
    ),
    "config not JSON": (_write("config.json", b"{"), "config.json", "not JSON"),
    "config not text": (_write("config.json", b"\xff\xfe\x00"), "config.json", "not JSON"),
    "config too deep": (_write("config.json", b"[" * 99_999), "config.json", "not JSON"),
    "config a list": (_write("config.json", b"[]"), "config.json", "not a JSON object"),
    "config huge": (_write("config.json", b" " * 40_000_000), "config.json", "too many"),
    "generation config": (
        _write("generation_config.json", b'{"top_k": "x"}'),
        "generation_config.json",
        "top_k",
    ),
    "prompting not JSON": (_write("prompting.json", b"?"), "prompting.json", "not JSON"),
    "prompting context": (
        _write("prompting.json", b'{"context_frames": 0}'),
        "prompting.json",
        "context_frames",
    ),
    "tokenizer": (_write("tokenizer.json", b"{}"), "tokenizer.json", "not a tokenizer"),
    "other model": (_config(lambda c: c.update(model_type="gpt2")), "config.json", "gpt2"),
    "melody": (
        _config(lambda c: c.update(model_type="musicgen_melody")),
        "config.json",
        "the decoder is a 'musicgen_decoder', only musicgen_melody_decoder is supported",
    ),
    "three channels": (
        _config(lambda c: c["decoder"].update(audio_channels=3)),
        "config.json",
        "audio_channels must be a whole number from 1 to 2",
    ),
    "odd stereo": (
        _config(lambda c: c["decoder"].update(audio_channels=2, num_codebooks=3)),
        "config.json",
        "num_codebooks 3 must be a multiple of audio_channels 2",
    ),
    "no decoder": (_config(lambda c: c.pop("decoder")), "config.json", "decoder is missing"),
    "not t5": (
        _config(lambda c: c["text_encoder"].update(model_type="umt5")),
        "config.json",
        "only t5 is supported",
    ),
    "gated t5": (
        _config(lambda c: c["text_encoder"].update(feed_forward_proj="gated-gelu")),
        "config.json",
        "gated-gelu",
    ),
    "not encodec": (
        _config(lambda c: c["audio_encoder"].update(model_type="dac")),
        "config.json",
        "only encodec is supported",
    ),
    "causal codec": (
        _config(lambda c: c["audio_encoder"].update(use_causal_conv=True)),
        "config.json",
        "use_causal_conv",
    ),
    "infinite codec": (
        _config(lambda c: c["audio_encoder"].update(target_bandwidths=[float("inf")])),
        "config.json",
        "",
    ),
    "codec of other codes": (
        _config(lambda c: c["audio_encoder"].update(codebook_size=16)),
        "config.json",
        "codebooks",
    ),
    "negative size": (
        _config(lambda c: c["decoder"].update(hidden_size=-4)),
        "config.json",
        "hidden_size",
    ),
    "size in words": (
        _config(lambda c: c["decoder"].update(ffn_dim="big")),
        "config.json",
        "ffn_dim",
    ),
    "heads do not divide": (
        _config(lambda c: c["decoder"].update(num_attention_heads=5)),
        "config.json",
        "num_attention_heads",
    ),
    "relu decoder": (
        _config(lambda c: c["decoder"].update(activation_function="relu")),
        "config.json",
        "activation_function",
    ),
    "lying sizes": (
        _config(lambda c: c["decoder"].update(hidden_size=16_000, num_hidden_layers=8)),
        WEIGHTS,
        "asks for",
    ),
    "lying codec": (
        _config(lambda c: c["audio_encoder"].update(num_filters=400)),
        WEIGHTS,
        "has the shape [64, 16, 7], expected [6400, 16, 7]",
    ),
    "more layers": (
        _config(lambda c: c["decoder"].update(num_hidden_layers=4)),
        WEIGHTS,
        "layers.3",
    ),
    "no weights": (lambda f: (f / WEIGHTS).unlink(), WEIGHTS, "missing"),
    "pickled weights": (_rename_to_bin, WEIGHTS, "weights are converted by studio models add"),
    "cut weights": (_cut, WEIGHTS, "not complete"),
    "empty weights": (_write(WEIGHTS, b""), WEIGHTS, "not complete"),
    "lying header": (_write(WEIGHTS, struct.pack("<Q", 2**60) + b"{}"), WEIGHTS, "not complete"),
    "missing tensor": (_tensors(lambda t: t.pop(HEAD)), WEIGHTS, f"{HEAD} is missing"),
    "missing in text": (_tensors(lambda t: t.pop(EMBEDDING)), WEIGHTS, "shared.weight is missing"),
    "missing in codec": (_tensors(lambda t: t.pop(CODEBOOK)), WEIGHTS, "codebook.embed is missing"),
    "wrong shape": (
        _tensors(lambda t: t.update({HEAD: torch.zeros(32, 31)})),
        WEIGHTS,
        "[32, 31], expected [32, 32]",
    ),
    "wrong shape in codec": (
        _tensors(lambda t: t.update({CODEBOOK: torch.zeros(32, 15)})),
        WEIGHTS,
        "[32, 15], expected [32, 16]",
    ),
    "NaN": (_tensors(lambda t: t[HEAD].fill_(float("nan"))), WEIGHTS, f"{HEAD} holds NaN"),
    "infinity in codec": (
        _tensors(lambda t: t[CODEBOOK].fill_(float("inf"))),
        WEIGHTS,
        "codebook.embed holds NaN or infinity",
    ),
    "whole numbers": (
        _tensors(lambda t: t.update({HEAD: torch.zeros(32, 32, dtype=torch.int64)})),
        WEIGHTS,
        "I64",
    ),
    "index without map": (_index(None), "model.safetensors.index.json", "weight_map"),
    "index out of the folder": (
        _index({HEAD: "../../model.safetensors"}),
        "model.safetensors.index.json",
        "not the name of a file beside it",
    ),
    "missing shard": (_index({HEAD: "two.safetensors"}), "two.safetensors", "missing"),
    "missing in shard": (_index({"nothing": "one.safetensors"}), "one.safetensors", "nothing"),
}


# Faults that only some kinds of model can have.
KIND_FAULTS: dict[str, tuple[str, Spoil, str, str]] = {
    "stereo as mono": (
        "stereo",
        _config(lambda c: c["decoder"].update(audio_channels=1)),
        "config.json",
        "8 codebooks a channel, the codec has 4",
    ),
    "mono as stereo": (
        "mono",
        _config(lambda c: c["decoder"].update(audio_channels=2, num_codebooks=8)),
        WEIGHTS,
        "lm_heads.4.weight is missing",
    ),
    "too many codebooks": (
        "stereo",
        _config(lambda c: c["decoder"].update(num_codebooks=10)),
        "config.json",
        "5 codebooks a channel, the codec has 4",
    ),
    "NaN in stereo": (
        "stereo",
        _tensors(lambda t: t["decoder.lm_heads.7.weight"].fill_(float("nan"))),
        WEIGHTS,
        "lm_heads.7.weight holds NaN",
    ),
    "melody without text encoder": (
        "melody",
        _config(lambda c: c.pop("text_encoder")),
        "config.json",
        "text_encoder is missing",
    ),
    "other chroma": (
        "melody",
        _config(lambda c: c.update(num_chroma=24)),
        "config.json",
        "num_chroma 24 is not supported",
    ),
    "no chroma": (
        "melody",
        _config(lambda c: c.update(chroma_length=0)),
        "config.json",
        "chroma_length must be",
    ),
    "chroma beyond the positions": (
        "melody",
        _config(lambda c: c.update(chroma_length=3_000)),
        "config.json",
        "max_position_embeddings must be above 3004",
    ),
    "missing melody projection": (
        "melody",
        _tensors(lambda t: t.pop("audio_enc_to_dec_proj.bias")),
        WEIGHTS,
        "audio_enc_to_dec_proj.bias is missing",
    ),
    "narrow melody projection": (
        "melody",
        _tensors(lambda t: t.update({"audio_enc_to_dec_proj.weight": torch.zeros(32, 11)})),
        WEIGHTS,
        "[32, 11], expected [32, 12]",
    ),
    "infinite melody projection": (
        "stereo melody",
        _tensors(lambda t: t["audio_enc_to_dec_proj.weight"].fill_(float("inf"))),
        WEIGHTS,
        "audio_enc_to_dec_proj.weight holds NaN or infinity",
    ),
    "melody as text": (
        "melody",
        _config(lambda c: c.update(model_type="musicgen")),
        "config.json",
        "only musicgen_decoder is supported",
    ),
    "text encoder out of nothing": (
        "unconditional",
        _config(lambda c: (c["decoder"].pop("cross_attention"), c.update(text_encoder={}))),
        WEIGHTS,
        "asks for",
    ),
    "lying unconditional sizes": (
        "unconditional",
        _config(lambda c: c["decoder"].update(hidden_size=16_000)),
        WEIGHTS,
        "asks for",
    ),
    "missing unconditional tensor": (
        "unconditional",
        _tensors(lambda t: t.pop("decoder.model.decoder.layers.1.fc2.weight")),
        WEIGHTS,
        "layers.1.fc2.weight is missing",
    ),
    "cut unconditional weights": ("unconditional", _cut, WEIGHTS, "not complete"),
}


@pytest.mark.parametrize("fault", KIND_FAULTS)
def test_a_broken_bundle_of_any_kind_is_refused_in_one_line(
    fault: str, oracle: Callable[[str], Reference], tmp_path: Path
) -> None:
    kind, spoil, file, cause = KIND_FAULTS[fault]
    folder = tmp_path / "bundle"
    shutil.copytree(oracle(kind).folder, folder)
    spoil(folder)
    with pytest.raises(ModelError) as caught:
        load_backend(folder)
    message = caught.value.user_message
    assert str(folder / file) in message
    assert cause in message
    assert "\n" not in message
    assert len(message) < 800


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_bundle_is_refused_in_one_line(fault: str, folder: Path) -> None:
    spoil, file, cause = FAULTS[fault]
    spoil(folder)
    with pytest.raises(ModelError) as caught:
        load_backend(folder)
    message = caught.value.user_message
    assert str(folder / file) in message
    assert cause in message
    assert "\n" not in message
    assert len(message) < 800


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nowhere does not exist"):
        open_bundle(tmp_path / "nowhere")
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ModelError, match="is a file"):
        open_bundle(file)


def test_fingerprint_follows_every_file_and_nothing_else(folder: Path) -> None:
    before = open_bundle(folder).fingerprint
    assert len(before) == 64
    (folder / "README.md").write_text("about it")
    assert open_bundle(folder).fingerprint == before
    prints = {before}
    for name in ("config.json", "generation_config.json", "tokenizer.json", WEIGHTS):
        content = (folder / name).read_bytes()
        padding = b" " if name != WEIGHTS else b""
        if name == WEIGHTS:
            content = content[:-1] + bytes([content[-1] ^ 1])
        (folder / name).write_bytes(content + padding)
        prints.add(open_bundle(folder).fingerprint)
    assert len(prints) == 5


def test_recommended_settings_and_window_come_from_the_bundle(folder: Path) -> None:
    (folder / "generation_config.json").write_text(
        '{"top_k": 30, "temperature": 0.8, "guidance_scale": 1.5, "top_p": 1.0}'
    )
    (folder / "prompting.json").write_text('{"context_frames": 256}')
    info = load_backend(folder).info
    assert info.sampling == Sampling(top_k=30, temperature=0.8, guidance=1.5)
    assert info.window_frames == 256


def test_settings_may_be_left_out(folder: Path) -> None:
    (folder / "generation_config.json").unlink()
    assert load_backend(folder).info.sampling == Sampling()


def test_without_a_tokenizer_only_prompts_are_refused(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    backend = load_backend(folder)
    options = {"frames": 4, "seeds": [0], "sampling": Sampling()}
    assert len(list(backend.steps(under(""), **options))) == 4
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        backend.steps(under("dub"), **options)


def test_tokens_beyond_the_text_encoder_are_refused(folder: Path) -> None:
    _edit_json(folder, "tokenizer.json", lambda t: t["model"]["vocab"].update(dub=40))
    backend = load_backend(folder)
    with pytest.raises(ModelError, match="token 40 is beyond the 40 tokens"):
        backend.steps(under("dub"), frames=4, seeds=[0], sampling=Sampling())


def test_unknown_backend_and_precision_are_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match="torch"):
        load_backend(folder, backend="abacus")
    with pytest.raises(ModelError, match="float32"):
        load_backend(folder, precision="roman")
    assert load_backend(folder, backend="torch", precision="float32").info.codebooks == 4


def test_loading_does_not_import_symbolic_algebra(folder: Path) -> None:
    # Some of torch's functions on the meta device do, which costs a second before any sound.
    program = (
        "import sys; from pathlib import Path; from studio.models.selection import load_backend;"
        f"load_backend(Path({str(folder)!r})); sys.exit('sympy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

"""Bundles by mlx: precisions, faults, threads, and when mlx is imported at all."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from studio.core.errors import InputError, ModelError
from studio.models.backend import Condition, Sampling
from studio.models.bundle import open_bundle
from studio.models.mlx_backend.backend import MlxBackend
from studio.models.mlx_backend.packing import (
    PRECISIONS,
    Linear,
    PackedLinear,
    QuantisedLinear,
    pack_layers,
)
from studio.models.selection import PRECISIONS_OF, load_backend
from tests.models.mlx_backend.test_parity import codes_of
from tests.models.reference import (
    CODEBOOKS,
    PROMPT,
    VOCABULARY,
    Reference,
    Shape,
    build_model,
    save_model,
    under,
)

Mirrored = Callable[..., MlxBackend]


@pytest.mark.parametrize(
    ("precision", "tolerance"),
    [("float16", 0.01), ("bfloat16", 0.1), ("int8", 0.1), ("int4", 1.0)],
)
def test_fewer_bits_change_the_logits_by_little(
    mirrored: Mirrored, tokens: NDArray[np.int64], precision: str, tolerance: float
) -> None:
    exact = mirrored("mono").logits(tokens, under(PROMPT, ""))
    rounded = mirrored("mono", precision).logits(tokens, under(PROMPT, ""))
    assert rounded.dtype == np.float32
    difference = np.abs(rounded - exact).max()
    assert tolerance / 100 < difference < tolerance


@pytest.mark.parametrize(("precision", "bits"), [("int8", 8), ("int4", 4)])
def test_only_the_decoder_is_quantised(mirrored: Mirrored, precision: str, bits: int) -> None:
    backend = mirrored("mono", precision)
    layers = backend._decoder.layers_of_each_shape()
    assert all(isinstance(layer, QuantisedLinear) for layer in layers)
    assert [layer.bits for layer in layers] == [bits, bits, bits, bits, 8]
    audio = np.random.default_rng(1).normal(0.0, 0.3, (1, 1, 6400)).astype(np.float32)
    np.testing.assert_array_equal(backend.encode(audio), mirrored("mono").encode(audio))


def test_a_layer_that_no_group_divides_keeps_its_bits() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.odd = Linear(48, 8)
            self.even = [Linear(96, 8)]

    network = Odd()
    pack_layers(network, "int8")
    assert isinstance(network.odd, PackedLinear)
    assert isinstance(network.even[0], QuantisedLinear)


def test_a_layer_multiplies_alike_however_its_weight_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    weight, x = mx.random.normal((24, 48), key=mx.random.key(1)), mx.ones((3, 48))
    linux = PackedLinear(weight)(x)
    monkeypatch.setattr(mx.metal, "is_available", lambda: True)
    apple = PackedLinear(weight)(x)
    np.testing.assert_allclose(np.array(apple), np.array(linux), atol=1e-5)


def test_loading_few_bits_never_holds_all_of_them(tmp_path: Path) -> None:
    shape = Shape(dim=64, ffn_dim=256, layers=20)
    bundle = open_bundle(save_model(build_model(shape), tmp_path / "deep").folder)
    whole = 4 * 20 * (8 * 64 * 64 + 2 * 64 * 256)
    before = mx.get_active_memory()
    mx.reset_peak_memory()
    backend = MlxBackend(bundle, "int8")
    assert mx.get_peak_memory() - before < 0.7 * whole
    del backend
    assert mx.get_active_memory() <= before


def test_half_precision_halves_the_memory_of_a_step(mirrored: Mirrored) -> None:
    whole = mirrored("mono").info.cache_bytes
    assert mirrored("mono", "bfloat16").info.cache_bytes == whole // 2
    assert mirrored("mono", "int8").info.cache_bytes == whole


def test_shards_and_half_precision_load(
    reference: Reference, mirrored: Mirrored, tokens: NDArray[np.int64], tmp_path: Path
) -> None:
    sharded = tmp_path / "sharded"
    reference.model.save_pretrained(sharded, max_shard_size="200KB")
    shutil.copy(reference.folder / "tokenizer.json", sharded)
    assert len(list(sharded.glob("*.safetensors"))) > 1
    whole = mirrored("mono").logits(tokens, under(PROMPT, ""))
    loaded = MlxBackend(open_bundle(sharded)).logits(tokens, under(PROMPT, ""))
    np.testing.assert_array_equal(loaded, whole)
    for dtype, tolerance in ((torch.float16, 0.05), (torch.bfloat16, 0.4)):
        halved = tmp_path / str(dtype)
        shutil.copytree(reference.folder, halved)
        tensors = load_file(halved / "model.safetensors")
        stored = {name: tensor.to(dtype) for name, tensor in tensors.items()}
        save_file(stored, halved / "model.safetensors")
        loaded = MlxBackend(open_bundle(halved)).logits(tokens, under(PROMPT, ""))
        np.testing.assert_allclose(loaded, whole, atol=tolerance)


HEADS = "decoder.lm_heads.1.weight"
NORM = "decoder.model.decoder.layer_norm.bias"
LSTM = "audio_encoder.decoder.layers.1.lstm.weight_hh_l1"


@pytest.mark.parametrize(
    ("name", "spoilt", "cause"),
    [
        (HEADS, None, "the tensor decoder.lm_heads.1.weight is missing"),
        (NORM, torch.zeros(31), r"layer_norm.bias has the shape \[31\], expected \[32\]"),
        (NORM, torch.full((32,), torch.nan), "layer_norm.bias holds NaN or infinity"),
        (NORM, torch.zeros(32, dtype=torch.int32), "not floating-point numbers"),
        (LSTM, torch.zeros(4, 1), r"lstm.weight_hh_l1 has the shape \[4, 1\]"),
    ],
)
def test_a_tensor_at_fault_is_named_in_one_line(
    folder: Path, name: str, spoilt: torch.Tensor | None, cause: str
) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors[name]
    save_file(tensors | ({} if spoilt is None else {name: spoilt}), folder / "model.safetensors")
    with pytest.raises(ModelError, match=cause) as caught:
        MlxBackend(open_bundle(folder))
    assert str(folder / "model.safetensors") in caught.value.user_message
    assert "\n" not in caught.value.user_message


def test_weights_cut_off_after_opening_are_refused_in_one_line(folder: Path) -> None:
    bundle = open_bundle(folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    with pytest.raises(ModelError, match=r"model\.safetensors") as caught:
        MlxBackend(bundle)
    assert "\n" not in caught.value.user_message


def test_a_configuration_that_lies_about_its_size_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["decoder"] |= {"hidden_size": 16_384, "num_hidden_layers": 200}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="numbers under text_encoder"):
        MlxBackend(open_bundle(folder))


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"frames": 0}, "0 frames"),
        ({"frames": 1501}, "do not fit the model's window of 1500"),
        ({"seeds": [1, 2]}, "2 seeds"),
        ({"prefix": np.full((1, CODEBOOKS, 5), VOCABULARY)}, "outside 0 to 31"),
    ],
)
def test_what_cannot_be_made_is_refused_at_once(
    mirrored: Mirrored, options: dict[str, object], cause: str
) -> None:
    arguments: dict[str, object] = {"frames": 5, "seeds": [1], "sampling": Sampling(), **options}
    with pytest.raises(InputError, match=cause):
        mirrored("mono").steps(under(PROMPT), **arguments)


def test_a_model_goes_from_thread_to_thread(reference: Reference) -> None:
    made: list[object] = []

    def in_a_thread(work: Callable[[], object]) -> object:
        thread = Thread(target=lambda: made.append(work()))
        thread.start()
        thread.join()
        return made.pop()

    backend = in_a_thread(lambda: MlxBackend(open_bundle(reference.folder)))
    assert isinstance(backend, MlxBackend)
    conditions = [Condition(text=PROMPT)]
    expected = codes_of(backend, conditions, 6)[0]
    steps = backend.steps(conditions, frames=6, seeds=[50], sampling=Sampling())
    stream = backend.decoder_stream()
    frames, sound = [], []
    for _ in range(6):
        frame = in_a_thread(lambda: next(steps))
        assert isinstance(frame, np.ndarray)
        frames.append(frame[0])
        sound.append(in_a_thread(lambda f=frame: stream.push(f[0][:, None])))
    sound.append(in_a_thread(stream.finish))
    np.testing.assert_array_equal(np.stack(frames, axis=1), expected)
    joined = np.concatenate([np.asarray(part) for part in sound], axis=1)
    np.testing.assert_allclose(joined, backend.decode(expected[None])[0], atol=1e-5, rtol=0.0)


def test_memory_grows_neither_by_step_nor_by_take(mirrored: Mirrored) -> None:
    backend = mirrored("mono")
    codes_of(backend, under(PROMPT), 50)
    before = mx.get_active_memory()
    codes_of(backend, under(PROMPT), 50)
    assert mx.get_active_memory() <= before


def test_mlx_is_chosen_by_name(folder: Path) -> None:
    assert isinstance(load_backend(folder, backend="mlx"), MlxBackend)
    assert not isinstance(load_backend(folder), MlxBackend)


@pytest.mark.parametrize("precision", PRECISIONS_OF["mlx"])
def test_a_precision_is_chosen_by_name(folder: Path, precision: str) -> None:
    assert load_backend(folder, backend="mlx", precision=precision).info.precision == precision
    assert precision in PRECISIONS


def test_mlx_is_imported_only_when_it_is_chosen(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from studio.models.selection import load_backend;"
        f"load_backend(Path({str(folder)!r})); assert 'mlx' not in sys.modules;"
        f"load_backend(Path({str(folder)!r}), backend='mlx'); assert 'mlx' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_without_mlx_the_remedy_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.startswith("studio.models.mlx_backend")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mlx.core", None)
    with pytest.raises(ModelError, match=r"install it with .*seedcrate\[mlx\]") as caught:
        load_backend(folder, backend="mlx")
    assert "\n" not in caught.value.user_message

"""Adapters in peft's form on models of transformers: the same sums, whatever computes them."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from studio.core.errors import ModelError
from studio.models.adapters import AdapterUse, adapted, open_adapter, with_adapters
from studio.models.backend import Condition, Sampling
from studio.models.bundle import Bundle, codes_fingerprint, open_bundle
from studio.models.selection import load_backend
from tests.models.adapter_writer import peft_config, random_factors, write_adapter
from tests.models.reference import Reference

LAYER = "decoder.model.decoder.layers.0.self_attn.q_proj"
STEM = f"base_model.model.{LAYER}"
SAMPLING = Sampling(top_k=8, temperature=1.0, guidance=2.0)


@pytest.fixture(scope="module")
def bundle(reference: Reference) -> Bundle:
    return open_bundle(reference.folder)


@pytest.fixture(scope="module")
def adapter_folder(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_adapter(tmp_path_factory.mktemp("adapters") / "jungle", random_factors(bundle))


def _codes(folder: Path, uses: list[AdapterUse], backend: str = "torch") -> Any:
    model = load_backend(folder, backend=backend, precision="float32", adapters=uses)
    made = model.steps([Condition(), Condition()], frames=12, seeds=[3, 4], sampling=SAMPLING)
    return np.stack(list(made), axis=2)


def test_a_tensor_is_read_with_the_scaled_product_added(
    bundle: Bundle, adapter_folder: Path
) -> None:
    factors = load_file(adapter_folder / "adapter_model.safetensors")
    changed = adapted(bundle, [(open_adapter(adapter_folder), 0.5)])
    base = bundle.tensors()[f"{LAYER}.weight"].double()
    down, up = factors[f"{STEM}.lora_A.weight"], factors[f"{STEM}.lora_B.weight"]
    expected = base + 0.5 * (16 / 4) * (up.double() @ down.double())
    found = changed.tensors()[f"{LAYER}.weight"]
    assert found.dtype == torch.float32
    assert torch.allclose(found.double(), expected, atol=1e-7)
    assert np.array_equal(changed.tensors("np")[f"{LAYER}.weight"], found.numpy())
    other = "decoder.model.decoder.layers.0.fc1.weight"
    assert torch.equal(changed.tensors()[other], bundle.tensors()[other])
    assert list(changed.tensors()) == list(bundle.tensors())


def test_the_adapted_model_computes_what_transformers_does_with_the_sum(
    reference: Reference, bundle: Bundle, adapter_folder: Path
) -> None:
    model = load_backend(
        reference.folder, backend="torch", adapters=[AdapterUse(folder=adapter_folder)]
    )
    factors = load_file(adapter_folder / "adapter_model.safetensors")
    kept = {}
    parameters = dict(reference.model.named_parameters())
    tokens = np.random.default_rng(0).integers(0, model.info.codebook_size, (1, 4, 10))
    grid = torch.from_numpy(tokens.reshape(4, 10))
    hidden = torch.zeros(1, 1, reference.model.config.text_encoder.hidden_size)
    try:
        with torch.inference_mode():
            for name in factors:
                if not name.endswith("lora_A.weight"):
                    continue
                target = name.removeprefix("base_model.model.").replace(".lora_A", "")
                kept[target] = parameters[target].clone()
                up = factors[name.replace("lora_A", "lora_B")]
                parameters[target] += 4.0 * (up @ factors[name])
            theirs = reference.model(
                encoder_outputs=(hidden,),
                attention_mask=torch.zeros(1, 1, dtype=torch.long),
                decoder_input_ids=grid,
            ).logits
    finally:
        with torch.inference_mode():
            for target, value in kept.items():
                parameters[target].copy_(value)
    ours = model.logits(tokens, None)
    assert len(kept) == 4 * reference.model.config.decoder.num_hidden_layers
    assert np.abs(ours[0] - theirs.reshape(ours[0].shape).numpy()).max() < 1e-4
    plain = load_backend(reference.folder, backend="torch").logits(tokens, None)
    assert np.abs(ours - plain).max() > 0.1


@pytest.mark.parametrize("backend", ["native", "mlx"])
def test_every_backend_computes_the_same_adapted_model(
    backend: str, reference: Reference, adapter_folder: Path
) -> None:
    if backend == "mlx":
        pytest.importorskip("mlx.core")
    uses = [AdapterUse(folder=adapter_folder)]
    tokens = np.random.default_rng(0).integers(0, 16, (1, 4, 10))
    ours, theirs, plain = (
        load_backend(reference.folder, backend=name, precision="float32", adapters=adapters).logits(
            tokens, None
        )
        for name, adapters in (("torch", uses), (backend, uses), (backend, []))
    )
    assert np.abs(ours - theirs).max() < 1e-3
    assert np.abs(plain - theirs).max() > 0.1


def test_without_strength_or_adapters_the_model_is_the_base_itself(
    reference: Reference, bundle: Bundle, adapter_folder: Path
) -> None:
    adapter = open_adapter(adapter_folder)
    assert adapted(bundle, []) is bundle
    assert adapted(bundle, [(adapter, 0.0)]) is bundle
    assert with_adapters(bundle, [AdapterUse(folder=Path("/nowhere"), strength=0.0)]) is bundle
    off = [AdapterUse(folder=adapter_folder, strength=0.0)]
    plain, switched_off = _codes(reference.folder, []), _codes(reference.folder, off)
    assert np.array_equal(plain, switched_off)
    assert not np.array_equal(plain, _codes(reference.folder, [AdapterUse(folder=adapter_folder)]))


def test_adapters_add_up_in_any_order(bundle: Bundle, tmp_path: Path) -> None:
    first = open_adapter(write_adapter(tmp_path / "a", random_factors(bundle, seed=1)))
    second = open_adapter(
        write_adapter(tmp_path / "b", random_factors(bundle, seed=2, rank=3), r=3)
    )
    both = adapted(bundle, [(first, 0.5), (second, -1.0)])
    swapped = adapted(bundle, [(second, -1.0), (first, 0.5)])
    name = f"{LAYER}.weight"
    assert torch.equal(both.tensors()[name], swapped.tensors()[name])
    assert both.fingerprint == swapped.fingerprint
    base = bundle.tensors()[name].double()
    expected = base + torch.from_numpy(
        0.5 * first.changes[LAYER].matrix() - second.changes[LAYER].matrix()
    )
    assert torch.allclose(both.tensors()[name].double(), expected, atol=1e-7)


def test_the_fingerprint_tells_adapters_and_strengths_apart(
    bundle: Bundle, adapter_folder: Path, tmp_path: Path
) -> None:
    adapter = open_adapter(adapter_folder)
    other = open_adapter(write_adapter(tmp_path / "other", random_factors(bundle, seed=9)))
    uses = [[], [(adapter, 1.0)], [(adapter, 0.9)], [(other, 1.0)], [(adapter, 1.0), (other, 1.0)]]
    assert len({adapted(bundle, each).fingerprint for each in uses}) == len(uses)
    assert adapted(bundle, [(adapter, 1)]).fingerprint == adapted(bundle, uses[1]).fingerprint
    assert {codes_fingerprint(adapted(bundle, each).fingerprint) for each in uses} == {
        bundle.fingerprint
    }


def test_one_that_was_trained_on_other_weights_is_used_and_logged(
    bundle: Bundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    factors = random_factors(bundle)
    for name, trained_on in (("own", bundle.fingerprint), ("unknown", ""), ("other", "ab" * 32)):
        metadata = {"base_fingerprint": trained_on}
        adapter = open_adapter(write_adapter(tmp_path / name, factors, metadata=metadata))
        assert adapted(bundle, [(adapter, 1.0)]).updates
    (record,) = caplog.records
    assert record.getMessage().startswith("The adapter other was trained on other weights")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_factors_of_any_width_are_read(bundle: Bundle, tmp_path: Path, dtype: torch.dtype) -> None:
    factors = {name: value.to(dtype) for name, value in random_factors(bundle).items()}
    adapter = open_adapter(write_adapter(tmp_path / "it", factors))
    expected = factors[f"{STEM}.lora_A.weight"].float().numpy()
    assert np.array_equal(adapter.changes[LAYER].down, expected)
    assert adapter.rank == 4


def test_a_half_precision_base_is_summed_in_full(
    reference: Reference, bundle: Bundle, adapter_folder: Path, tmp_path: Path
) -> None:
    from safetensors.torch import save_file

    halved = {name: value.half() for name, value in bundle.tensors().items()}
    (tmp_path / "config.json").write_text((reference.folder / "config.json").read_text())
    save_file(halved, tmp_path / "model.safetensors")
    adapter = open_adapter(adapter_folder)
    found = adapted(open_bundle(tmp_path), [(adapter, 1.0)]).tensors()[f"{LAYER}.weight"]
    expected = halved[f"{LAYER}.weight"].double().numpy() + adapter.changes[LAYER].matrix()
    assert np.array_equal(found.numpy(), expected.astype(np.float32))


def test_the_scale_is_that_of_peft(bundle: Bundle, tmp_path: Path) -> None:
    factors = random_factors(bundle, rank=4)
    cases: dict[str, tuple[dict[str, Any], float]] = {
        "plain": ({"lora_alpha": 8}, 2.0),
        "by root": ({"lora_alpha": 8, "use_rslora": True}, 4.0),
        "own alpha": ({"alpha_pattern": {"0.self_attn.q_proj": 2}}, 0.5),
        "own alpha of all": ({"alpha_pattern": {"v_proj": 2, "q_proj": 6}}, 1.5),
        "own alpha of the whole name": ({"alpha_pattern": {f"^{LAYER}$": 12}}, 3.0),
        "no part of a name": ({"alpha_pattern": {"proj": 2, "^q_proj": 2}}, 4.0),
        "rank from the tensors": ({"r": 64}, 4.0),
    }
    for name, (changes, scale) in cases.items():
        adapter = open_adapter(write_adapter(tmp_path / name, factors, **changes))
        assert adapter.changes[LAYER].scale == scale, name


def test_embeddings_and_heads_are_adapted_too(bundle: Bundle, tmp_path: Path) -> None:
    table, head = "decoder.model.decoder.embed_tokens.1", "decoder.lm_heads.2"
    rows, dim = bundle.entries[f"{table}.weight"].shape
    factors = {
        f"base_model.model.{table}.lora_embedding_A": torch.randn(2, rows),
        f"base_model.model.{table}.lora_embedding_B": torch.randn(dim, 2),
        f"base_model.model.{head}.lora_A.weight": torch.randn(2, dim),
        f"base_model.model.{head}.lora_B.weight": torch.randn(rows - 1, 2),
    }
    adapter = open_adapter(write_adapter(tmp_path / "it", factors, r=2, lora_alpha=2))
    changed = adapted(bundle, [(adapter, 1.0)]).tensors()
    first, second, _, _ = factors.values()
    expected = bundle.tensors()[f"{table}.weight"] + (second @ first).T
    assert torch.allclose(changed[f"{table}.weight"], expected, atol=1e-5)


def test_one_of_the_decoder_alone_finds_its_place(bundle: Bundle, tmp_path: Path) -> None:
    factors = {
        name.replace("model.decoder.model.decoder", "model.model.decoder"): value
        for name, value in random_factors(bundle).items()
    }
    adapter = open_adapter(write_adapter(tmp_path / "it", factors))
    assert f"{LAYER}.weight" in adapted(bundle, [(adapter, 1.0)]).updates


def test_another_models_adapter_is_refused_with_the_name_of_its_own(
    bundle: Bundle, oracle: Callable[[str], Reference], tmp_path: Path
) -> None:
    wide = {f"{STEM}.lora_A.weight": torch.ones(4, 99), f"{STEM}.lora_B.weight": torch.ones(32, 4)}
    adapter = open_adapter(write_adapter(tmp_path / "wide", wide))
    with pytest.raises(ModelError, match=r"wide does not fit .* \[32, 32\] in it, and \[32, 99\]"):
        adapted(bundle, [(adapter, 1.0)])
    crossing = random_factors(bundle, targets=["encoder_attn.q_proj"])
    adapter = open_adapter(write_adapter(tmp_path / "crossing", crossing))
    with pytest.raises(ModelError, match=r"which is not in it; .* made for \(owner/base\)"):
        adapted(open_bundle(oracle("unconditional").folder), [(adapter, 1.0)])


def test_one_that_changes_what_codes_mean_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    stem = "base_model.model.audio_encoder.encoder.layers.1"
    factors = {f"{stem}.lora_A.weight": torch.ones(2, 3), f"{stem}.lora_B.weight": torch.ones(3, 2)}
    adapter = open_adapter(write_adapter(tmp_path / "it", factors))
    with pytest.raises(ModelError, match="adapter it changes the codec"):
        adapted(bundle, [(adapter, 1.0)])


@pytest.mark.parametrize("strength", [float("nan"), float("inf"), 4.5, -5.0])
def test_a_senseless_strength_is_refused(
    bundle: Bundle, adapter_folder: Path, strength: float
) -> None:
    with pytest.raises(ModelError, match=r"strength of the adapter jungle must be from -4 to 4"):
        with_adapters(bundle, [AdapterUse(folder=adapter_folder, strength=strength)])


def _config(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: _rewrite(
        folder / "adapter_config.json", json.dumps(peft_config(**changes))
    )


def _rewrite(file: Path, content: str | bytes) -> None:
    file.write_bytes(content.encode() if isinstance(content, str) else content)


def _tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        from safetensors.torch import save_file

        file = folder / "adapter_model.safetensors"
        tensors = load_file(file)
        change(tensors)
        save_file(tensors, file)

    return apply


def _cut(folder: Path) -> None:
    file = folder / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


A, B = f"{STEM}.lora_A.weight", f"{STEM}.lora_B.weight"
FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no settings": (lambda f: (f / "adapter_config.json").unlink(), "it is missing"),
    "no weights": (lambda f: (f / "adapter_model.safetensors").unlink(), "it is missing"),
    "settings that are no JSON": (lambda f: _rewrite(f / "adapter_config.json", "{"), "not JSON"),
    "another kind": (_config(peft_type="LOHA"), "peft_type 'LOHA' is not supported"),
    "dora": (_config(use_dora=True), "use_dora True is not supported"),
    "modules to save": (_config(modules_to_save=["lm_heads"]), "modules_to_save"),
    "trained biases": (_config(bias="all"), "bias 'all' is not supported"),
    "a changed base": (_config(init_lora_weights="pissa_niter_4"), "base model that was changed"),
    "a pattern that is one": (_config(alpha_pattern={"(a+)+$": 3}), "not the name of a module"),
    "alpha of text": (_config(lora_alpha="much"), "lora_alpha must be a number"),
    "alpha of nothing": (_config(lora_alpha=float("nan")), "lora_alpha must be a number"),
    "alpha beyond any number": (_config(lora_alpha=10**400), "out of range"),
    "rank of millions": (_config(r=10**7), "r must be a whole number"),
    "base that is no text": (_config(base_model_name_or_path=["a"]), "base_model_name_or_path"),
    "cut weights": (_cut, "damaged or not complete"),
    "empty weights": (lambda f: _rewrite(f / "adapter_model.safetensors", b""), "damaged"),
    "lying header": (
        lambda f: _rewrite(f / "adapter_model.safetensors", struct.pack("<Q", 2**60) + b"{}"),
        "damaged",
    ),
    "no tensors": (_tensors(lambda t: t.clear()), "it holds 0 tensors"),
    "half a change": (_tensors(lambda t: t.pop(B)), "half of the change"),
    "unequal ranks": (_tensors(lambda t: t.update({B: torch.ones(32, 3)})), "the factors of"),
    "infinite": (_tensors(lambda t: t[A].fill_(float("inf"))), "holds NaN or infinity"),
    "whole numbers": (_tensors(lambda t: t.update({A: t[A].long()})), "is I64"),
    "a convolution": (_tensors(lambda t: t.update({A: torch.ones(4, 32, 1)})), "not a matrix"),
    "an empty factor": (_tensors(lambda t: t.update({A: torch.ones(0, 32)})), "not a matrix"),
    "a foreign tensor": (
        _tensors(lambda t: t.update({f"{STEM}.lora_magnitude_vector": torch.ones(3)})),
        "is no low-rank change",
    ),
    "another prefix": (
        _tensors(lambda t: t.update({f"x.{LAYER}": torch.ones(3, 3)})),
        "no low-rank",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_adapter_is_refused_in_one_line(
    fault: str, bundle: Bundle, tmp_path: Path
) -> None:
    folder = write_adapter(tmp_path / "it", random_factors(bundle))
    spoil, words = FAULTS[fault]
    spoil(folder)
    with pytest.raises(ModelError) as raised:
        open_adapter(folder)
    message = raised.value.user_message
    assert words in message
    assert str(folder) in message
    assert "\n" not in message


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"adapter folder .*gone does not exist"):
        open_adapter(tmp_path / "gone")

"""Adapters in training, and the folders they leave, against the engine that opens these."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from studio.core.errors import StorageError, TrainingError
from studio.models.adapters import AdapterUse, adapted, open_adapter
from studio.models.bundle import Bundle, open_bundle
from studio.models.model_card import ModelCard
from studio.models.selection import load_backend
from studio.models.torch_backend.transformer import MusicLanguageModel
from studio.training.lora import (
    TARGETS,
    AdapterRecipe,
    Network,
    adapter_factors,
    adapter_layers,
    add_adapter,
    read_network,
    save_adapter,
    switched_off,
)
from studio.training.workshop.network import Batch, loss_sums
from tests.generation.tiny_bundle import write_tiny_bundle

EVERYTHING = AdapterRecipe(rank=3, alpha=6.0, targets=tuple(TARGETS))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return open_bundle(write_tiny_bundle(tmp_path_factory.mktemp("models") / "tiny"))


def _network(bundle: Bundle, recipe: AdapterRecipe | None = None, seed: int = 0) -> Network:
    torch.set_num_threads(1)
    network = read_network(bundle)
    if recipe is not None:
        add_adapter(network, recipe, seed=seed)
    return network


def _batch(seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return Batch(
        codes=torch.randint(64, (4, 4, 12), generator=generator),
        frames=torch.full((4,), 12),
        ids=torch.randint(2, 20, (4, 5), generator=generator),
        mask=torch.ones(4, 5, dtype=torch.bool),
    )


def _trained(network: Network, batch: Batch, steps: int = 25) -> list[float]:
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=0.02)
    losses = []
    for _ in range(steps):
        loss = loss_sums(network, batch, bfloat16=False).sum() / batch.frames.sum()
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return losses


@torch.inference_mode()
def _nats(network: Network, batch: Batch) -> torch.Tensor:
    return loss_sums(network, batch, bfloat16=False)


def test_a_new_adapter_changes_nothing(bundle: Bundle) -> None:
    batch = _batch()
    plain = _nats(_network(bundle), batch)
    assert torch.allclose(_nats(_network(bundle, EVERYTHING), batch), plain, atol=1e-5)


def test_only_the_adapter_is_trained_and_switched_off_the_base_is_what_it_was(
    bundle: Bundle,
) -> None:
    batch = _batch()
    plain = _nats(_network(bundle), batch)
    network = _network(bundle, AdapterRecipe(rank=4))
    frozen = {n: p.clone() for n, p in network.named_parameters() if not p.requires_grad}
    losses = _trained(network, batch)
    assert losses[-1] < 0.9 * losses[0]
    after = dict(network.named_parameters())
    assert all(torch.equal(after[name], value) for name, value in frozen.items())
    assert {n.split(".")[-2] for n, p in after.items() if p.requires_grad} == {"down", "up"}
    with switched_off(network):
        assert torch.equal(_nats(network, batch), plain)
    assert not torch.equal(_nats(network, batch), plain)


def test_equal_seeds_make_equal_adapters(bundle: Bundle) -> None:
    first, again, other = (
        adapter_factors(_network(bundle, AdapterRecipe(), seed=seed)) for seed in (1, 1, 2)
    )
    name = "base_model.model.decoder.model.decoder.layers.1.encoder_attn.v_proj.lora_A.weight"
    assert first.keys() == again.keys()
    assert all(torch.equal(first[each], again[each]) for each in first)
    assert not torch.equal(first[name], other[name])
    assert first[name].shape == (8, 128)


@pytest.mark.parametrize("recipe", [AdapterRecipe(rank=4), EVERYTHING])
def test_the_engine_computes_what_was_trained(
    bundle: Bundle, tmp_path: Path, recipe: AdapterRecipe
) -> None:
    network = _network(bundle, recipe)
    _trained(network, _batch(), steps=4)
    folder = tmp_path / "dusty"
    save_adapter(folder, network, recipe, base="tiny", base_fingerprint=bundle.fingerprint)
    adapter = open_adapter(folder)
    assert adapter.base == "tiny"
    assert adapter.base_fingerprint == bundle.fingerprint
    assert adapter.rank == recipe.rank
    expected = {n.removeprefix("base_model.model.") for n in adapter_factors(network)}
    assert {f"{n}.lora_A.weight" for n in adapter.changes} <= expected
    assert isinstance(network, MusicLanguageModel)
    tokens = np.random.default_rng(0).integers(0, 64, (1, 4, 9))
    with torch.inference_mode():
        ours = network.decoder(torch.from_numpy(tokens))[0].permute(1, 0, 2).numpy()
    backend = load_backend(bundle.folder, backend="torch", adapters=[AdapterUse(folder=folder)])
    plain = load_backend(bundle.folder, backend="torch")
    assert np.abs(backend.logits(tokens, None)[0] - ours).max() < 1e-4
    assert np.abs(plain.logits(tokens, None)[0] - ours).max() > 1e-2


def test_the_settings_name_what_peft_shall_change(bundle: Bundle, tmp_path: Path) -> None:
    recipe = AdapterRecipe(rank=2, alpha=4.0, targets=("v", "fc1", "heads"))
    network = _network(bundle, recipe)
    save_adapter(tmp_path / "it", network, recipe, base="owner/base", base_fingerprint="")
    config = json.loads((tmp_path / "it" / "adapter_config.json").read_text())
    assert config["target_modules"] == [
        "encoder_attn.v_proj",
        "fc1",
        "lm_heads.0",
        "lm_heads.1",
        "lm_heads.2",
        "lm_heads.3",
        "self_attn.v_proj",
    ]
    assert (config["r"], config["lora_alpha"], config["peft_type"]) == (2, 4.0, "LORA")
    assert config["base_model_name_or_path"] == "owner/base"


def test_parts_of_a_joined_layer_are_changed_apart(bundle: Bundle) -> None:
    network = _network(bundle, AdapterRecipe(targets=("q", "v")))
    names = {name.removeprefix("decoder.model.decoder.layers.0.") for name in _changed(network)}
    assert {"self_attn.q_proj", "self_attn.v_proj", "encoder_attn.q_proj"} <= names
    assert not {"self_attn.k_proj", "encoder_attn.k_proj", "fc1"} & names


def _changed(network: Network) -> list[str]:
    return [layer.names[int(key)] for layer in adapter_layers(network) for key in layer.down]


def test_an_adapter_is_written_whole_or_not_at_all(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = AdapterRecipe(rank=2)
    network = _network(bundle, recipe)
    folder = tmp_path / "it"
    card = ModelCard(about="Dusty drums.", base="tiny", library="peft")
    save_adapter(folder, network, recipe, base="a", base_fingerprint="", card=card)
    assert "base_model: 'tiny'" in (folder / "README.md").read_text()
    before = open_adapter(folder).digest

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("studio.training.lora.save_file", full)
    with pytest.raises(StorageError, match="The adapter could not be written"):
        save_adapter(folder, network, recipe, base="b", base_fingerprint="")
    assert open_adapter(folder).digest == before
    assert [file.name for file in tmp_path.iterdir()] == ["it"]


def test_what_stands_in_the_adapters_place_is_not_overwritten(
    bundle: Bundle, tmp_path: Path
) -> None:
    recipe = AdapterRecipe(rank=2)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match=r"notes\.txt is in it"):
        save_adapter(tmp_path, _network(bundle, recipe), recipe, base="", base_fingerprint="")


def test_an_adapter_is_trained_on_top_of_another(bundle: Bundle, tmp_path: Path) -> None:
    recipe = AdapterRecipe(rank=2)
    first = _network(bundle, recipe)
    _trained(first, _batch(), steps=4)
    save_adapter(tmp_path / "first", first, recipe, base="", base_fingerprint="")
    changed = adapted(bundle, [(open_adapter(tmp_path / "first"), 1.0)])
    batch = _batch(1)
    assert torch.allclose(_nats(_network(changed, recipe), batch), _nats(first, batch), atol=1e-2)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rank": 0}, "rank must be from 1"),
        ({"alpha": float("nan")}, "Alpha must be above 0"),
        ({"targets": ("q", "mlp")}, "not 'mlp'"),
        ({"targets": ()}, "not nothing"),
    ],
)
def test_senseless_recipes_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        AdapterRecipe(**changes)  # type: ignore[arg-type] # senseless on purpose

"""Adapters in training: low-rank changes of a frozen network's layers.

Owns which layers are changed, the layers that do it, and the folder that keeps them, in the form
that the library peft writes and `studio.models.adapters` opens (Hu et al. 2021, "LoRA: Low-Rank
Adaptation of Large Language Models"). What the network reads and how it steps is the trainer's
business, which trains whatever requires gradients.

Our network joins layers that Hugging Face keeps apart, such as query, key and value. Each of their
parts has factors of its own, so that the file holds what peft would have trained.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from studio.core.errors import TrainingError
from studio.core.folders import replacing_folder
from studio.models.adapters import ADAPTER_CONFIG, ADAPTER_WEIGHTS, BASE_FINGERPRINT, MAX_RANK
from studio.models.bundle import Bundle
from studio.models.model_card import CARD, ModelCard
from studio.models.shapes import Shapes, naming, weights_file
from studio.models.torch_backend.transformer import MusicDecoder, MusicLanguageModel

Network = MusicDecoder | MusicLanguageModel

TARGETS: Mapping[str, str] = {
    "q": "q_proj",
    "k": "k_proj",
    "v": "v_proj",
    "out": "out_proj",
    "fc1": "fc1",
    "fc2": "fc2",
    "heads": "lm_heads",
}
"""What a person types, to how the names of Hugging Face's modules end."""
_BLOCK_LAYERS: Mapping[str, tuple[str, ...]] = {
    "self_attention.qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "self_attention.out": ("self_attn.out_proj",),
    "cross_attention.query": ("encoder_attn.q_proj",),
    "cross_attention.key_value": ("encoder_attn.k_proj", "encoder_attn.v_proj"),
    "cross_attention.out": ("encoder_attn.out_proj",),
    "ffn_in": ("fc1",),
    "ffn_out": ("fc2",),
}
_FILES = frozenset({ADAPTER_CONFIG, ADAPTER_WEIGHTS, CARD})


@dataclass(frozen=True, kw_only=True)
class AdapterRecipe:
    """What an adapter changes.

    Attributes:
        rank: Of each change: how much it can learn, and how large the file becomes.
        alpha: Its scale is this over the rank.
        targets: Which layers, of `TARGETS`.

    Raises:
        TrainingError: A value makes no sense.
    """

    rank: int = 8
    alpha: float = 16.0
    targets: tuple[str, ...] = ("q", "v")

    def __post_init__(self) -> None:
        if not 1 <= self.rank <= MAX_RANK:
            raise TrainingError(f"The rank must be from 1 to {MAX_RANK}, not {self.rank}.")
        if not math.isfinite(self.alpha) or self.alpha <= 0:
            raise TrainingError(f"Alpha must be above 0, not {self.alpha:g}.")
        unknown = [target for target in self.targets if target not in TARGETS]
        if unknown or not self.targets:
            found = f"{unknown[0]!r:.40}" if unknown else "nothing"
            raise TrainingError(
                f"An adapter changes some of the layers {', '.join(TARGETS)}, not {found}."
            )

    @property
    def scale(self) -> float:
        """What the product of the factors is multiplied by."""
        return self.alpha / self.rank


class LoraLinear(nn.Module):
    """A frozen linear layer, with changes of some of the equal parts of its rows.

    Letters: I inputs, O outputs of a part, R rank.

    Attributes:
        base: The frozen layer.
        names: The Hugging Face names of its parts.
        down: By the place of a changed part, [R, I].
        up: Likewise, [O, R].
        switched_on: Whether the changes count; without them the layer is bit for bit the base.
    """

    def __init__(
        self, base: nn.Linear, names: Sequence[str], changed: Sequence[int], recipe: AdapterRecipe
    ) -> None:
        super().__init__()
        self.base = base
        self.names = tuple(names)
        self.scale = recipe.scale
        self.switched_on = True
        rows, columns = base.out_features // len(names), base.in_features
        device = base.weight.device
        self.down = nn.ParameterDict()
        self.up = nn.ParameterDict()
        for place in changed:
            down = torch.empty(recipe.rank, columns, device=device)
            # As peft draws it; the change begins at nothing, because the other factor is zero.
            nn.init.kaiming_uniform_(down, a=math.sqrt(5))
            self.down[str(place)] = nn.Parameter(down)
            self.up[str(place)] = nn.Parameter(torch.zeros(rows, recipe.rank, device=device))

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output for `x` [..., I], its changed parts changed."""
        plain: Tensor = self.base(x)
        if not self.switched_on:
            return plain
        parts = list(plain.chunk(len(self.names), dim=-1))
        for key, down in self.down.items():
            change = functional.linear(functional.linear(x, down), self.up[key])
            parts[int(key)] = parts[int(key)] + self.scale * change
        return torch.cat(parts, dim=-1) if len(parts) > 1 else parts[0]

    def factors(self) -> dict[str, Tensor]:
        """The factors under peft's names."""
        named: dict[str, Tensor] = {}
        for key, down in self.down.items():
            stem = f"base_model.model.{self.names[int(key)]}"
            named[f"{stem}.lora_A.weight"] = down.detach()
            named[f"{stem}.lora_B.weight"] = self.up[key].detach()
        return named


def read_network(bundle: Bundle) -> Network:
    """The language model of a bundle, in float32, to be trained further.

    Raises:
        TrainingError: It hears a melody or makes stereo: no adapter is trained for these.
        ModelError: Its configuration or its weights are not usable.
    """
    shapes = Shapes.of(bundle)
    if shapes.melody is not None or shapes.decoder.channels > 1:
        kind = "hears a melody" if shapes.melody is not None else "makes stereo"
        raise TrainingError(
            f"The model {bundle.name:.80} {kind}, and an adapter is trained on mono models of words"
            " or of nothing; choose another base."
        )
    network: Network
    with naming(weights_file(bundle)):
        if shapes.text is None:
            network = MusicDecoder(shapes.decoder)
        else:
            network = MusicLanguageModel(shapes.text, shapes.decoder)
        network.load_hf(bundle.tensors())
    return network


def add_adapter(network: Network, recipe: AdapterRecipe, *, seed: int) -> None:
    """Put a new adapter into a network, in place; nothing else of it trains any more.

    Equal seeds give equal weights. It changes nothing yet: training has to.
    """
    torch.manual_seed(seed)
    network.requires_grad_(False)
    decoder = network if isinstance(network, MusicDecoder) else network.decoder
    endings = {TARGETS[target] for target in recipe.targets}
    for index, block in enumerate(decoder.blocks):
        for path, parts in _BLOCK_LAYERS.items():
            if path.startswith("cross_attention") and not decoder.config.cross_attention:
                continue
            names = [f"decoder.model.decoder.layers.{index}.{part}" for part in parts]
            _adapt(block, path, names, endings, recipe)
    heads = [f"decoder.lm_heads.{k}" for k in range(decoder.config.codebooks)]
    _adapt(decoder, "heads", heads, endings, recipe)
    # What trains is all that a checkpoint needs: the rest is in the base's own files.
    nn.Module.register_state_dict_post_hook(network, _leave_frozen_out)
    nn.Module.register_load_state_dict_pre_hook(network, _put_frozen_in)


def _leave_frozen_out(
    network: nn.Module, state: dict[str, Any], prefix: str, metadata: dict[str, Any]
) -> None:
    for name, parameter in network.named_parameters(prefix.removesuffix(".")):
        if not parameter.requires_grad:
            del state[name]


def _put_frozen_in(
    network: nn.Module, state: dict[str, Any], prefix: str, *details: object
) -> None:
    for name, parameter in network.named_parameters(prefix.removesuffix(".")):
        if not parameter.requires_grad:
            state.setdefault(name, parameter)


def _adapt(
    owner: nn.Module, path: str, names: Sequence[str], endings: set[str], recipe: AdapterRecipe
) -> None:
    def ending(name: str) -> str:
        return "lm_heads" if ".lm_heads." in name else name.rpartition(".")[2]

    changed = [place for place, name in enumerate(names) if ending(name) in endings]
    if not changed:
        return
    *above, last = path.split(".")
    parent = owner.get_submodule(".".join(above))
    layer = parent.get_submodule(last)
    assert isinstance(layer, nn.Linear)
    setattr(parent, last, LoraLinear(layer, names, changed, recipe))


def adapter_layers(network: nn.Module) -> Iterator[LoraLinear]:
    """The changed layers of a network, in order."""
    return (module for module in network.modules() if isinstance(module, LoraLinear))


def adapter_factors(network: nn.Module) -> dict[str, Tensor]:
    """All factors in a network, under peft's names."""
    named: dict[str, Tensor] = {}
    for layer in adapter_layers(network):
        named |= layer.factors()
    return named


@contextmanager
def switched_off(network: nn.Module) -> Iterator[None]:
    """The network without its adapter, for a while."""
    layers = list(adapter_layers(network))
    for layer in layers:
        layer.switched_on = False
    try:
        yield
    finally:
        for layer in layers:
            layer.switched_on = True


def save_adapter(
    folder: Path,
    network: nn.Module,
    recipe: AdapterRecipe,
    *,
    base: str,
    base_fingerprint: str,
    card: ModelCard | None = None,
) -> None:
    """Write the adapter in a network as a folder, whole or not at all.

    Args:
        folder: Where it will be; an earlier adapter there is replaced at the end.
        network: One with an adapter in it.
        recipe: What it was made by.
        base: Name of the model, as a person asks for it.
        base_fingerprint: Of its bundle.
        card: Stored as `README.md`.

    Raises:
        StorageError: The folder cannot be written, or holds something else than an adapter; what
            is there is untouched.
    """
    factors = {name: value.cpu().contiguous() for name, value in adapter_factors(network).items()}
    modules = (name.partition(".lora_")[0] for name in factors)
    config = adapter_config(recipe, modules, base)
    metadata = {"format": "pt", BASE_FINGERPRINT: base_fingerprint}
    with replacing_folder(folder, mark=ADAPTER_CONFIG, allowed=_FILES, what="The adapter") as fresh:
        save_file(factors, fresh / ADAPTER_WEIGHTS, metadata=metadata)
        (fresh / ADAPTER_WEIGHTS).chmod(0o644)
        text = json.dumps(config, indent=2, sort_keys=True) + "\n"
        (fresh / ADAPTER_CONFIG).write_text(text, encoding="utf-8")
        if card is not None:
            (fresh / CARD).write_text(card.text(folder.name), encoding="utf-8")


def adapter_config(recipe: AdapterRecipe, modules: Iterator[str], base: str) -> dict[str, Any]:
    """The `adapter_config.json`.

    Args:
        recipe: What the adapter was made by.
        modules: The full names of what it changes.
        base: Name of the model.
    """
    # Long enough to tell self-attention from cross-attention: peft then adapts what we did.
    endings = sorted({".".join(name.split(".")[-2:]) for name in modules})
    targets = sorted({_ending(ending) for ending in endings})
    return {
        "peft_type": "LORA",
        "task_type": None,
        "auto_mapping": {
            "base_model_class": "MusicgenForConditionalGeneration",
            "parent_library": "transformers.models.musicgen.modeling_musicgen",
        },
        "base_model_name_or_path": base,
        "revision": None,
        "inference_mode": True,
        "r": recipe.rank,
        "lora_alpha": recipe.alpha,
        "lora_dropout": 0.0,
        "target_modules": targets,
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "modules_to_save": None,
        "rank_pattern": {},
        "alpha_pattern": {},
        "use_rslora": False,
        "use_dora": False,
    }


def _ending(name: str) -> str:
    """How peft finds a module by the end of its name; a block's number is no part of it."""
    first, _, last = name.partition(".")
    return last if first.isdigit() else name

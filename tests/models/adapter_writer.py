"""Adapter folders as peft writes them, made by hand.

Names and settings are those that peft 0.21 writes for transformers' MusicGen, recorded from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from studio.models.bundle import Bundle

TARGETS = ("q_proj", "v_proj")


def peft_config(**changes: Any) -> dict[str, Any]:
    """An `adapter_config.json`."""
    return {
        "alora_invocation_tokens": None,
        "alpha_pattern": {},
        "arrow_config": None,
        "auto_mapping": {
            "base_model_class": "MusicgenForConditionalGeneration",
            "parent_library": "transformers.models.musicgen.modeling_musicgen",
        },
        "base_model_name_or_path": "owner/base",
        "bias": "none",
        "corda_config": None,
        "ensure_weight_tying": False,
        "eva_config": None,
        "exclude_modules": None,
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "kasa_config": None,
        "layer_replication": None,
        "layers_pattern": None,
        "layers_to_transform": None,
        "loftq_config": {},
        "lora_alpha": 16,
        "lora_bias": False,
        "lora_dropout": 0.0,
        "lora_ga_config": None,
        "megatron_config": None,
        "megatron_core": "megatron.core",
        "modules_to_save": None,
        "monteclora_config": None,
        "peft_type": "LORA",
        "peft_version": "0.21.2",
        "qalora_group_size": 16,
        "r": 4,
        "rank_pattern": {},
        "revision": None,
        "target_modules": ["v_proj", "q_proj"],
        "target_parameters": None,
        "task_type": None,
        "trainable_token_indices": None,
        "use_bdlora": False,
        "use_dora": False,
        "use_qalora": False,
        "use_rslora": False,
        "velora_config": None,
    } | changes


def random_factors(
    bundle: Bundle, *, rank: int = 4, seed: int = 0, targets: Sequence[str] = TARGETS
) -> dict[str, Tensor]:
    """Factors for every decoder layer of `bundle` whose name ends so."""
    generator = torch.Generator().manual_seed(seed)
    factors: dict[str, Tensor] = {}
    for name, entry in bundle.entries.items():
        module = name.removesuffix(".weight")
        if not module.startswith("decoder.") or not module.endswith(tuple(targets)):
            continue
        rows, columns = entry.shape
        stem = f"base_model.model.{module}"
        down = 0.3 * torch.randn(rank, columns, generator=generator)
        up = 0.3 * torch.randn(rows, rank, generator=generator)
        factors |= {f"{stem}.lora_A.weight": down, f"{stem}.lora_B.weight": up}
    return factors


def write_adapter(
    folder: Path,
    factors: Mapping[str, Tensor],
    *,
    metadata: dict[str, str] | None = None,
    **changes: Any,
) -> Path:
    """Write an adapter folder; `changes` go into its settings."""
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps(peft_config(**changes), indent=2))
    tensors = {name: value.contiguous() for name, value in factors.items()}
    save_file(tensors, folder / "adapter_model.safetensors", {"format": "pt"} | (metadata or {}))
    return folder

"""Decoders of random weights, packed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from studio.models.language_config import DecoderConfig
from studio.models.native_backend.decoder_weights import DecoderWeights

WIDE = DecoderConfig(
    codebooks=4, vocabulary=50, dim=192, layers=2, heads=3, ffn_dim=448, max_positions=64
)


def random_tensors(config: DecoderConfig, *, spread: float = 0.1) -> dict[str, NDArray[np.float32]]:
    """A checkpoint's tensors by their full names."""
    random = np.random.default_rng(3)
    outer = "decoder.model.decoder"
    tensors: dict[str, NDArray[np.float32]] = {}

    def add(name: str, *shape: int, mean: float = 0.0) -> None:
        numbers = mean + spread * random.standard_normal(shape)
        tensors[f"{name}"] = numbers.astype(np.float32)

    def add_norm(name: str) -> None:
        add(f"{name}.weight", config.dim, mean=1.0)
        add(f"{name}.bias", config.dim)

    for book in range(config.codebooks):
        add(f"{outer}.embed_tokens.{book}.weight", config.vocabulary + 1, config.dim)
        add(f"decoder.lm_heads.{book}.weight", config.vocabulary, config.dim)
    add_norm(f"{outer}.layer_norm")
    attentions = ["self_attn", "encoder_attn"] if config.cross_attention else ["self_attn"]
    for layer in range(config.layers):
        prefix = f"{outer}.layers.{layer}"
        for attention in attentions:
            for part in ("q", "k", "v", "out"):
                add(f"{prefix}.{attention}.{part}_proj.weight", config.dim, config.dim)
            add_norm(f"{prefix}.{attention}_layer_norm")
        add(f"{prefix}.fc1.weight", config.ffn_dim, config.dim)
        add(f"{prefix}.fc2.weight", config.dim, config.ffn_dim)
        add_norm(f"{prefix}.final_layer_norm")
    return tensors


def random_decoder(
    precision: str, config: DecoderConfig = WIDE, *, spread: float = 0.1
) -> DecoderWeights:
    """A decoder of such weights."""
    return DecoderWeights.read(random_tensors(config, spread=spread), config, precision)

"""The shapes of the language model's networks, as a `config.json` states them.

Owns the reading and the checking of these objects. It builds no network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from studio.core.errors import ModelError
from studio.models.config_fields import read_integer, read_number, require_value
from studio.models.patterns import codebook_delays

PITCH_CLASSES = 12


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """The sizes of a T5 encoder."""

    vocabulary: int
    dim: int
    head_dim: int
    heads: int
    ffn_dim: int
    layers: int
    position_buckets: int = 32
    position_max_distance: int = 128
    norm_epsilon: float = 1e-6

    @property
    def parameters(self) -> int:
        """How many numbers it has."""
        layer = self.dim * (4 * self.heads * self.head_dim + 2 * self.ffn_dim + 2)
        biases = self.position_buckets * self.heads
        return self.vocabulary * self.dim + self.layers * layer + biases + self.dim

    @classmethod
    def from_hf(cls, section: Mapping[str, Any]) -> Self:
        """Read the `text_encoder` section of a Hugging Face `config.json`.

        Raises:
            ModelError: It is not a T5 of version 1.0, or a size makes no sense.
        """
        require_value(section, "model_type", "t5")
        require_value(section, "feed_forward_proj", "relu")
        return cls(
            vocabulary=read_integer(section, "vocab_size", 32128),
            dim=read_integer(section, "d_model", 512, high=16_384),
            head_dim=read_integer(section, "d_kv", 64, high=4_096),
            heads=read_integer(section, "num_heads", 8, high=256),
            ffn_dim=read_integer(section, "d_ff", 2048, high=131_072),
            layers=read_integer(section, "num_layers", 6, high=200),
            position_buckets=read_integer(
                section, "relative_attention_num_buckets", 32, low=4, high=4_096
            ),
            position_max_distance=read_integer(section, "relative_attention_max_distance", 128),
            norm_epsilon=read_number(section, "layer_norm_epsilon", 1e-6, low=0.0, high=1.0),
        )


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """The sizes of a decoder.

    Attributes:
        codebooks: K.
        vocabulary: V; the token V itself is the filler of the delay pattern.
        dim: D.
        layers: Blocks.
        heads: H.
        ffn_dim: Inner width of the feed-forward layers.
        max_positions: Longest sequence the model was made for, in steps.
        channels: Of its audio, which share the codebooks out in turn.
        cross_attention: Whether its layers attend to a text.
    """

    codebooks: int
    vocabulary: int
    dim: int
    layers: int
    heads: int
    ffn_dim: int
    max_positions: int = 2048
    channels: int = 1
    cross_attention: bool = True

    @property
    def delays(self) -> tuple[int, ...]:
        """By how many steps each codebook trails the first."""
        return codebook_delays(self.codebooks, self.channels)

    @property
    def parameters(self) -> int:
        """How many numbers it has."""
        attentions = 2 if self.cross_attention else 1
        norms = 2 * (attentions + 1)
        layer = self.dim * (4 * attentions * self.dim + 2 * self.ffn_dim + norms)
        tables = self.codebooks * (2 * self.vocabulary + 1) * self.dim
        return tables + self.layers * layer + 2 * self.dim

    @classmethod
    def from_hf(cls, section: Mapping[str, Any], *, cross_attention: bool = True) -> Self:
        """Read the `decoder` section of a Hugging Face `config.json`.

        Args:
            section: The section.
            cross_attention: Whether the layers attend to a text, which the section leaves open.

        Raises:
            ModelError: A size makes no sense, or the variant is not supported.
        """
        require_value(section, "activation_function", "gelu")
        require_value(section, "cross_attention_hidden_size", None)
        config = cls(
            codebooks=read_integer(section, "num_codebooks", 4, high=64),
            vocabulary=read_integer(section, "vocab_size", 2048, low=2, high=65_536),
            dim=read_integer(section, "hidden_size", 1024, low=4, high=16_384),
            layers=read_integer(section, "num_hidden_layers", 24, high=200),
            heads=read_integer(section, "num_attention_heads", 16, high=256),
            ffn_dim=read_integer(section, "ffn_dim", 4096, high=131_072),
            max_positions=read_integer(section, "max_position_embeddings", 2048, low=8),
            channels=read_integer(section, "audio_channels", 1, high=2),
            cross_attention=cross_attention,
        )
        if config.codebooks % config.channels:
            raise ModelError(
                f"num_codebooks {config.codebooks} must be a multiple of audio_channels"
                f" {config.channels}"
            )
        if config.dim % config.heads or config.dim % 2:
            raise ModelError(
                f"hidden_size {config.dim} must be even and a multiple of"
                f" num_attention_heads {config.heads}"
            )
        return config


@dataclass(frozen=True, kw_only=True)
class MelodyConfig:
    """How a melody model hears its melody.

    Attributes:
        frames: Chroma frames in its prefix.
    """

    frames: int

    @classmethod
    def from_hf(cls, config: Mapping[str, Any]) -> Self:
        """Read the `config.json` of a melody model.

        Raises:
            ModelError: The variant is not supported, or a size makes no sense.
        """
        require_value(config, "num_chroma", PITCH_CLASSES)
        return cls(frames=read_integer(config, "chroma_length", 235, high=10_000))

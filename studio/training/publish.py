"""A trained model as a bundle that any MusicGen software opens.

Owns the Hugging Face layout of a bundle on its way out: configuration, half-precision
safetensors, tokenizer, text template and model card, written whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

from studio.core.folders import replacing_folder
from studio.models.bundle import CONFIG
from studio.models.language_config import DecoderConfig, TextConfig
from studio.models.model_card import CARD, ModelCard
from studio.models.prompting import PromptTemplate
from studio.models.torch_backend.codec import EncodecConfig, EncodecModel
from studio.models.torch_backend.transformer import MusicDecoder, MusicLanguageModel
from studio.models.unconditional import UNUSED_TEXT, text_section, unused_shapes

_FILES = frozenset(
    {
        "model.safetensors",
        "config.json",
        "generation_config.json",
        "prompting.json",
        "tokenizer.json",
        "tokenizer_config.json",
        CARD,
    }
)


def bundle_config(
    text: TextConfig | None, codec: EncodecConfig, decoder: DecoderConfig
) -> dict[str, Any]:
    """The `config.json` of a MusicGen.

    Args:
        text: None for a model without words.
        codec: Of one channel.
        decoder: Of the language model.
    """
    config: dict[str, Any] = {
        "architectures": ["MusicgenForConditionalGeneration"],
        "model_type": "musicgen",
        "is_encoder_decoder": True,
        "text_encoder": text_section(text or UNUSED_TEXT),
        "audio_encoder": codec.to_hf(),
        "decoder": {
            "model_type": "musicgen_decoder",
            "vocab_size": decoder.vocabulary,
            "hidden_size": decoder.dim,
            "num_hidden_layers": decoder.layers,
            "num_attention_heads": decoder.heads,
            "ffn_dim": decoder.ffn_dim,
            "num_codebooks": decoder.codebooks,
            "max_position_embeddings": decoder.max_positions,
            "activation_function": "gelu",
            "audio_channels": decoder.channels,
            "scale_embedding": False,
            "dropout": 0.0,
            "attention_dropout": 0.0,
            "activation_dropout": 0.0,
            "layerdrop": 0.0,
            "pad_token_id": decoder.vocabulary,
            "bos_token_id": decoder.vocabulary,
            "eos_token_id": None,
        },
    }
    if text is None:
        config["decoder"]["cross_attention"] = False
    return config


def publish_bundle(
    folder: Path,
    *,
    codec: EncodecModel,
    model: MusicLanguageModel | MusicDecoder,
    generation: dict[str, Any],
    tokenizer: Tokenizer | None = None,
    template: PromptTemplate | None = None,
    card: ModelCard | None = None,
) -> None:
    """Write a bundle beside `folder` and move it into place.

    Args:
        folder: Where the bundle will be; an earlier one there is replaced at the end.
        codec: Its weights are stored under `audio_encoder.`.
        model: Text encoder, projection and decoder; a decoder alone is a model without words.
        generation: Recommended sampling, stored in `generation_config.json`.
        tokenizer: Stored as `tokenizer.json`.
        template: Stored as `prompting.json`.
        card: Stored as `README.md`.

    Raises:
        StorageError: The folder cannot be written, or holds something else than a bundle; what
            is there is untouched.
    """
    decoder = model if isinstance(model, MusicDecoder) else model.decoder
    text = None if isinstance(model, MusicDecoder) else model.text_encoder.config
    filler = decoder.config.vocabulary
    generation = {
        "bos_token_id": filler,
        "pad_token_id": filler,
        "decoder_start_token_id": filler,
        **generation,
    }
    tensors = language_tensors(model) | {f"audio_encoder.{k}": v for k, v in codec.to_hf().items()}
    halves = {name: value.to(torch.float16).contiguous() for name, value in tensors.items()}
    with replacing_folder(folder, mark=CONFIG, allowed=_FILES, what="The bundle") as fresh:
        save_file(halves, fresh / "model.safetensors", metadata={"format": "pt"})
        (fresh / "model.safetensors").chmod(0o644)
        _write_json(fresh / "config.json", bundle_config(text, codec.config, decoder.config))
        _write_json(fresh / "generation_config.json", generation)
        if template is not None:
            _write_json(fresh / "prompting.json", template.to_dict())
        if tokenizer is not None:
            tokenizer.save(str(fresh / "tokenizer.json"))
            _write_json(
                fresh / "tokenizer_config.json",
                {
                    "tokenizer_class": "PreTrainedTokenizerFast",
                    "pad_token": "<pad>",
                    "unk_token": "<unk>",
                    "model_max_length": 512,
                },
            )
        if card is not None:
            (fresh / CARD).write_text(card.text(folder.name), encoding="utf-8")


def language_tensors(model: MusicLanguageModel | MusicDecoder) -> dict[str, Tensor]:
    """Everything that transformers looks for beside the codec, by its Hugging Face names."""
    if isinstance(model, MusicLanguageModel):
        return model.to_hf()
    unused = unused_shapes(model.config).items()
    return model.to_hf() | {name: torch.zeros(shape) for name, shape in unused}


def _write_json(file: Path, values: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n", encoding="utf-8")

"""A trained model as a bundle that any MusicGen software opens.

Owns the Hugging Face layout of a bundle on its way out: configuration, half-precision
safetensors, tokenizer and text template, written whole or not at all.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from studio.core.errors import StorageError
from studio.models.language_config import DecoderConfig, TextConfig
from studio.models.prompting import PromptTemplate
from studio.models.torch_backend.codec import EncodecConfig, EncodecModel
from studio.models.torch_backend.transformer import MusicLanguageModel


def bundle_config(text: TextConfig, codec: EncodecConfig, decoder: DecoderConfig) -> dict[str, Any]:
    """The `config.json` of a text-conditioned mono MusicGen."""
    return {
        "architectures": ["MusicgenForConditionalGeneration"],
        "model_type": "musicgen",
        "is_encoder_decoder": True,
        "text_encoder": {
            "model_type": "t5",
            "vocab_size": text.vocabulary,
            "d_model": text.dim,
            "d_kv": text.head_dim,
            "d_ff": text.ffn_dim,
            "num_layers": text.layers,
            "num_heads": text.heads,
            "relative_attention_num_buckets": text.position_buckets,
            "relative_attention_max_distance": text.position_max_distance,
            "layer_norm_epsilon": text.norm_epsilon,
            "feed_forward_proj": "relu",
            "dropout_rate": 0.0,
            "pad_token_id": 0,
            "eos_token_id": None,
        },
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
            "audio_channels": 1,
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


def publish_bundle(
    folder: Path,
    *,
    codec: EncodecModel,
    model: MusicLanguageModel,
    tokenizer: Tokenizer,
    template: PromptTemplate,
    generation: dict[str, Any],
) -> None:
    """Write a bundle beside `folder` and move it into place.

    Args:
        folder: Where the bundle will be; an earlier one there is replaced at the end.
        codec: Its weights are stored under `audio_encoder.`.
        model: Text encoder, projection and decoder.
        tokenizer: Stored as `tokenizer.json`.
        template: Stored as `prompting.json`.
        generation: Recommended sampling, stored in `generation_config.json`.

    Raises:
        StorageError: The folder cannot be written; an earlier bundle there is untouched.
    """
    fresh = folder.with_name(folder.name + ".new")
    config = bundle_config(model.text_encoder.config, codec.config, model.decoder.config)
    filler = model.decoder.config.vocabulary
    generation = {
        "bos_token_id": filler,
        "pad_token_id": filler,
        "decoder_start_token_id": filler,
        **generation,
    }
    tensors = model.to_hf() | {f"audio_encoder.{k}": v for k, v in codec.to_hf().items()}
    halves = {name: value.to(torch.float16).contiguous() for name, value in tensors.items()}
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        save_file(halves, fresh / "model.safetensors", metadata={"format": "pt"})
        _write_json(fresh / "config.json", config)
        _write_json(fresh / "generation_config.json", generation)
        _write_json(fresh / "prompting.json", template.to_dict())
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
        shutil.rmtree(folder, ignore_errors=True)
        (fresh / "model.safetensors").chmod(0o644)
        fresh.rename(folder)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise StorageError(
            f"The bundle could not be written to {folder}: {error.strerror or error}. "
            "Free some space or choose another folder."
        ) from error


def _write_json(file: Path, values: dict[str, Any]) -> None:
    file.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n", encoding="utf-8")

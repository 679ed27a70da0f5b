"""Tiny random models in both of MusicGen's file formats.

transformers makes the weights; the inverse of our mapping writes them as audiocraft would have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from torch import Tensor

Kind = Literal["text", "melody", "unconditional"]

VOCABULARY = 16
TEXT_WIDTH = 20
WORDS = ("dark", "jungle", "break", "reese")


def tiny_model(
    kind: Kind,
    *,
    channels: int = 1,
    dim: int = 32,
    heads: int = 4,
    layers: int = 2,
    ffn: int | None = None,
    codec: Mapping[str, Any] | None = None,
) -> Any:
    """A random transformers model; an unconditional one is a decoder with parts to ignore."""
    from transformers import (
        EncodecConfig,
        MusicgenConfig,
        MusicgenDecoderConfig,
        MusicgenForConditionalGeneration,
        MusicgenMelodyConfig,
        MusicgenMelodyDecoderConfig,
        MusicgenMelodyForConditionalGeneration,
        T5Config,
    )

    torch.manual_seed(0)
    melody = kind == "melody"
    decoder = (MusicgenMelodyDecoderConfig if melody else MusicgenDecoderConfig)(
        vocab_size=VOCABULARY,
        hidden_size=dim,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        ffn_dim=ffn or 4 * dim,
        num_codebooks=4 * channels,
        audio_channels=channels,
        pad_token_id=VOCABULARY,
        bos_token_id=VOCABULARY,
    )
    text = T5Config(
        vocab_size=16, d_model=TEXT_WIDTH, d_kv=8, d_ff=24, num_layers=2, num_heads=3
    ).to_dict()
    sizes: dict[str, Any] = {
        "sampling_rate": 32_000,
        "upsampling_ratios": [8, 5, 4, 4],
        "num_filters": 2,
        "hidden_size": 12,
        "codebook_size": VOCABULARY,
        "codebook_dim": 12,
        "target_bandwidths": [4 * 50 * 4 / 1000],
        "audio_channels": 1,
        "norm_type": "weight_norm",
        "use_causal_conv": False,
        "use_conv_shortcut": False,
    }
    audio = EncodecConfig(**sizes | dict(codec or {})).to_dict()
    build, config = (
        (MusicgenMelodyForConditionalGeneration, MusicgenMelodyConfig)
        if melody
        else (MusicgenForConditionalGeneration, MusicgenConfig)
    )
    model = build(config(text_encoder=text, audio_encoder=audio, decoder=decoder.to_dict())).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith("decoder") and parameter.ndim > 1:
                parameter.mul_(5.0)
            elif parameter.ndim == 1:
                parameter.add_(0.2 * torch.randn_like(parameter))
        for layer in model.audio_encoder.quantizer.layers:
            layer.codebook.embed.normal_(std=0.1)
            layer.codebook.embed_avg.copy_(layer.codebook.embed)
    return model


def language_state(model: Any, kind: Kind) -> dict[str, Tensor]:
    """The decoder's and the projections' weights under audiocraft's names."""
    state: dict[str, Tensor] = {}
    attention: dict[str, dict[str, Tensor]] = {}
    renamed = (
        ("model.decoder.embed_tokens.", "emb."),
        ("model.decoder.layers.", "transformer.layers."),
        ("model.decoder.layer_norm.", "out_norm."),
        ("lm_heads.", "linears."),
        (".encoder_attn_layer_norm.", ".norm_cross."),
        (".self_attn_layer_norm.", ".norm1."),
        (".final_layer_norm.", ".norm2."),
        (".encoder_attn.", ".cross_attention."),
        (".fc1.", ".linear1."),
        (".fc2.", ".linear2."),
    )
    for name, value in model.decoder.state_dict().items():
        if kind == "unconditional" and ".encoder_attn" in name:
            continue
        for ours, theirs in renamed:
            name = name.replace(ours, theirs)
        if found := re.fullmatch(r"(.+)\.([qkv])_proj\.weight", name):
            attention.setdefault(found[1], {})[found[2]] = value
        else:
            state[name] = value.clone()
    for stem, parts in attention.items():
        state[f"{stem}.in_proj_weight"] = torch.cat([parts[part] for part in "qkv"])
    conditioners = {"description": "enc_to_dec_proj"} if kind != "unconditional" else {}
    if kind == "melody":
        conditioners["self_wav"] = "audio_enc_to_dec_proj"
        state["condition_provider.conditioners.self_wav.chroma.spec.window"] = torch.hann_window(9)
    for conditioner, projection in conditioners.items():
        for name, value in getattr(model, projection).state_dict().items():
            state[f"condition_provider.conditioners.{conditioner}.output_proj.{name}"] = value
    return state


def codec_state(model: Any) -> dict[str, Tensor]:
    """The codec's weights under audiocraft's names."""
    upsampling = {
        f"{name}."
        for name, module in model.audio_encoder.named_modules()
        if isinstance(module, torch.nn.ConvTranspose1d)
    }
    state: dict[str, Tensor] = {}
    for name, value in model.audio_encoder.state_dict().items():
        wrapped = ".convtr.convtr." if name.startswith(tuple(upsampling)) else ".conv.conv."
        name = name.replace("parametrizations.weight.original0", "weight_g")
        name = name.replace("parametrizations.weight.original1", "weight_v")
        name = name.replace(".conv.", wrapped)
        name = re.sub(r"^(en|de)coder\.layers\.", r"\1coder.model.", name)
        name = name.replace("quantizer.layers.", "quantizer.vq.layers.")
        state[name.replace(".codebook.", "._codebook.")] = value.clone()
    return state


def language_settings(model: Any, kind: Kind) -> dict[str, Any]:
    """An `xp.cfg` with as much in it as a training run leaves behind."""
    decoder = model.config.decoder
    channels = decoder.audio_channels
    t5 = {"name": "t5-base", "finetune": False, "word_dropout": 0.2, "normalize_text": False}
    chroma = {
        "sample_rate": "${sample_rate}",
        "n_chroma": 12,
        "radix2_exp": 14,
        "argmax": True,
        "match_len_on_eval": False,
        "eval_wavs": None,
        "n_eval_wavs": 100,
        "cache_path": None,
    }
    description = {"model": "t5", "t5": t5}
    conditioners: dict[str, Any] | None = {
        "text": {"description": description},
        "melody": {
            "self_wav": {"model": "chroma_stem", "chroma_stem": chroma},
            "description": description,
        },
        "unconditional": None,
    }[kind]
    return {
        "device": "cuda",
        "dtype": "float32",
        "autocast": True,
        "autocast_dtype": "float16",
        "seed": 2036,
        "continue_from": None,
        "efficient_attention_backend": "torch",
        "dora": {"dir": "/checkpoint/${oc.env:USER}/outputs", "exclude": ["device", "slurm.*"]},
        "logging": {"level": "INFO", "log_updates": 10},
        "solver": "musicgen",
        "sample_rate": 32_000,
        "channels": channels,
        "compression_model_checkpoint": "//pretrained/facebook/encodec_32khz",
        "compression_model_n_q": None,
        "tokens": {"padding_with_special_token": False},
        "interleave_stereo_codebooks": {"use": channels == 2, "per_timestep": False},
        "dataset": {
            "batch_size": 192,
            "segment_duration": 30,
            "train": {"merge_text_p": 0.25, "drop_desc_p": 0.5, "drop_other_p": 0.5},
        },
        "generate": {"every": 25, "lm": {"use_sampling": True, "top_k": 250, "top_p": 0.0}},
        "optim": {"epochs": 500, "lr": "1e-4", "optimizer": "adamw"},
        "lm_model": "transformer_lm",
        "codebooks_pattern": {
            "modeling": "delay",
            "delay": {
                "delays": [k // channels for k in range(decoder.num_codebooks)],
                "flatten_first": 0,
                "empty_initial": 0,
            },
            "unroll": {"flattening": [0, 1, 2, 3], "delays": [0, 0, 0, 0]},
            "music_lm": {"group_by": 2},
            "coarse_first": {"delays": [0, 0, 0]},
        },
        "transformer_lm": {
            "dim": decoder.hidden_size,
            "num_heads": decoder.num_attention_heads,
            "num_layers": decoder.num_hidden_layers,
            "hidden_scale": 4,
            "n_q": decoder.num_codebooks,
            "card": decoder.vocab_size,
            "dropout": 0.0,
            "emb_lr": None,
            "activation": "gelu",
            "norm_first": True,
            "bias_ff": False,
            "bias_attn": False,
            "bias_proj": False,
            "past_context": None,
            "causal": True,
            "custom": False,
            "memory_efficient": True,
            "attention_as_float32": False,
            "layer_scale": None,
            "positional_embedding": "sin",
            "xpos": False,
            "checkpointing": "none",
            "weight_init": "gaussian",
            "depthwise_init": "current",
            "zero_bias_init": True,
            "norm": "layer_norm",
            "cross_attention": False,
            "qk_layer_norm": False,
            "qk_layer_norm_cross": False,
            "attention_dropout": None,
            "kv_repeat": 1,
            "two_step_cfg": False,
        },
        "classifier_free_guidance": {
            "training_dropout": 0.3,
            "inference_coef": 1 if kind == "unconditional" else 3.0,
        },
        "attribute_dropout": {"text": {}, "wav": {}},
        "fuser": {
            "cross_attention_pos_emb": False,
            "cross_attention_pos_emb_scale": 1,
            "sum": [],
            "prepend": ["self_wav", "description"] if kind == "melody" else [],
            "cross": ["description"] if kind == "text" else [],
            "input_interpolate": [],
        },
        "conditioners": conditioners,
    }


def codec_settings(model: Any) -> dict[str, Any]:
    """The `xp.cfg` of the run that trained the codec."""
    codec = model.config.audio_encoder
    return {
        "solver": "compression",
        "sample_rate": codec.sampling_rate,
        "channels": 1,
        "compression_model": "encodec",
        "encodec": {
            "autoencoder": "seanet",
            "quantizer": "rvq",
            "sample_rate": "${sample_rate}",
            "channels": "${channels}",
            "causal": False,
            "renormalize": False,
        },
        "seanet": {
            "dimension": codec.hidden_size,
            "channels": "${channels}",
            "causal": "${encodec.causal}",
            "n_filters": codec.num_filters,
            "n_residual_layers": codec.num_residual_layers,
            "ratios": list(codec.upsampling_ratios),
            "activation": "ELU",
            "activation_params": {"alpha": 1.0},
            "norm": "weight_norm",
            "norm_params": {},
            "kernel_size": codec.kernel_size,
            "residual_kernel_size": codec.residual_kernel_size,
            "last_kernel_size": codec.last_kernel_size,
            "dilation_base": codec.dilation_growth_rate,
            "pad_mode": codec.pad_mode,
            "true_skip": not codec.use_conv_shortcut,
            "compress": codec.compress,
            "lstm": codec.num_lstm_layers,
            "disable_norm_outer_blocks": 0,
            "decoder": {
                "trim_right_ratio": 1.0,
                "final_activation": None,
                "final_activation_params": None,
            },
            "encoder": {},
        },
        "rvq": {"n_q": 4, "q_dropout": False, "bins": codec.codebook_size, "decay": 0.99},
        "no_quant": {},
    }


def save_package(
    file: Path, state: Mapping[str, Any], settings: object, *, legacy: bool = False
) -> None:
    """Write what audiocraft's export writes; `legacy` in torch's form before archives."""
    text = settings if not isinstance(settings, dict) else yaml.safe_dump(settings, sort_keys=False)
    package = {"best_state": state, "xp.cfg": text, "version": "1.2.0", "exported": True}
    torch.save(package, file, _use_new_zipfile_serialization=not legacy)


def save_pointer(file: Path, name: str) -> None:
    """Write a codec that is only the name of a published one."""
    torch.save({"pretrained": name, "exported": True, "version": "1.2.0"}, file)


def write_audiocraft(
    folder: Path,
    model: Any,
    kind: Kind,
    *,
    dtype: torch.dtype = torch.float32,
    legacy: bool = False,
    settings: Callable[[dict[str, Any]], None] | None = None,
    state: Callable[[dict[str, Any]], None] | None = None,
) -> Path:
    """Write `model` as audiocraft would, after `settings` and `state` have spoilt their part."""
    folder.mkdir(parents=True)
    weights: dict[str, Any] = {n: v.to(dtype) for n, v in language_state(model, kind).items()}
    written = language_settings(model, kind)
    if settings is not None:
        settings(written)
    if state is not None:
        state(weights)
    save_package(folder / "state_dict.bin", weights, written, legacy=legacy)
    save_package(
        folder / "compression_state_dict.bin",
        codec_state(model),
        codec_settings(model),
        legacy=legacy,
    )
    return folder


def write_published(folder: Path, model: Any) -> Callable[[str], Path]:
    """Save the text encoder and the codec as if published, and give what finds them."""
    folders = {"t5-base": folder / "t5", "facebook/encodec_32khz": folder / "encodec"}
    if hasattr(model, "text_encoder"):
        model.text_encoder.save_pretrained(folders["t5-base"])
        vocabulary = {word: i for i, word in enumerate(["<pad>", "</s>", "<unk>", *WORDS])}
        tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
        tokenizer.pre_tokenizer = WhitespaceSplit()
        tokenizer.save(str(folders["t5-base"] / "tokenizer.json"))
    model.audio_encoder.save_pretrained(folders["facebook/encodec_32khz"])
    return lambda name: folders[name]


def read_config(folder: Path) -> dict[str, Any]:
    """The `config.json` in `folder`."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    return config

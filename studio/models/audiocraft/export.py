"""A model in audiocraft's terms: the reverse of `language` and `codec`.

Owns the settings that audiocraft builds a model from (`xp.cfg`), the names of its tensors, and
what cannot be said there. It sees sizes and names only, no numbers.

Facts: facebookresearch/audiocraft, `models/builders.py`, `models/loaders.py`, `utils/export.py`,
`modules/conditioners.py` and `config/`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from studio.core.errors import ModelError
from studio.models.audiocraft.language import (
    CHROMA_BINS,
    Kind,
    Placement,
    language_placements,
)
from studio.models.codec_config import EncodecConfig
from studio.models.language_config import DecoderConfig, TextConfig
from studio.models.shapes import Shapes

FORM_VERSION = "1.3.0"
"""The version of audiocraft whose form is written."""
CHROMA_WINDOW = "condition_provider.conditioners.self_wav.chroma.spec.window"
CHROMA_WINDOW_FRAMES = 2**14
_CHROMA_HOP = 4096
_USUAL_SECONDS = 30

# Published text encoders of the first version of T5, by width, layers, heads, width of a head and
# of the feed-forward layers, and words.
_PUBLISHED_TEXT: Mapping[tuple[int, int, int, int, int, int], str] = {
    (512, 6, 8, 64, 2048, 32_128): "t5-small",
    (768, 12, 12, 64, 3072, 32_128): "t5-base",
    (1024, 24, 16, 64, 4096, 32_128): "t5-large",
}
_NORMED = (
    (".parametrizations.weight.original0", ".weight_g"),
    (".parametrizations.weight.original1", ".weight_v"),
)


def kind_of(shapes: Shapes) -> Kind:
    """What a model is conditioned on."""
    if shapes.text is None:
        return "unconditional"
    return "text" if shapes.melody is None else "melody"


def published_text_encoder(text: TextConfig) -> str:
    """The published T5 of these sizes; audiocraft stores none and fetches it by its name.

    Raises:
        ModelError: None has them.
    """
    sizes = (text.dim, text.layers, text.heads, text.head_dim, text.ffn_dim, text.vocabulary)
    try:
        return _PUBLISHED_TEXT[sizes]
    except KeyError:
        raise ModelError(
            "audiocraft has no place for a text encoder of a model's own; export it without words"
            " (--without-words), or in the format huggingface."
        ) from None


def placements(shapes: Shapes, kind: Kind) -> tuple[Placement, ...]:
    """Every tensor of the language model, by what it is made of.

    Args:
        shapes: Of the model.
        kind: "unconditional" leaves a model's words out.

    Raises:
        ModelError: The text encoder is as wide as the decoder, which audiocraft cannot say.
    """
    decoder, text = shapes.decoder, shapes.text
    width = 0 if kind == "unconditional" or text is None else text.dim
    if width == decoder.dim or (kind == "melody" and decoder.dim == CHROMA_BINS):
        raise ModelError(
            "audiocraft always projects what a decoder reads, and this model has no projection;"
            " export it in the format huggingface."
        )
    return tuple(
        language_placements(
            kind,
            codebooks=decoder.codebooks,
            rows=decoder.vocabulary + 1,
            dim=decoder.dim,
            layers=decoder.layers,
            ffn=decoder.ffn_dim,
            text_width=width,
        )
    )


def codec_name(name: str, codec: EncodecConfig) -> str:
    """The name that audiocraft gives to a tensor of Hugging Face's EnCodec.

    The reverse of `codec.hugging_face_name`, which needs to know the layers that upsample.
    """
    for ours, theirs in _NORMED:
        name = name.replace(ours, theirs)
    wrapped = ".convtr.convtr." if name.startswith(_upsampling(codec)) else ".conv.conv."
    name = name.replace(".conv.", wrapped)
    name = name.replace("quantizer.layers.", "quantizer.vq.layers.")
    name = name.replace(".codebook.", "._codebook.")
    return re.sub(r"^(en|de)coder\.layers\.", r"\1coder.model.", name)


def _upsampling(codec: EncodecConfig) -> tuple[str, ...]:
    """How the names of transposed convolutions begin."""
    stems, layer = [], 1
    for _ in codec.upsampling_ratios:
        # An activation stands between.
        layer += 2
        stems.append(f"decoder.layers.{layer}.conv.")
        layer += codec.num_residual_layers
    return tuple(stems)


def language_settings(
    shapes: Shapes, kind: Kind, *, guidance: float, text_encoder: str | None
) -> dict[str, Any]:
    """The `xp.cfg` that audiocraft builds the language model from.

    Args:
        shapes: Of the model.
        kind: What the exported model is conditioned on.
        guidance: What its makers recommend.
        text_encoder: Name of the published T5; None without words.
    """
    decoder, codec = shapes.decoder, shapes.codec
    crossing = kind == "text"
    return {
        "device": "cpu",
        "dtype": "float32",
        "solver": "musicgen",
        "sample_rate": codec.sampling_rate,
        "channels": decoder.channels,
        "interleave_stereo_codebooks": {"use": decoder.channels == 2, "per_timestep": False},
        "dataset": {"segment_duration": _seconds(shapes)},
        "lm_model": "transformer_lm",
        "codebooks_pattern": {
            "modeling": "delay",
            "delay": {"delays": list(decoder.delays), "flatten_first": 0, "empty_initial": 0},
        },
        "transformer_lm": _transformer(decoder, crossing=crossing),
        "classifier_free_guidance": {"training_dropout": 0.0, "inference_coef": guidance},
        "attribute_dropout": {"text": {}, "wav": {}},
        "fuser": {
            "cross_attention_pos_emb": False,
            "cross_attention_pos_emb_scale": 1,
            "sum": [],
            "prepend": ["self_wav", "description"] if kind == "melody" else [],
            "cross": ["description"] if crossing else [],
            "input_interpolate": [],
        },
        "conditioners": _conditioners(kind, text_encoder, codec.sampling_rate),
    }


def _transformer(decoder: DecoderConfig, *, crossing: bool) -> dict[str, Any]:
    scale = decoder.ffn_dim / decoder.dim
    return {
        "dim": decoder.dim,
        "num_heads": decoder.heads,
        "num_layers": decoder.layers,
        "hidden_scale": int(scale) if scale == int(scale) else scale,
        "n_q": decoder.codebooks,
        "card": decoder.vocabulary,
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
        "cross_attention": crossing,
        "qk_layer_norm": False,
        "qk_layer_norm_cross": False,
        "attention_dropout": None,
        "kv_repeat": 1,
    }


def _conditioners(kind: Kind, text_encoder: str | None, sample_rate: int) -> dict[str, Any]:
    if kind == "unconditional":
        # Not null, as in audiocraft's own settings of such a model: its loader looks into it.
        return {}
    description = {
        "model": "t5",
        "t5": {
            "name": text_encoder,
            "finetune": False,
            "word_dropout": 0.0,
            "normalize_text": False,
        },
    }
    if kind == "text":
        return {"description": description}
    chroma = {
        "sample_rate": sample_rate,
        "n_chroma": CHROMA_BINS,
        "radix2_exp": CHROMA_WINDOW_FRAMES.bit_length() - 1,
        "argmax": True,
        "match_len_on_eval": False,
        "eval_wavs": None,
        "n_eval_wavs": 0,
        "cache_path": None,
    }
    self_wav = {"model": "chroma_stem", "chroma_stem": chroma}
    return {"self_wav": self_wav, "description": description}


def _seconds(shapes: Shapes) -> float:
    """Length of the audio that the model was trained on, as its melody tells it."""
    if shapes.melody is None:
        return _USUAL_SECONDS
    rate = shapes.codec.sampling_rate
    if 1 + _USUAL_SECONDS * rate // _CHROMA_HOP == shapes.melody.frames:
        return _USUAL_SECONDS
    return (shapes.melody.frames - 1) * _CHROMA_HOP / rate


def codec_settings(codec: EncodecConfig) -> dict[str, Any]:
    """The `xp.cfg` that audiocraft builds the codec from."""
    return {
        "device": "cpu",
        "dtype": "float32",
        "solver": "compression",
        "sample_rate": codec.sampling_rate,
        "channels": 1,
        "compression_model": "encodec",
        "encodec": {
            "autoencoder": "seanet",
            "quantizer": "rvq",
            "sample_rate": codec.sampling_rate,
            "channels": 1,
            "causal": False,
            "renormalize": False,
        },
        "seanet": {
            "dimension": codec.hidden_size,
            "channels": 1,
            "causal": False,
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
        "rvq": {
            "n_q": codec.codebooks,
            "q_dropout": False,
            "bins": codec.codebook_size,
            "decay": 0.99,
            "kmeans_init": True,
            "kmeans_iters": 50,
            "threshold_ema_dead_code": 2,
            "orthogonal_reg_weight": 0.0,
            "orthogonal_reg_active_codes_only": False,
        },
    }

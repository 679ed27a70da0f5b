"""What a model without words is stored with for transformers' sake.

transformers knows no MusicGen without a text encoder and cross-attention. A bundle that it shall
open holds the smallest text encoder and the tensors of the cross-attention, all zero; the entry
`"cross_attention": false` in the decoder's section tells this program to leave them alone. What
transformers computes under the null condition is then what this program computes.

Owns the names and shapes of these tensors. It holds no numbers.
"""

from __future__ import annotations

from typing import Any

from studio.models.language_config import DecoderConfig, TextConfig

UNUSED_TEXT = TextConfig(vocabulary=2, dim=8, head_dim=4, heads=2, ffn_dim=8, layers=1)


def text_section(text: TextConfig) -> dict[str, Any]:
    """The `text_encoder` section of a `config.json`."""
    return {
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
    }


def unused_shapes(decoder: DecoderConfig) -> dict[str, tuple[int, ...]]:
    """The tensors that transformers looks for and this model does not have.

    Args:
        decoder: One without cross-attention.
    """
    text, dim = UNUSED_TEXT, decoder.dim
    inner, block = text.heads * text.head_dim, "text_encoder.encoder.block.0.layer"
    shapes: dict[str, tuple[int, ...]] = {
        "text_encoder.shared.weight": (text.vocabulary, text.dim),
        f"{block}.0.SelfAttention.relative_attention_bias.weight": (
            text.position_buckets,
            text.heads,
        ),
        **{f"{block}.0.SelfAttention.{part}.weight": (inner, text.dim) for part in "qkv"},
        f"{block}.0.SelfAttention.o.weight": (text.dim, inner),
        f"{block}.0.layer_norm.weight": (text.dim,),
        f"{block}.1.DenseReluDense.wi.weight": (text.ffn_dim, text.dim),
        f"{block}.1.DenseReluDense.wo.weight": (text.dim, text.ffn_dim),
        f"{block}.1.layer_norm.weight": (text.dim,),
        "text_encoder.encoder.final_layer_norm.weight": (text.dim,),
    }
    if dim != text.dim:
        shapes |= {"enc_to_dec_proj.weight": (dim, text.dim), "enc_to_dec_proj.bias": (dim,)}
    for layer in range(decoder.layers):
        attention = f"decoder.model.decoder.layers.{layer}.encoder_attn"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes[f"{attention}.{part}.weight"] = (dim, dim)
        shapes[f"{attention}_layer_norm.weight"] = (dim,)
        shapes[f"{attention}_layer_norm.bias"] = (dim,)
    return shapes

"""The sizes of the published models, so that speed can be measured without their weights.

Owns the numbers only. It imports no torch, because the command line lists the names.
"""

from __future__ import annotations

from studio.models.codec_config import EncodecConfig
from studio.models.language_config import DecoderConfig, MelodyConfig, TextConfig
from studio.models.shapes import Shapes

_T5_BASE = TextConfig(vocabulary=32_128, dim=768, head_dim=64, heads=12, ffn_dim=3_072, layers=12)
_CODEC = EncodecConfig(
    sampling_rate=32_000,
    num_filters=64,
    hidden_size=128,
    codebook_size=2_048,
    codebooks=4,
    upsampling_ratios=(8, 5, 4, 4),
    use_conv_shortcut=False,
)


def _decoder(dim: int, layers: int, heads: int, *, codebooks: int = 4) -> DecoderConfig:
    return DecoderConfig(
        codebooks=codebooks,
        vocabulary=2_048,
        dim=dim,
        layers=layers,
        heads=heads,
        ffn_dim=4 * dim,
        channels=codebooks // 4,
    )


def _text_model(decoder: DecoderConfig) -> Shapes:
    return Shapes(text=_T5_BASE, melody=None, decoder=decoder, codec=_CODEC)


_HOUSE = Shapes(
    text=TextConfig(vocabulary=666, dim=192, head_dim=48, heads=4, ffn_dim=768, layers=2),
    melody=None,
    decoder=DecoderConfig(codebooks=6, vocabulary=512, dim=256, layers=8, heads=4, ffn_dim=1_024),
    codec=EncodecConfig(
        sampling_rate=32_000,
        num_filters=16,
        hidden_size=64,
        codebook_size=512,
        codebooks=6,
        upsampling_ratios=(8, 5, 4, 4),
    ),
)
_MICRO = Shapes(
    text=None,
    melody=None,
    decoder=DecoderConfig(
        codebooks=4,
        vocabulary=2_048,
        dim=2_048,
        layers=2,
        heads=2,
        ffn_dim=8_192,
        cross_attention=False,
    ),
    codec=_CODEC,
)
_MELODY = Shapes(
    text=_T5_BASE,
    melody=MelodyConfig(frames=235),
    decoder=DecoderConfig(
        codebooks=4,
        vocabulary=2_048,
        dim=1_536,
        layers=48,
        heads=24,
        ffn_dim=6_144,
        cross_attention=False,
    ),
    codec=_CODEC,
)

PUBLISHED = {
    "house": _HOUSE,
    "small": _text_model(_decoder(1_024, 24, 16)),
    "medium": _text_model(_decoder(1_536, 48, 24)),
    "large": _text_model(_decoder(2_048, 48, 32)),
    "micro": _MICRO,
    "stereo-small": _text_model(_decoder(1_024, 24, 16, codebooks=8)),
    "melody": _MELODY,
}
"""By the name that `--random` takes."""

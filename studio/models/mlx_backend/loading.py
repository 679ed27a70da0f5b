"""From an opened bundle to networks in memory.

Owns which networks a kind of model has. Names of tensors are the networks' business, files that
of `bundle`.
"""

from __future__ import annotations

from dataclasses import dataclass

import mlx.core as mx

from studio.models.bundle import Bundle
from studio.models.conditioning import Conditioner
from studio.models.language_config import PITCH_CLASSES
from studio.models.mlx_backend.codec import EncodecModel
from studio.models.mlx_backend.codec_channels import ChannelCodec
from studio.models.mlx_backend.transformer import MusicDecoder, MusicLanguageModel
from studio.models.mlx_backend.weights import open_tensors, size_of, take_section
from studio.models.shapes import (
    CODEC_PREFIX,
    LANGUAGE_PREFIXES,
    Shapes,
    naming,
    require_amount,
    weights_file,
)
from studio.models.tokenizer import TextTokenizer

# Of freed memory mlx keeps so much for itself; without a limit, as much as was ever in use.
_KEPT_BYTES = 2**28


@dataclass(frozen=True, kw_only=True, eq=False)
class Networks:
    """What one bundle holds, ready for inference.

    Attributes:
        decoder: In the precision asked for.
        conditioner: Reads prompts and melodies, in float32.
        codec: All channels, in float32.
        shapes: Of all of them.
        parameters: Numbers in text encoder, projections and decoder.
    """

    decoder: MusicDecoder
    conditioner: Conditioner
    codec: ChannelCodec
    shapes: Shapes
    parameters: int


def load_networks(bundle: Bundle, precision: str) -> Networks:
    """Read the networks of `bundle`.

    Args:
        bundle: The bundle.
        precision: One of `packing.PRECISIONS`, for the decoder.

    Raises:
        ModelError: Its configuration, its tokenizer or its weights are not usable.
    """
    shapes = Shapes.of(bundle)
    text, melody, config = shapes.text, shapes.melody, shapes.decoder
    with naming(weights_file(bundle)):
        tensors = open_tensors(bundle)
        # Nothing is in memory until weights are taken: a lying configuration cannot fill it.
        if text is None:
            language, decoder = None, MusicDecoder(config)
        else:
            bins = 0 if melody is None else PITCH_CLASSES
            language = MusicLanguageModel(text, config, chroma_bins=bins)
            decoder = language.decoder
        network = decoder if language is None else language
        parameters = size_of(network)
        require_amount(bundle, parameters, LANGUAGE_PREFIXES)
        codec = EncodecModel(shapes.codec)
        require_amount(bundle, size_of(codec), (CODEC_PREFIX,))
        network.load_hf(tensors, precision)
        codec.load_hf(take_section(tensors, CODEC_PREFIX))
    mx.set_cache_limit(_KEPT_BYTES)
    mx.clear_cache()
    tokenizer = None
    if text is not None and bundle.tokenizer_file is not None:
        tokenizer = TextTokenizer(bundle.tokenizer_file, vocabulary=text.vocabulary)
    return Networks(
        decoder=decoder,
        conditioner=Conditioner(bundle.name, language, tokenizer=tokenizer, melody=melody),
        codec=ChannelCodec(codec, channels=config.channels, codebooks=config.codebooks),
        shapes=shapes,
        parameters=parameters,
    )

"""From an opened bundle to networks in memory.

Owns which networks a kind of model has. Names of tensors are the networks' business, files that
of `bundle`.
"""

from __future__ import annotations

from dataclasses import dataclass

from studio.core.errors import ModelError
from studio.models.bundle import Bundle
from studio.models.conditioning import Conditioner
from studio.models.language_config import PITCH_CLASSES
from studio.models.measurements import Measurements
from studio.models.native_backend.decoder_weights import DecoderWeights
from studio.models.native_backend.gang import SMALL_PARAMETERS, threads_for
from studio.models.native_backend.panels import PRECISIONS
from studio.models.native_backend.precision import suitable_precision
from studio.models.native_backend.text import NativeLanguage
from studio.models.native_backend.weights import open_tensors
from studio.models.shapes import LANGUAGE_PREFIXES, Shapes, naming, require_amount, weights_file
from studio.models.tokenizer import TextTokenizer
from studio.models.torch_backend.codec_channels import ChannelCodec
from studio.models.torch_backend.loading import load_codec


@dataclass(frozen=True, kw_only=True, eq=False)
class Networks:
    """What one bundle holds, ready for inference.

    Attributes:
        decoder: Packed.
        conditioner: Reads prompts and melodies.
        codec: All channels.
        shapes: Of all of them.
        parameters: Numbers in text encoder, projections and decoder.
        precision: Of the decoder's layers.
    """

    decoder: DecoderWeights
    conditioner: Conditioner
    codec: ChannelCodec
    shapes: Shapes
    parameters: int
    precision: str


def load_networks(bundle: Bundle, precision: str | None, measurements: Measurements) -> Networks:
    """Read the networks of `bundle`.

    Args:
        bundle: The model.
        precision: One of `panels.PRECISIONS`, for the decoder's layers; None is the one that suits.
        measurements: What is known about this machine and the model.

    Raises:
        ModelError: Its configuration, its tokenizer or its weights are not usable.
    """
    if precision is not None and precision not in PRECISIONS:
        raise ModelError(
            f"The processor does not compute in {precision!r:.40}; choose {', '.join(PRECISIONS)}."
        )
    shapes = Shapes.of(bundle)
    with naming(weights_file(bundle)):
        tensors = open_tensors(bundle)
        parameters = shapes.language_parameters
        require_amount(bundle, parameters, LANGUAGE_PREFIXES)
        if precision is None:
            precision = suitable_precision(
                tensors,
                shapes.decoder,
                fingerprint=bundle.fingerprint,
                large=parameters >= SMALL_PARAMETERS,
                threads=threads_for(parameters),
                measurements=measurements,
            )
        decoder = DecoderWeights.read(tensors, shapes.decoder, precision)
        language = None
        if shapes.text is not None:
            bins = 0 if shapes.melody is None else PITCH_CLASSES
            language = NativeLanguage.read(
                tensors, shapes.text, shapes.decoder, precision, chroma_bins=bins
            )
        codec = load_codec(shapes.codec, bundle, bundle.tensors())
    tokenizer = None
    if shapes.text is not None and bundle.tokenizer_file is not None:
        tokenizer = TextTokenizer(bundle.tokenizer_file, vocabulary=shapes.text.vocabulary)
    return Networks(
        decoder=decoder,
        conditioner=Conditioner(bundle.name, language, tokenizer=tokenizer, melody=shapes.melody),
        codec=ChannelCodec(
            codec, channels=shapes.decoder.channels, codebooks=shapes.decoder.codebooks
        ),
        shapes=shapes,
        parameters=parameters,
        precision=precision,
    )

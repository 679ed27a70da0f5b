"""From an opened bundle to networks in memory.

Owns which networks a kind of model has. Names of tensors are the networks' business, files that
of `bundle`.
"""

from __future__ import annotations

from dataclasses import dataclass

from studio.core.errors import ModelError
from studio.models.bundle import Bundle, codes_fingerprint
from studio.models.codec_channels import ChannelCodec
from studio.models.conditioning import Conditioner
from studio.models.language_config import PITCH_CLASSES
from studio.models.measurements import Measurements
from studio.models.native_backend.codec import NativeCodec
from studio.models.native_backend.decoder_weights import DecoderWeights, Tensors
from studio.models.native_backend.gang import SMALL_PARAMETERS, threads_for
from studio.models.native_backend.panels import PRECISIONS
from studio.models.native_backend.precision import suitable_precision
from studio.models.native_backend.store import PackedStore
from studio.models.native_backend.text import NativeLanguage
from studio.models.native_backend.weights import Section, open_tensors
from studio.models.shapes import (
    CODEC_PREFIX,
    LANGUAGE_PREFIXES,
    Shapes,
    naming,
    require_amount,
    weights_file,
)
from studio.models.tokenizer import TextTokenizer

_TEXT = "text."
_KEY_DIGITS = 32


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


def load_networks(
    bundle: Bundle, precision: str | None, measurements: Measurements, packed: PackedStore
) -> Networks:
    """Read the networks of `bundle`.

    Args:
        bundle: The model.
        precision: One of `panels.PRECISIONS`, for the decoder's layers; None is the one that suits.
        measurements: What is known about this machine and the model.
        packed: Large models as they were packed before.

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
        large = parameters >= SMALL_PARAMETERS
        if precision is None:
            precision = suitable_precision(
                tensors,
                shapes.decoder,
                fingerprint=codes_fingerprint(bundle.fingerprint),
                large=large,
                threads=threads_for(parameters),
                measurements=measurements,
            )
        # With adapters every strength would be another large file.
        store = packed if large and not bundle.updates else PackedStore(None)
        decoder, language = _language(bundle, shapes, tensors, precision, store)
        codec = NativeCodec.load(Section(tensors, CODEC_PREFIX), shapes.codec)
    tokenizer = None
    if shapes.text is not None and bundle.tokenizer_file is not None:
        tokenizer = TextTokenizer(bundle.tokenizer_file, vocabulary=shapes.text.vocabulary)
    config = shapes.decoder
    return Networks(
        decoder=decoder,
        conditioner=Conditioner(bundle.name, language, tokenizer=tokenizer, melody=shapes.melody),
        codec=ChannelCodec(codec, channels=config.channels, codebooks=config.codebooks),
        shapes=shapes,
        parameters=parameters,
        precision=precision,
    )


def _language(
    bundle: Bundle, shapes: Shapes, tensors: Tensors, precision: str, store: PackedStore
) -> tuple[DecoderWeights, NativeLanguage | None]:
    """The decoder and the reader of its conditions, packed now or before."""
    key = f"{bundle.fingerprint[:_KEY_DIGITS]}-{precision}"
    arrays = store.load(key)
    config, text = shapes.decoder, shapes.text
    if arrays is not None:
        said = {
            name.removeprefix(_TEXT): arrays.pop(name)
            for name in list(arrays)
            if name.startswith(_TEXT)
        }
        decoder = DecoderWeights(arrays=arrays, precision=precision)
        if text is None:
            return decoder, None
        return decoder, NativeLanguage(text=text, width=config.dim, arrays=said)
    decoder = DecoderWeights.read(tensors, config, precision)
    language = None
    arrays = dict(decoder.arrays)
    if text is not None:
        bins = 0 if shapes.melody is None else PITCH_CLASSES
        language = NativeLanguage.read(tensors, text, config, precision, chroma_bins=bins)
        arrays |= {_TEXT + name: array for name, array in language.arrays.items()}
    store.save(key, arrays, source=bundle.folder)
    return decoder, language

"""From an opened bundle to networks in memory.

Owns which networks a kind of model has. Names of tensors are the networks' business, files that
of `bundle`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from studio.core.errors import ModelError
from studio.models.bundle import Bundle
from studio.models.codec_config import EncodecConfig
from studio.models.conditioning import Conditioner
from studio.models.language_config import PITCH_CLASSES
from studio.models.shapes import (
    CODEC_PREFIX,
    LANGUAGE_PREFIXES,
    Shapes,
    naming,
    require_amount,
    weights_file,
)
from studio.models.speeds import Speeds
from studio.models.tokenizer import TextTokenizer
from studio.models.torch_backend.codec import EncodecModel
from studio.models.torch_backend.codec_channels import ChannelCodec
from studio.models.torch_backend.fidelity import Fidelity
from studio.models.torch_backend.packing import pack_layers, require_precision
from studio.models.torch_backend.threads import SMALL_PARAMETERS, use_threads
from studio.models.torch_backend.transformer import MusicDecoder, MusicLanguageModel
from studio.models.torch_backend.trial import fastest_precision
from studio.models.torch_backend.weights import Section

_LOG = logging.getLogger(__name__)
HARMLESS_NATS = 0.01
"""The most that a precision nobody asked for may cost, on average for each code."""
_NEARLY_EXACT = ("float32", "bfloat16")


@dataclass(frozen=True, kw_only=True, eq=False)
class Networks:
    """What one bundle holds, ready for inference.

    Attributes:
        decoder: Its linear layers are packed.
        conditioner: Reads prompts and melodies.
        codec: All channels.
        shapes: Of all of them.
        parameters: Numbers in text encoder, projections and decoder.
        precision: Of the decoder's layers.
    """

    decoder: MusicDecoder
    conditioner: Conditioner
    codec: ChannelCodec
    shapes: Shapes
    parameters: int
    precision: str


@dataclass(frozen=True, kw_only=True, eq=False)
class _Language:
    """A decoder with what it reads, packed.

    Attributes:
        whole: Text encoder, projections and decoder; None for a model without words.
        decoder: The decoder.
        loss: What packing cost, see `Fidelity`; 0 where nobody asked.
    """

    whole: MusicLanguageModel | None
    decoder: MusicDecoder
    loss: float


def load_networks(bundle: Bundle, precision: str | None, speeds: Speeds) -> Networks:
    """Read the networks of `bundle`.

    Args:
        bundle: The model.
        precision: One of `packing.PRECISIONS`, for the decoder's layers. None is float32 for a
            small model, which is fast enough to be the same everywhere, else the fastest here
            that costs the model next to nothing.
        speeds: What is known about this machine.

    Raises:
        ModelError: Its configuration, its tokenizer or its weights are not usable, or this
            machine does not compute in the precision.
    """
    if precision is not None:
        require_precision(precision)
    shapes = Shapes.of(bundle)
    text, melody, config = shapes.text, shapes.melody, shapes.decoder
    with naming(weights_file(bundle)):
        tensors = bundle.tensors()
        blank, parameters = blank_language(shapes, bundle)
        use_threads(parameters)
        if precision is None and parameters < SMALL_PARAMETERS:
            precision = "float32"
        wanted = precision or fastest_precision(config, speeds)
        language = _read_language(blank, tensors, wanted, judged=precision is None)
        if language.loss > HARMLESS_NATS:
            _LOG.info("%s in %s would lose %.3f nats a code", bundle.name, wanted, language.loss)
            wanted = fastest_precision(config, speeds, among=_NEARLY_EXACT)
            blank, _ = blank_language(shapes, bundle)
            language = _read_language(blank, tensors, wanted, judged=False)
        codec = load_codec(shapes.codec, bundle, tensors)
    tokenizer = None
    if text is not None and bundle.tokenizer_file is not None:
        tokenizer = TextTokenizer(bundle.tokenizer_file, vocabulary=text.vocabulary)
    return Networks(
        decoder=language.decoder,
        conditioner=Conditioner(bundle.name, language.whole, tokenizer=tokenizer, melody=melody),
        codec=ChannelCodec(codec, channels=config.channels, codebooks=config.codebooks),
        shapes=shapes,
        parameters=parameters,
        precision=wanted,
    )


def blank_language(shapes: Shapes, bundle: Bundle) -> tuple[MusicDecoder | MusicLanguageModel, int]:
    """A language model without storage, and how many numbers it will have.

    A lying configuration must not fill the memory, and random initial weights would only cost
    time.
    """
    blank: MusicDecoder | MusicLanguageModel
    with torch.device("meta"):
        if shapes.text is None:
            blank = MusicDecoder(shapes.decoder)
        else:
            bins = 0 if shapes.melody is None else PITCH_CLASSES
            blank = MusicLanguageModel(shapes.text, shapes.decoder, chroma_bins=bins)
    parameters = _size(blank)
    require_amount(bundle, parameters, LANGUAGE_PREFIXES)
    return blank, parameters


def _read_language(
    blank: MusicDecoder | MusicLanguageModel,
    tensors: Mapping[str, Tensor],
    precision: str,
    *,
    judged: bool,
) -> _Language:
    """Read the weights; each block of the decoder is packed before the next one is read."""
    whole = blank if isinstance(blank, MusicLanguageModel) else None
    decoder = blank.decoder if isinstance(blank, MusicLanguageModel) else blank
    blocks, decoder.blocks = decoder.blocks, nn.ModuleList()
    make_room(blank)
    decoder.blocks = blocks
    loss = 0.0
    if judged and precision not in _NEARLY_EXACT:
        fidelity = Fidelity(decoder, precision)
        blank.load_hf(tensors, before=make_room, after=fidelity.pack)
        loss = fidelity.pack_rest()
    else:
        blank.load_hf(tensors, before=make_room, after=partial(pack_layers, precision=precision))
        pack_layers(decoder, precision)
    blank.requires_grad_(False).eval()
    return _Language(whole=whole, decoder=decoder, loss=loss)


def load_codec(
    config: EncodecConfig, bundle: Bundle, tensors: Mapping[str, Tensor]
) -> EncodecModel:
    """Read the codec of one channel.

    Raises:
        ModelError: Its weights are not usable.
    """
    with torch.device("meta"):
        blank = EncodecModel(config)
    require_amount(bundle, _size(blank), (CODEC_PREFIX,))
    model = EncodecModel(config)
    try:
        model.load_hf(Section(tensors, CODEC_PREFIX))
    except (RuntimeError, IndexError) as error:
        raise ModelError(f"the tensors of the codec do not fit each other ({error})") from error
    return model.requires_grad_(False).eval()


def make_room(module: nn.Module) -> None:
    """Give a module on the meta device memory."""
    # `Module.to_empty` would import torch's symbolic algebra, half a second.
    blank = {name: torch.empty(tensor.shape) for name, tensor in module.state_dict().items()}
    module.load_state_dict(blank, assign=True)


def _size(model: nn.Module) -> int:
    return sum(tensor.numel() for tensor in model.state_dict().values())

"""From an opened bundle to networks in memory.

Owns which networks a kind of model has. Names of tensors are the networks' business, files that
of `bundle`.
"""

from __future__ import annotations

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
from studio.models.torch_backend.packing import pack_layers, require_precision
from studio.models.torch_backend.threads import SMALL_PARAMETERS, use_threads
from studio.models.torch_backend.transformer import MusicDecoder, MusicLanguageModel
from studio.models.torch_backend.trial import fastest_precision
from studio.models.torch_backend.weights import Section


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


def load_networks(bundle: Bundle, precision: str | None, speeds: Speeds) -> Networks:
    """Read the networks of `bundle`.

    Args:
        bundle: The model.
        precision: One of `packing.PRECISIONS`, for the decoder's layers. None is float32 for a
            small model, which is fast enough to be the same everywhere, else the fastest here.
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
        language: MusicLanguageModel | None = None
        # Without storage first: a lying configuration must not fill the memory, and random initial
        # weights would only cost time.
        with torch.device("meta"):
            if text is None:
                decoder = MusicDecoder(config)
            else:
                bins = 0 if melody is None else PITCH_CLASSES
                language = MusicLanguageModel(text, config, chroma_bins=bins)
                decoder = language.decoder
        whole = decoder if language is None else language
        parameters = _size(whole)
        require_amount(bundle, parameters, LANGUAGE_PREFIXES)
        use_threads(parameters)
        if precision is None:
            small = parameters < SMALL_PARAMETERS
            precision = "float32" if small else fastest_precision(config, speeds)
        _fill_blocks_last(whole, decoder, tensors, precision)
        codec = _load_codec(shapes.codec, bundle, tensors)
    tokenizer = None
    if text is not None and bundle.tokenizer_file is not None:
        tokenizer = TextTokenizer(bundle.tokenizer_file, vocabulary=text.vocabulary)
    return Networks(
        decoder=decoder,
        conditioner=Conditioner(bundle.name, language, tokenizer=tokenizer, melody=melody),
        codec=ChannelCodec(codec, channels=config.channels, codebooks=config.codebooks),
        shapes=shapes,
        parameters=parameters,
        precision=precision,
    )


def _fill_blocks_last(
    whole: MusicDecoder | MusicLanguageModel,
    decoder: MusicDecoder,
    tensors: Mapping[str, Tensor],
    precision: str,
) -> None:
    """Read the weights; each block of the decoder is packed before the next one is read."""
    blocks, decoder.blocks = decoder.blocks, nn.ModuleList()
    _make_room(whole)
    decoder.blocks = blocks
    whole.load_hf(tensors, before=_make_room, after=partial(pack_layers, precision=precision))
    pack_layers(decoder, precision)
    whole.requires_grad_(False).eval()


def _load_codec(
    config: EncodecConfig, bundle: Bundle, tensors: Mapping[str, Tensor]
) -> EncodecModel:
    with torch.device("meta"):
        blank = EncodecModel(config)
    require_amount(bundle, _size(blank), (CODEC_PREFIX,))
    model = EncodecModel(config)
    try:
        model.load_hf(Section(tensors, CODEC_PREFIX))
    except (RuntimeError, IndexError) as error:
        raise ModelError(f"the tensors of the codec do not fit each other ({error})") from error
    return model.requires_grad_(False).eval()


def _make_room(module: nn.Module) -> None:
    """Give a module on the meta device memory."""
    # `Module.to_empty` would import torch's symbolic algebra, half a second.
    blank = {name: torch.empty(tensor.shape) for name, tensor in module.state_dict().items()}
    module.load_state_dict(blank, assign=True)


def _size(model: nn.Module) -> int:
    return sum(tensor.numel() for tensor in model.state_dict().values())

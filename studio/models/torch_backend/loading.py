"""From an opened bundle to networks on a device.

Owns which networks a kind of model has, where each computes, and in which numbers. Names of tensors
are the networks' business, files that of `bundle`.

The decoder goes to the device block by block as it is read. The text encoder, read once a take,
and the codec stay exact.
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
from studio.models.tokenizer import TextTokenizer
from studio.models.torch_backend.codec import EncodecModel
from studio.models.torch_backend.codec_channels import ChannelCodec
from studio.models.torch_backend.device import device_dtype, keep_exact
from studio.models.torch_backend.device_codec import place_codec
from studio.models.torch_backend.transformer import MusicDecoder, MusicLanguageModel
from studio.models.torch_backend.weights import Section


@dataclass(frozen=True, kw_only=True, eq=False)
class Networks:
    """What one bundle holds, ready for inference.

    Attributes:
        decoder: On the device, in the numbers that it computes with.
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


def load_networks(bundle: Bundle, precision: str | None, device: torch.device) -> Networks:
    """Read the networks of `bundle` to `device`.

    Args:
        bundle: The model.
        precision: Of the decoder, one of `device_precisions`; None takes the one that suits.
        device: Where it computes.

    Raises:
        ModelError: Its configuration, its tokenizer or its weights are not usable, or the device
            is not good at the precision.
    """
    shapes = Shapes.of(bundle)
    text, config = shapes.text, shapes.decoder
    keep_exact(device)
    with naming(weights_file(bundle)):
        blank, parameters = _blank_language(shapes, bundle)
        dtype = device_dtype(device, precision, parameters)
        tensors = bundle.tensors()
        whole = blank if isinstance(blank, MusicLanguageModel) else None
        decoder = blank.decoder if isinstance(blank, MusicLanguageModel) else blank
        blocks, decoder.blocks = decoder.blocks, nn.ModuleList()
        _make_room(blank)
        decoder.blocks = blocks
        blank.load_hf(tensors, before=_make_room, after=partial(_move, device=device, dtype=dtype))
        _move(decoder, device, dtype)
        blank.requires_grad_(False).eval().to(device)
        codec = place_codec(load_codec(shapes.codec, bundle, tensors), device)
    tokenizer = None
    if text is not None and bundle.tokenizer_file is not None:
        tokenizer = TextTokenizer(bundle.tokenizer_file, vocabulary=text.vocabulary)
    return Networks(
        decoder=decoder,
        conditioner=Conditioner(bundle.name, whole, tokenizer=tokenizer, melody=shapes.melody),
        codec=ChannelCodec(codec, channels=config.channels, codebooks=config.codebooks),
        shapes=shapes,
        parameters=parameters,
        precision=str(dtype).removeprefix("torch."),
    )


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


def _blank_language(
    shapes: Shapes, bundle: Bundle
) -> tuple[MusicDecoder | MusicLanguageModel, int]:
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


def _move(module: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    module.to(device, dtype)


def _make_room(module: nn.Module) -> None:
    """Give a module on the meta device memory."""
    # `Module.to_empty` would import torch's symbolic algebra, half a second.
    blank = {name: torch.empty(tensor.shape) for name, tensor in module.state_dict().items()}
    module.load_state_dict(blank, assign=True)


def _size(model: nn.Module) -> int:
    return sum(tensor.numel() for tensor in model.state_dict().values())

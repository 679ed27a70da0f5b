"""From an opened bundle to networks on a device.

Owns where each part of a model computes, and in which numbers. Which networks a kind of model has
is known to `loading`.

The decoder goes to the device block by block as it is read, in the numbers that it computes with.
The text encoder, read once a take, and the codec stay exact.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from studio.models.bundle import Bundle
from studio.models.conditioning import Conditioner
from studio.models.shapes import Shapes, naming, weights_file
from studio.models.tokenizer import TextTokenizer
from studio.models.torch_backend.codec_channels import ChannelCodec
from studio.models.torch_backend.device import device_dtype, keep_exact
from studio.models.torch_backend.device_codec import place_codec
from studio.models.torch_backend.loading import Networks, blank_language, load_codec, make_room
from studio.models.torch_backend.transformer import MusicLanguageModel


def load_on_device(bundle: Bundle, precision: str | None, device: torch.device) -> Networks:
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
        blank, parameters = blank_language(shapes, bundle)
        dtype = device_dtype(device, precision, parameters)
        tensors = bundle.tensors()
        whole = blank if isinstance(blank, MusicLanguageModel) else None
        decoder = blank.decoder if isinstance(blank, MusicLanguageModel) else blank
        blocks, decoder.blocks = decoder.blocks, nn.ModuleList()
        make_room(blank)
        decoder.blocks = blocks
        blank.load_hf(tensors, before=make_room, after=partial(_move, device=device, dtype=dtype))
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


def _move(module: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    module.to(device, dtype)

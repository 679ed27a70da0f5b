"""The codec on a device.

Owns the decision whether a device's codec is believed. The networks are in `codec`.

Apple's Metal kernels have garbled this codec's convolutions and LSTM in some versions of torch,
without an error. So on such a device the codec first decodes and encodes a short passage of noise,
and what comes out is held against the CPU's; where it differs, the codec stays on the CPU.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable

import torch
from torch import Tensor

from studio.models.torch_backend.codec import EncodecModel
from studio.models.torch_backend.codec_stream import NetworkStream

_LOG = logging.getLogger(__name__)
_PASSAGE_FRAMES = 24
_PIECE_FRAMES = 8
_TOLERANCE = 1e-3
"""Of how far a value strays from its mean. A garbled sound is far above."""
_ROUNDING = 1e-5
"""Of the largest value."""

Placing = Callable[[EncodecModel, torch.device], EncodecModel]


def place_codec(
    model: EncodecModel, device: torch.device, *, place: Placing | None = None
) -> EncodecModel:
    """`model` on `device`, or as it is where the device garbles it.

    Args:
        model: On the CPU; it may be moved.
        device: Where it shall compute. Only what is known to garble is put to the test.
        place: Gives a copy there.
    """
    if device.type == "cpu":
        return model
    if device.type != "mps":
        return model.to(device)
    return checked_codec(model, device, place or _copied)


def checked_codec(model: EncodecModel, device: torch.device, place: Placing) -> EncodecModel:
    """A copy of `model` on `device` that was heard to be right, otherwise `model` itself."""
    codes = _passage(model)
    try:
        placed = place(model, device)
        alike = all(
            _alike(expected, found.cpu())
            for expected, found in zip(_heard(model, codes), _heard(placed, codes), strict=True)
        )
    except (RuntimeError, NotImplementedError) as error:
        cause = " ".join(str(error).split())
        _LOG.warning("The codec stays on the CPU, %s cannot run it: %.300s", device.type, cause)
        return model
    if not alike:
        _LOG.warning("The codec stays on the CPU, %s garbles it.", device.type)
        return model
    return placed


@torch.inference_mode()
def _heard(model: EncodecModel, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The passage decoded whole, decoded in pieces, and what the encoder makes of it."""
    latents = model.embed(codes.to(model.codebooks.device))
    audio = model.synthesise(latents)
    stream = NetworkStream(model.decoder)
    pieces = [stream.push(piece.unsqueeze(2)) for piece in latents.split(_PIECE_FRAMES, dim=2)]
    pieces.append(stream.finish())
    streamed = torch.cat([piece[:, :, 0] for piece in pieces if piece is not None], dim=2)
    return audio, streamed, model.latents(audio)


def _passage(model: EncodecModel) -> Tensor:
    """The same random codes each time, int64 [1, K, T]."""
    random = torch.Generator().manual_seed(0)
    shape = (1, model.config.codebooks, _PASSAGE_FRAMES)
    return torch.randint(model.config.codebook_size, shape, generator=random)


def _alike(expected: Tensor, found: Tensor) -> bool:
    strays = (expected - expected.mean(dim=-1, keepdim=True)).abs().max()
    allowed = _TOLERANCE * strays + _ROUNDING * expected.abs().max()
    return bool((expected - found).abs().max() <= allowed)


def _copied(model: EncodecModel, device: torch.device) -> EncodecModel:
    return copy.deepcopy(model).to(device)

"""The codec in torch as a MusicGen sees it, on numpy arrays.

Owns the passage between numpy and torch. What the channels are, and what is refused, is in
`models.codec_channels`; the network of one channel is in `codec`.

Letters: R rows (one channel of one take each), k codebooks of one channel, T codec frames, N
sample frames.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from studio.models import codec_channels
from studio.models.torch_backend.codec import EncodecModel
from studio.models.torch_backend.codec_stream import NetworkStream


class ChannelCodec(codec_channels.ChannelCodec):
    """Audio of one or two channels to codes and back.

    Attributes:
        held_frames: Codec frames that `stream` holds back until it knows what follows.
    """

    def __init__(self, model: EncodecModel, *, channels: int, codebooks: int) -> None:
        """Use the first `codebooks` / `channels` codebooks of `model` for each channel.

        Raises:
            ModelError: The model has not so many, or the channels cannot share them.
        """
        super().__init__(_RowCodec(model), channels=channels, codebooks=codebooks)
        self.held_frames = NetworkStream(model.decoder).held_frames


class _RowCodec:
    """See `codec_channels.RowCodec`."""

    def __init__(self, model: EncodecModel) -> None:
        self._model = model
        self.config = model.config

    @torch.inference_mode()
    def encode(self, audio: NDArray[np.float32]) -> NDArray[np.int64]:
        """Sound [R, N] to codes [R, k, T]."""
        rows = _tensor(audio, self._model).unsqueeze(1)
        codes: NDArray[np.int64] = self._model.encode(rows).cpu().numpy()
        return codes

    @torch.inference_mode()
    def decode(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """Codes [R, k, T] to sound [R, N]."""
        return _samples(self._model.decode(_tensor(codes, self._model))[:, 0])

    def stream(self, rows: int) -> _RowStream:
        """A decoder for the codes of `rows` rows."""
        return _RowStream(self._model, rows)


class _RowStream:
    """See `codec_channels.RowStream`."""

    def __init__(self, model: EncodecModel, rows: int) -> None:
        self._model = model
        self._rows = rows
        self._stream = NetworkStream(model.decoder)

    @torch.inference_mode()
    def push(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """Codes [R, k, n] in, the sound [R, m] that became final out."""
        if not codes.size:
            return self._final(None)
        latents = self._model.embed(_tensor(codes, self._model))
        return self._final(self._stream.push(latents.unsqueeze(2)))

    @torch.inference_mode()
    def finish(self) -> NDArray[np.float32]:
        """The rest of the sound."""
        return self._final(self._stream.finish())

    def _final(self, audio: Tensor | None) -> NDArray[np.float32]:
        if audio is None:
            return np.zeros((self._rows, 0), dtype=np.float32)
        return _samples(audio[:, 0, 0])


def _tensor(values: NDArray[Any], model: EncodecModel) -> Tensor:
    return torch.from_numpy(values.copy()).to(model.codebooks.device)


def _samples(audio: Tensor) -> NDArray[np.float32]:
    samples: NDArray[np.float32] = audio.float().cpu().numpy().copy()
    return samples

"""The codec in mlx as a MusicGen sees it, on numpy arrays.

Owns the passage between numpy and mlx. What the channels are, and what is refused, is in
`models.codec_channels`; the network of one channel is in `codec`.

Letters: R rows (one channel of one take each), k codebooks of one channel, T codec frames, N
sample frames.
"""

from __future__ import annotations

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from studio.models import codec_channels
from studio.models.mlx_backend.codec import EncodecModel
from studio.models.mlx_backend.codec_stream import NetworkStream


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

    def encode(self, audio: NDArray[np.float32]) -> NDArray[np.int64]:
        """Sound [R, N] to codes [R, k, T]."""
        return np.array(self._model.encode(mx.array(audio[:, :, None]))).astype(np.int64)

    def decode(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """Codes [R, k, T] to sound [R, N]."""
        return np.array(self._model.decode(_array(codes))[..., 0])

    def stream(self, rows: int) -> _RowStream:
        """A decoder for the codes of `rows` rows."""
        return _RowStream(self._model, rows)


class _RowStream:
    """See `codec_channels.RowStream`."""

    def __init__(self, model: EncodecModel, rows: int) -> None:
        self._model = model
        self._rows = rows
        self._stream = NetworkStream(model.decoder)

    def push(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """Codes [R, k, n] in, the sound [R, m] that became final out."""
        if not codes.size:
            return self._final(None)
        return self._final(self._stream.push(self._model.embed(_array(codes))))

    def finish(self) -> NDArray[np.float32]:
        """The rest of the sound."""
        return self._final(self._stream.finish())

    def _final(self, audio: mx.array | None) -> NDArray[np.float32]:
        if audio is None:
            return np.zeros((self._rows, 0), dtype=np.float32)
        return np.array(audio[..., 0])


def _array(codes: NDArray[np.int64]) -> mx.array:
    return mx.array(codes.astype(np.int32))

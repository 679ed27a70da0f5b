"""The codec as a MusicGen sees it: mono or stereo, on numpy arrays.

Owns the order of a stereo model's codebooks, the refusal of what does not fit, and the passage
between numpy and mlx. The network of one channel is in `codec`.

Letters: B takes, C channels, K codebooks of all channels, T codec frames, N sample frames.
"""

from __future__ import annotations

from collections.abc import Callable

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from studio.core.errors import InputError, ModelError
from studio.models.backend import CodecStream
from studio.models.mlx_backend.codec import EncodecModel
from studio.models.mlx_backend.codec_stream import NetworkStream


class ChannelCodec:
    """Audio of one or two channels to codes and back.

    Stereo models speak the codebooks of both channels in turn, [1L, 1R, 2L, 2R, ...]; each
    channel goes through the mono codec by itself.

    Attributes:
        held_frames: Codec frames that `stream` holds back until it knows what follows.
    """

    def __init__(self, model: EncodecModel, *, channels: int, codebooks: int) -> None:
        """Use the first `codebooks` / `channels` codebooks of `model` for each channel.

        Raises:
            ModelError: The model has not so many, or the channels cannot share them.
        """
        if channels not in (1, 2):
            raise ModelError(f"audio_channels must be 1 or 2, not {channels}")
        if codebooks < 1 or codebooks % channels:
            raise ModelError(f"{codebooks} codebooks cannot be shared by {channels} channels")
        if codebooks // channels > model.config.codebooks:
            raise ModelError(
                f"the decoder speaks {codebooks // channels} codebooks a channel,"
                f" the codec has {model.config.codebooks}"
            )
        self._model = model
        self._channels = channels
        self._codebooks = codebooks
        self.held_frames = NetworkStream(model.decoder).held_frames

    def encode(self, audio: NDArray[np.float32]) -> NDArray[np.int64]:
        """Audio [B, C, N] at the codec's rate to codes [B, K, T], T = ceil(N / hop).

        Raises:
            InputError: The array is of another shape, empty, or holds NaN or infinity.
        """
        if audio.ndim != 3 or audio.shape[1] != self._channels or not audio.size:
            raise InputError(
                f"The audio must be [takes, {self._channels}, frames], not {list(audio.shape)}."
            )
        if not np.isfinite(audio).all():
            raise InputError("The audio holds NaN or infinity.")
        rows = audio.astype(np.float32).reshape(-1, audio.shape[2], 1)
        codes = np.array(self._model.encode(mx.array(rows))).astype(np.int64)
        return _takes(codes[:, : self._codebooks // self._channels], self._channels)

    def decode(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """Codes [B, K, T] to audio [B, C, T x hop].

        Raises:
            InputError: The array is of another shape or kind, or a code does not exist.
        """
        self._check(codes)
        if not codes.size:
            return np.zeros((len(codes), self._channels, 0), dtype=np.float32)
        audio = np.array(self._model.decode(_rows(codes, self._channels)))
        return audio.reshape(len(codes), self._channels, -1)

    def stream(self) -> CodecStream:
        """A decoder for the codes of one take, which arrive piece by piece."""
        return _ChannelStream(self._model, self._channels, self._check)

    def _check(self, codes: NDArray[np.int64]) -> None:
        if codes.ndim != 3 or codes.shape[1] != self._codebooks:
            raise InputError(
                f"The codes must be [takes, {self._codebooks}, frames], not {list(codes.shape)}."
            )
        if codes.dtype != np.int64:
            raise InputError(f"The codes must be int64, not {codes.dtype}.")
        highest = self._model.config.codebook_size - 1
        if codes.size and (codes.min() < 0 or codes.max() > highest):
            raise InputError(f"A code is outside 0 to {highest}.")


class _ChannelStream:
    """All channels of one take through one stream of the decoder."""

    def __init__(
        self, model: EncodecModel, channels: int, check: Callable[[NDArray[np.int64]], None]
    ) -> None:
        self._model = model
        self._channels = channels
        self._check = check
        self._stream = NetworkStream(model.decoder)

    def push(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `CodecStream.push`."""
        self._check(codes[None])
        if not codes.size:
            return self._samples(None)
        return self._samples(
            self._stream.push(self._model.embed(_rows(codes[None], self._channels)))
        )

    def finish(self) -> NDArray[np.float32]:
        """See `CodecStream.finish`."""
        return self._samples(self._stream.finish())

    def _samples(self, audio: mx.array | None) -> NDArray[np.float32]:
        if audio is None:
            return np.zeros((self._channels, 0), dtype=np.float32)
        return np.array(audio[..., 0])


def _rows(codes: NDArray[np.int64], channels: int) -> mx.array:
    """Takes' codes [B, K, T] to the rows of the mono codec [B x C, K / C, T]."""
    takes, codebooks, frames = codes.shape
    apart = codes.reshape(takes, codebooks // channels, channels, frames).swapaxes(1, 2)
    return mx.array(apart.reshape(takes * channels, -1, frames).astype(np.int32))


def _takes(rows: NDArray[np.int64], channels: int) -> NDArray[np.int64]:
    """The inverse of `_rows`."""
    count, codebooks, frames = rows.shape
    together = rows.reshape(count // channels, channels, codebooks, frames).swapaxes(1, 2)
    return together.reshape(count // channels, -1, frames)

"""The codec as a MusicGen sees it: mono or stereo, on numpy arrays.

Owns the order of a stereo model's codebooks, and the refusal of what does not fit, whatever
library a backend computes with. The network of one channel is the backend's.

Letters: B takes, C channels, R rows (one channel of one take each), K codebooks of all channels,
k of one, T codec frames, N sample frames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import InputError, ModelError
from studio.models.backend import CodecStream
from studio.models.codec_config import EncodecConfig


class RowStream(Protocol):
    """Decodes several rows while their codes still arrive."""

    def push(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """Take codes [R, k, n]; give the sound [R, m] that has become final, m may be 0."""
        ...

    def finish(self) -> NDArray[np.float32]:
        """The rest of the sound, [R, m]."""
        ...


class RowCodec(Protocol):
    """A codec of one channel."""

    @property
    def config(self) -> EncodecConfig:
        """Its shape."""
        ...

    def encode(self, audio: NDArray[np.float32]) -> NDArray[np.int64]:
        """Sound [R, N] to codes [R, k, T], T = ceil(N / hop)."""
        ...

    def decode(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """Codes [R, k, T] to sound [R, T x hop]; of fewer codebooks, the first ones."""
        ...

    def stream(self, rows: int) -> RowStream:
        """A fresh decoder for codes that arrive piece by piece."""
        ...


class ChannelCodec:
    """Audio of one or two channels to codes and back.

    Stereo models speak the codebooks of both channels in turn, [1L, 1R, 2L, 2R, ...]; each
    channel goes through the mono codec by itself.
    """

    def __init__(self, codec: RowCodec, *, channels: int, codebooks: int) -> None:
        """Use the first `codebooks` / `channels` codebooks of `codec` for each channel.

        Raises:
            ModelError: The codec has not so many, or the channels cannot share them.
        """
        if channels not in (1, 2):
            raise ModelError(f"audio_channels must be 1 or 2, not {channels}")
        if codebooks < 1 or codebooks % channels:
            raise ModelError(f"{codebooks} codebooks cannot be shared by {channels} channels")
        if codebooks // channels > codec.config.codebooks:
            raise ModelError(
                f"the decoder speaks {codebooks // channels} codebooks a channel,"
                f" the codec has {codec.config.codebooks}"
            )
        self._codec = codec
        self._channels = channels
        self._codebooks = codebooks

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
        codes = self._codec.encode(audio.astype(np.float32).reshape(-1, audio.shape[2]))
        return _takes(codes[:, : self._codebooks // self._channels], self._channels)

    def decode(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """Codes [B, K, T] to audio [B, C, T x hop].

        Raises:
            InputError: The array is of another shape or kind, or a code does not exist.
        """
        self._check(codes)
        if not codes.size:
            return np.zeros((len(codes), self._channels, 0), dtype=np.float32)
        sound = self._codec.decode(_rows(codes, self._channels))
        return sound.reshape(len(codes), self._channels, -1)

    def stream(self) -> CodecStream:
        """A decoder for the codes of one take, which arrive piece by piece."""
        return _ChannelStream(self._codec.stream(self._channels), self._channels, self._check)

    def _check(self, codes: NDArray[np.int64]) -> None:
        if codes.ndim != 3 or codes.shape[1] != self._codebooks:
            raise InputError(
                f"The codes must be [takes, {self._codebooks}, frames], not {list(codes.shape)}."
            )
        if codes.dtype != np.int64:
            raise InputError(f"The codes must be int64, not {codes.dtype}.")
        highest = self._codec.config.codebook_size - 1
        if codes.size and (codes.min() < 0 or codes.max() > highest):
            raise InputError(f"A code is outside 0 to {highest}.")


class _ChannelStream:
    """All channels of one take through one stream of the decoder."""

    def __init__(
        self, stream: RowStream, channels: int, check: Callable[[NDArray[np.int64]], None]
    ) -> None:
        self._stream = stream
        self._channels = channels
        self._check = check

    def push(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `CodecStream.push`."""
        self._check(codes[None])
        return self._stream.push(_rows(codes[None], self._channels))

    def finish(self) -> NDArray[np.float32]:
        """See `CodecStream.finish`."""
        return self._stream.finish()


def _rows(codes: NDArray[np.int64], channels: int) -> NDArray[np.int64]:
    """Takes' codes [B, K, T] to the rows of the mono codec [R, k, T]."""
    takes, codebooks, frames = codes.shape
    apart = codes.reshape(takes, codebooks // channels, channels, frames).swapaxes(1, 2)
    return apart.reshape(takes * channels, codebooks // channels, frames)


def _takes(rows: NDArray[np.int64], channels: int) -> NDArray[np.int64]:
    """The inverse of `_rows`."""
    count, codebooks, frames = rows.shape
    together = rows.reshape(count // channels, channels, codebooks, frames).swapaxes(1, 2)
    return together.reshape(count // channels, channels * codebooks, frames)

"""EnCodec on the processor: waveform to codes and back, one channel.

Owns the residual vector quantiser and the passage through the networks in bounded memory. It
opens no files and knows nothing of stereo or of text.

The quantiser is that of Defossez et al. 2022, "High Fidelity Neural Audio Compression",
section 3.2.

Letters: B batch, K codebooks, V codes in a codebook, T codec frames, N sample frames, D latent
dimension.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import numpy as np
from numpy.typing import NDArray

from studio.models.codec_config import EncodecConfig
from studio.models.native_backend.codec_layers import BLOCK_FRAMES, Network, decoder, encoder
from studio.models.native_backend.codec_stream import NetworkStream
from studio.models.native_backend.codec_weights import (
    Matrix,
    Tensors,
    filled_up,
    records,
    take_codebooks,
)
from studio.models.native_backend.gang import processors
from studio.models.native_backend.kernels.quantiser import quantise

_MOST_THREADS = 8
# Multiplications in a second of sound that are worth a second thread.
_WORTH_THREADS = 1e9
_MOST_TOGETHER = 8
"""Sounds that go through a network at once."""


class NativeCodec:
    """The codec of one channel.

    Attributes:
        config: Its shape.
    """

    def __init__(
        self,
        tensors: Tensors,
        config: EncodecConfig,
        *,
        threads: int | None,
    ) -> None:
        self.config = config
        self._tensors = tensors
        self._decoder = decoder(tensors, config)
        self._encoder: Network | None = None
        shape = (config.codebooks, config.codebook_size, config.hidden_size)
        books = take_codebooks(tensors, shape)
        self._books = np.zeros((*shape[:2], self._decoder.width_in), dtype=np.float32)
        self._books[:, :, : shape[2]] = books
        self._search: list[Matrix] = []
        self._threads = threads

    @classmethod
    def load(
        cls,
        tensors: Tensors,
        config: EncodecConfig,
        *,
        threads: int | None = None,
    ) -> Self:
        """Read the decoder now, and the encoder when it is first needed.

        Args:
            tensors: Of the codec, under their names in a checkpoint; kept for the encoder.
            config: Its shape.
            threads: How many to compute with; None is as many as the work is worth.

        Raises:
            ModelError: A tensor is missing, has another shape, or holds NaN or infinity.
        """
        return cls(tensors, config, threads=threads)

    def encode(self, audio: NDArray[np.float32]) -> NDArray[np.int64]:
        """Waveform [B, N] to codes int64 [B, K, T], T = ceil(N / hop); nothing else grows with N.

        Raises:
            ModelError: A tensor of the encoder is missing, has another shape, or is not finite.
        """
        frames = -(-audio.shape[1] // self.config.hop)
        codes = np.zeros((len(audio), self.config.codebooks, frames), dtype=np.int64)
        for some in _batches(len(audio)):
            done = 0
            for latents in self._latents(audio[some]):
                codes[some, :, done : done + latents.shape[1]] = self.quantise(latents)
                done += latents.shape[1]
        return codes

    def latents(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Waveform [B, N] to unquantised latents [B, T, D]."""
        return np.concatenate(list(self._latents(audio)), axis=1)

    def decode(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """Codes [B, K, T] to a waveform [B, T x hop]; nothing else grows with T."""
        audio = np.zeros((len(codes), codes.shape[2] * self.config.hop), dtype=np.float32)
        for some in _batches(len(codes)):
            done = 0
            for piece in self._sounds(codes[some]):
                audio[some, done : done + piece.shape[1]] = piece
                done += piece.shape[1]
        return audio

    def quantise(self, latents: NDArray[np.float32]) -> NDArray[np.int64]:
        """Latents [B, T, D] to codes [B, K, T]."""
        batch, frames, dimension = latents.shape
        rest = np.zeros((batch * frames, self._books.shape[2]), dtype=np.float32)
        rest[:, :dimension] = latents.reshape(-1, dimension)
        codes = np.zeros((len(self._books), len(rest)), dtype=np.int64)
        if not self._search:
            self._search = [_search(book) for book in self._books]
        matrices = records(self._search)
        room = np.zeros((len(rest), len(self._search[0].bias)), dtype=np.float32)
        quantise(matrices, self._books, rest, room, codes)
        by_books: NDArray[np.int64] = codes.reshape(len(codes), batch, frames)
        return by_books.swapaxes(0, 1)

    def embed(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """Codes [B, K, T] to the sum of their vectors [B, T, D]."""
        total: NDArray[np.float32] = self._books[0][codes[:, 0]]
        for book in range(1, codes.shape[1]):
            total += self._books[book][codes[:, book]]
        return total

    def stream(self, rows: int) -> CodeStream:
        """A decoder for the codes of `rows` sounds, which arrive piece by piece."""
        return CodeStream(self, self._open(self._decoder, rows))

    def _sounds(self, codes: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        stream = self._open(self._decoder, len(codes))
        for start in range(0, codes.shape[2], BLOCK_FRAMES):
            end = start + BLOCK_FRAMES
            latents = self.embed(codes[:, :, start:end])
            yield stream.push(latents, last=end >= codes.shape[2])[:, :, 0]

    def _latents(self, audio: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        network = self._whole_encoder()
        stream = self._open(network, len(audio))
        block = BLOCK_FRAMES * network.step_in
        for start in range(0, audio.shape[1], block):
            end = start + block
            yield stream.push(audio[:, start:end, None], last=end >= audio.shape[1])

    def _open(self, network: Network, rows: int) -> NetworkStream:
        threads = self._threads
        if threads is None:
            heavy = rows * network.work * self.config.frame_rate > _WORTH_THREADS
            threads = min(_MOST_THREADS, processors()) if heavy else 1
        return NetworkStream(network, items=rows, threads=threads)

    def _whole_encoder(self) -> Network:
        if self._encoder is None:
            self._encoder = encoder(self._tensors, self.config)
        return self._encoder


class CodeStream:
    """Sounds being decoded, while their codes arrive.

    Attributes:
        network: Where they are.
    """

    def __init__(self, codec: NativeCodec, network: NetworkStream) -> None:
        self._codec = codec
        self.network = network

    def push(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        """Take codes [B, K, n]; give the sound [B, m] that has become final."""
        return self.network.push(self._codec.embed(codes))[:, :, 0]

    def finish(self) -> NDArray[np.float32]:
        """The rest of the sound, [B, m]."""
        return self.network.finish()[:, :, 0]


def _batches(count: int) -> Iterator[slice]:
    return (slice(first, first + _MOST_TOGETHER) for first in range(0, count, _MOST_TOGETHER))


def _search(book: NDArray[np.float32]) -> Matrix:
    """What tells the nearest of the vectors [V, D'] by a product."""
    values = np.zeros((book.shape[1], filled_up(len(book))), dtype=np.float32)
    values[:, : len(book)] = book.T
    nearness = np.zeros(values.shape[1], dtype=np.float32)
    nearness[: len(book)] = np.square(book).sum(axis=1) * np.float32(-0.5)
    return Matrix.of(values, nearness)

"""EnCodec in mlx: waveform to codes and back, one channel.

Owns the residual vector quantiser and the passage through the networks in bounded memory. It
does not read files and knows nothing of stereo or of text.

The quantiser is that of Defossez et al. 2022, "High Fidelity Neural Audio Compression",
section 3.2.

Letters: B batch, K codebooks, V codes in a codebook, T codec frames, N sample frames, D latent
dimension.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import mlx.core as mx
import mlx.nn as nn

from studio.models.codec_config import EncodecConfig
from studio.models.mlx_backend.codec_layers import Decoder, Encoder, Network
from studio.models.mlx_backend.codec_stream import NetworkStream
from studio.models.mlx_backend.codec_weights import take_codebooks
from studio.models.mlx_backend.weights import Tensors

# Numbers in the widest activation of one block, over the batch: 64 MB.
_BLOCK_NUMBERS = 2**24
_SHORTEST_BLOCK_FRAMES = 32


class EncodecModel(nn.Module):
    """The codec: `encode` and `decode`, always in float32.

    Attributes:
        codebooks: float32 [K, V, D], V codes in each of K codebooks.
    """

    def __init__(self, config: EncodecConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.codebooks = mx.zeros((config.codebooks, config.codebook_size, config.hidden_size))

    def latents(self, audio: mx.array) -> mx.array:
        """Waveform [B, N, 1] to unquantised latents [B, T, D], T = ceil(N / hop)."""
        return self.encoder(audio)

    def synthesise(self, latents: mx.array) -> mx.array:
        """Latents [B, T, D] to a waveform [B, T x hop, 1]."""
        return self.decoder(latents)

    def quantise(self, latents: mx.array) -> mx.array:
        """Latents [B, T, D] to codes [B, K, T], each codebook coding the rest."""
        batch, frames, dimension = latents.shape
        rest = latents.reshape(-1, dimension)
        codes = []
        for book in self.codebooks:
            index = nearest_code(rest, book)
            rest = rest - book[index]
            codes.append(index.reshape(batch, frames))
        return mx.stack(codes, axis=1)

    def embed(self, codes: mx.array) -> mx.array:
        """Codes [B, K, T] to the sum of their vectors [B, T, D]."""
        total = self.codebooks[0][codes[:, 0]]
        for k in range(1, codes.shape[1]):
            total = total + self.codebooks[k][codes[:, k]]
        return total

    def encode(self, audio: mx.array) -> mx.array:
        """Waveform [B, N, 1] to codes [B, K, T]; memory does not grow with N."""
        block = self._block_frames(len(audio)) * self.config.hop
        if audio.shape[1] <= block:
            return self.quantise(self.latents(audio))
        pieces = _pieces(self.encoder, _split(audio, block))
        return mx.concatenate([self.quantise(piece) for piece in pieces], axis=2)

    def decode(self, codes: mx.array) -> mx.array:
        """Codes [B, K, T] to a waveform [B, T x hop, 1]; nothing else grows with T."""
        block = self._block_frames(len(codes))
        if codes.shape[2] <= block:
            return self.synthesise(self.embed(codes))
        latents = (self.embed(part.swapaxes(1, 2)) for part in _split(codes.swapaxes(1, 2), block))
        return mx.concatenate(list(_pieces(self.decoder, latents)), axis=1)

    def _block_frames(self, batch: int) -> int:
        """Codec frames that go through a network at once."""
        config = self.config
        widest = max(1, batch) * config.num_filters * config.hop
        return max(_SHORTEST_BLOCK_FRAMES, _BLOCK_NUMBERS // widest)

    def load_hf(self, tensors: Tensors) -> None:
        """Take weights under Hugging Face's names (without a prefix), folding weight norm.

        Raises:
            ModelError: A tensor is missing, has another shape, or holds NaN or infinity.
        """
        self.encoder.load_hf(tensors, "encoder")
        self.decoder.load_hf(tensors, "decoder")
        codebooks, codes, dimension = self.codebooks.shape
        self.codebooks = take_codebooks(tensors, (codebooks, codes, dimension))
        mx.eval(self.codebooks)


def nearest_code(vectors: mx.array, book: mx.array) -> mx.array:
    """Index of the nearest row of `book` [V, D] for each of `vectors` [n, D].

    The squared distance is written out as the reference does it, so that most near ties fall to
    the same code.
    """
    lengths = mx.square(vectors).sum(axis=1, keepdims=True)
    distance = lengths - 2 * vectors @ book.T + mx.square(book).sum(axis=1)[None]
    return distance.argmin(axis=1)


def _split(x: mx.array, length: int) -> Iterator[mx.array]:
    """Parts of `x` [B, n, ...] of at most `length` positions."""
    return (x[:, start : start + length] for start in range(0, x.shape[1], length))


def _pieces(network: Network, inputs: Iterable[mx.array]) -> Iterator[mx.array]:
    """What `network` makes of [B, n, C] after [B, n, C], as it becomes final."""
    stream = NetworkStream(network)
    for x in inputs:
        piece = stream.push(x)
        if piece is not None:
            yield piece
    rest = stream.finish()
    if rest is not None:
        yield rest

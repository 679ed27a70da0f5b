"""EnCodec in torch: waveform to codes and back, one channel.

Owns the residual vector quantiser and the passage through the networks in bounded memory. It
does not read files and knows nothing of stereo or of text.

The quantiser is that of Defossez et al. 2022, "High Fidelity Neural Audio Compression",
section 3.2.

Letters: B batch, K codebooks, V codes in a codebook, T codec frames, N sample frames, D latent
dimension.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from studio.models.codec_config import EncodecConfig
from studio.models.torch_backend.codec_layers import Decoder, Encoder, Network
from studio.models.torch_backend.codec_stream import NetworkStream
from studio.models.torch_backend.codec_weights import CODEBOOKS, state_from_hf, state_to_hf

__all__ = ["EncodecConfig", "EncodecModel", "nearest_code", "sum_of_codes"]

# Numbers in the widest activation of one block, over the batch: 64 MB.
_BLOCK_NUMBERS = 2**24
_SHORTEST_BLOCK_FRAMES = 32


class EncodecModel(nn.Module):
    """The codec: `encode` and `decode`.

    Attributes:
        codebooks: float32 [K, V, D], V codes in each of K codebooks.
    """

    codebooks: Tensor

    def __init__(self, config: EncodecConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        shape = (config.codebooks, config.codebook_size, config.hidden_size)
        self.register_buffer(CODEBOOKS, torch.zeros(shape))
        _lay_channels_last(self)

    def latents(self, audio: Tensor) -> Tensor:
        """Waveform [B, 1, N] to unquantised latents [B, D, T], T = ceil(N / hop)."""
        latents: Tensor = self.encoder(audio.unsqueeze(2))[:, :, 0]
        return latents

    def synthesise(self, latents: Tensor) -> Tensor:
        """Latents [B, D, T] to a waveform [B, 1, T x hop]."""
        audio: Tensor = self.decoder(latents.unsqueeze(2))[:, :, 0]
        return audio

    def quantise(self, latents: Tensor) -> Tensor:
        """Latents [B, D, T] to codes int64 [B, K, T], each codebook coding the rest."""
        batch, dimension, frames = latents.shape
        rest = latents.permute(0, 2, 1).reshape(-1, dimension).float()
        codes = []
        for book in self.codebooks:
            index = nearest_code(rest, book)
            rest = rest - book[index]
            codes.append(index.view(batch, frames))
        return torch.stack(codes, dim=1)

    def embed(self, codes: Tensor) -> Tensor:
        """Codes [B, K, T] to the sum of their vectors [B, D, T]."""
        books = self.codebooks[: codes.shape[1]]
        return sum_of_codes(books, codes)

    @torch.inference_mode()
    def encode(self, audio: Tensor) -> Tensor:
        """Waveform [B, 1, N] to codes int64 [B, K, T]; memory does not grow with N."""
        block = self._block_frames(len(audio)) * self.config.hop
        if audio.shape[2] <= block:
            return self.quantise(self.latents(audio))
        pieces = _pieces(self.encoder, audio.split(block, dim=2))
        return torch.cat([self.quantise(piece) for piece in pieces], dim=2)

    @torch.inference_mode()
    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, K, T] to a waveform [B, 1, T x hop]; nothing else grows with T."""
        block = self._block_frames(len(codes))
        if codes.shape[2] <= block:
            return self.synthesise(self.embed(codes))
        latents = (self.embed(part) for part in codes.split(block, dim=2))
        return torch.cat(list(_pieces(self.decoder, latents)), dim=2)

    def _block_frames(self, batch: int) -> int:
        """Codec frames that go through a network at once."""
        config = self.config
        widest = max(1, batch) * config.num_filters * config.hop
        return max(_SHORTEST_BLOCK_FRAMES, _BLOCK_NUMBERS // widest)

    def load_hf(self, tensors: Mapping[str, Tensor]) -> None:
        """Take weights under Hugging Face's names (without a prefix), folding weight norm.

        Raises:
            ModelError: A tensor is missing, has another shape, or holds NaN or infinity.
        """
        shapes = {name: value.shape for name, value in self.state_dict().items()}
        self.load_state_dict(state_from_hf(tensors, shapes))
        _lay_channels_last(self)

    def to_hf(self) -> dict[str, Tensor]:
        """Every weight under Hugging Face's names, weight norm unfolded."""
        return state_to_hf(self.state_dict())


def _pieces(network: Network, inputs: Iterator[Tensor] | tuple[Tensor, ...]) -> Iterator[Tensor]:
    """What `network` makes of [B, C, n] after [B, C, n], as it becomes final."""
    stream = NetworkStream(network)
    for x in inputs:
        piece = stream.push(x.unsqueeze(2))
        if piece is not None:
            yield piece[:, :, 0]
    rest = stream.finish()
    if rest is not None:
        yield rest[:, :, 0]


def _lay_channels_last(model: nn.Module) -> None:
    for parameter in model.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def nearest_code(vectors: Tensor, book: Tensor) -> Tensor:
    """Index of the nearest row of `book` [V, D] for each of `vectors` [n, D].

    The squared distance is written out, and rounded, as the reference does it, so that near ties
    fall to the same code.
    """
    lengths = vectors.pow(2).sum(1, keepdim=True)
    distance = lengths - 2 * vectors @ book.t() + book.pow(2).sum(1)[None]
    return distance.argmin(dim=1)


def sum_of_codes(books: Tensor, codes: Tensor) -> Tensor:
    """Sum over K of `books` [K, V, D] at `codes` [B, K, T]: [B, D, T]."""
    total = books[0][codes[:, 0]]
    for k in range(1, codes.shape[1]):
        total = total + books[k][codes[:, k]]
    return total.permute(0, 2, 1)

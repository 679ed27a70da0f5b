"""The network in training: what it is, its loss, and how it samples a preview.

Owns the untrained network of a size, the delayed grid with its mask, and a small sampling loop
that remembers keys and values. The network itself is the torch backend's.

Letters: B segments, K codebooks, T codec frames, V codes, D width, H heads, L text tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from studio.models.backend import Sampling
from studio.models.sampling import guide, pick_codes
from studio.models.torch_backend.transformer import (
    DecoderBlock,
    MusicDecoder,
    MusicLanguageModel,
    sinusoids,
)
from studio.training.initial_weights import draw_decoder, draw_text_encoder
from studio.training.workshop.sizes import Size

Network = MusicDecoder | MusicLanguageModel
_IGNORED = -100
_UNKNOWN_SHARE = 0.03


class RecomputedBlock(DecoderBlock):
    """A block that is computed again on the way back, so that nothing inside it is remembered."""

    def forward(self, x: Tensor, conditioning: Tensor | None, mask: Tensor | None) -> Tensor:
        """As `DecoderBlock`."""
        made: Tensor = checkpoint(super().forward, x, conditioning, mask, use_reentrant=False)
        return made


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """What one pass reads.

    Attributes:
        codes: int64 [B, K, T].
        frames: int64 [B], how many of each carry loss.
        ids: Text tokens, int64 [B, L]; None for a network without words.
        mask: bool [B, L].
        hidden: bool [B, K, T], True where the network is not shown the code; None shows all.
    """

    codes: Tensor
    frames: Tensor
    ids: Tensor | None = None
    mask: Tensor | None = None
    hidden: Tensor | None = None

    def parts(self, size: int) -> list[Batch]:
        """The batch in pieces of at most `size` segments."""
        return [self._rows(slice(at, at + size)) for at in range(0, len(self.codes), size)]

    def _rows(self, rows: slice) -> Batch:
        return Batch(
            codes=self.codes[rows],
            frames=self.frames[rows],
            ids=None if self.ids is None else self.ids[rows],
            mask=None if self.mask is None else self.mask[rows],
            hidden=None if self.hidden is None else self.hidden[rows],
        )


def build_network(
    size: Size,
    *,
    codebooks: int,
    vocabulary: int,
    frames: int,
    text_tokens: int,
    seed: int,
    recompute: bool = False,
) -> Network:
    """An untrained network; equal seeds give equal weights.

    Args:
        size: Of the network.
        codebooks: K.
        vocabulary: V.
        frames: T.
        text_tokens: Of its tokenizer; 0 is a network without words.
        seed: Of the draw.
        recompute: Whether blocks are computed again on the way back.
    """
    torch.manual_seed(seed)
    shape = size.decoder(
        codebooks=codebooks, vocabulary=vocabulary, text=text_tokens > 0, frames=frames
    )
    network: Network
    if text_tokens:
        network = MusicLanguageModel(size.text(text_tokens), shape)
    else:
        network = MusicDecoder(shape)
    decoder = decoder_of(network)
    if recompute:
        decoder.blocks = nn.ModuleList(RecomputedBlock(shape) for _ in range(shape.layers))
    # Again, so that the weights do not depend on what the constructors have drawn.
    torch.manual_seed(seed)
    draw_decoder(decoder)
    if isinstance(network, MusicLanguageModel):
        draw_text_encoder(network.text_encoder)
    return network


def decoder_of(network: Network) -> MusicDecoder:
    """The decoder in it."""
    return network if isinstance(network, MusicDecoder) else network.decoder


def parameters_of(network: Network) -> int:
    """How many numbers it has."""
    return sum(parameter.numel() for parameter in network.parameters())


def read_texts(
    tokenizer: Tokenizer, texts: Sequence[str], rng: np.random.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Ids int64 [B, L] and mask bool [B, L] of texts, "" masked wholly; L is at least 1.

    Args:
        tokenizer: Of `vocabulary.build_vocabulary`.
        texts: One a row.
        rng: Turns a few words into the unknown one, so that it means "any"; None none.
    """
    rows = [tokenizer.encode(text).ids for text in texts]
    ids = np.zeros((len(rows), max(1, *map(len, rows))), dtype=np.int64)
    mask = np.zeros(ids.shape, dtype=np.bool_)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = row
        mask[place, : len(row)] = True
    if rng is not None:
        ids[(rng.random(ids.shape) < _UNKNOWN_SHARE) & mask] = 1
    return torch.from_numpy(ids), torch.from_numpy(mask)


def loss_sums(network: Network, batch: Batch, *, bfloat16: bool) -> Tensor:
    """Cross-entropy in nats summed over the frames that carry loss, float32 [K].

    Codebook q of input step s carries frame s - 1 - q, and is asked for frame s - q; where the
    pattern has nothing to ask, or the frame is padding, there is no loss.
    """
    config = decoder_of(network).config
    inputs, targets = _delayed(batch, config.vocabulary)
    device = inputs.device.type
    half = torch.autocast(device, torch.bfloat16) if bfloat16 else nullcontext()
    with half:
        if isinstance(network, MusicDecoder):
            logits = network(inputs)
        else:
            assert batch.ids is not None
            assert batch.mask is not None
            logits = network(inputs, batch.ids, batch.mask)
    nats = functional.cross_entropy(
        logits.float().reshape(-1, config.vocabulary),
        targets.permute(0, 2, 1).reshape(-1),
        ignore_index=_IGNORED,
        reduction="none",
    )
    return nats.view(-1, config.codebooks).sum(dim=0)


def _delayed(batch: Batch, filler: int) -> tuple[Tensor, Tensor]:
    count, books, frames = batch.codes.shape
    inputs = batch.codes.new_full((count, books, frames + books), filler)
    targets = torch.full_like(inputs, _IGNORED)
    places = torch.arange(frames, device=inputs.device)[None]
    learnt = torch.where(
        (places < batch.frames[:, None])[:, None], batch.codes, torch.tensor(_IGNORED).to(inputs)
    )
    shown = batch.codes if batch.hidden is None else batch.codes.masked_fill(batch.hidden, filler)
    for q in range(books):
        inputs[:, q, 1 + q : 1 + q + frames] = shown[:, q]
        targets[:, q, 1 + q : 1 + q + frames] = learnt[:, q]
    return inputs[:, :, :-1], targets[:, :, 1:]


@torch.inference_mode()
def sample_codes(
    network: Network,
    text: tuple[Tensor, Tensor] | None,
    *,
    frames: int,
    seed: int,
    sampling: Sampling,
) -> NDArray[np.int64]:
    """One take's codes, int64 [K, T], as the engine would draw them from these weights.

    Args:
        network: In any state; it is put back into it.
        text: Ids and mask of one text; None is the null condition.
        frames: T.
        seed: Of the take.
        sampling: How codes are drawn.
    """
    was_training = network.training
    network.eval()
    decoder = decoder_of(network)
    config = decoder.config
    device = decoder.embedding.weight.device
    conditioning = None
    if text is not None and isinstance(network, MusicLanguageModel):
        ids, mask = (part.to(device) for part in text)
        said = network.conditioning(ids, mask)
        # Nothing but zeros is what a layer without bias makes of the null condition.
        conditioning = torch.cat([said, torch.zeros_like(said)])
    steps = _Steps(decoder, conditioning, frames + config.codebooks)
    filler, delays = config.vocabulary, np.array(config.delays)
    grid = np.full((config.codebooks, frames + config.codebooks), filler, dtype=np.int64)
    for step in range(1, grid.shape[1]):
        logits = steps.read(torch.from_numpy(grid[None, :, step - 1 : step]).to(device))
        drawn = logits.float().cpu().numpy()
        if len(drawn) == 2:
            drawn = guide(drawn[:1], drawn[1:], sampling.guidance)
        codes = pick_codes(drawn, sampling, seeds=[seed], step=step - 1)[0]
        new = step - 1 - delays >= 0
        grid[new, step] = codes[new]
    network.train(was_training)
    return np.stack([grid[q, 1 + d : 1 + d + frames] for q, d in enumerate(delays)])


class _Steps:
    """A decoder read one column at a time: one row, or that and the null condition's."""

    def __init__(self, decoder: MusicDecoder, conditioning: Tensor | None, room: int) -> None:
        config = decoder.config
        self._decoder = decoder
        self._blocks = [block for block in decoder.blocks if isinstance(block, DecoderBlock)]
        self._rows = 1 if conditioning is None else len(conditioning)
        weight = decoder.embedding.weight
        width = config.dim // config.heads
        shape = (2, self._rows, config.heads, room, width)
        self._past = [weight.new_empty(shape) for _ in self._blocks]
        self._said = [
            None if conditioning is None else block.cross_attention.keys_values(conditioning)
            for block in self._blocks
        ]
        self._positions = sinusoids(room, config.dim, weight.device)
        self._done = 0

    def read(self, column: Tensor) -> Tensor:
        """Logits [rows, K, V] of the column after this one, int64 [1, K, 1]."""
        here = self._done
        x = (self._decoder.embed(column) + self._positions[here]).expand(self._rows, 1, -1)
        for block, past, said in zip(self._blocks, self._past, self._said, strict=True):
            attention = block.self_attention
            qkv = attention.qkv(block.self_norm(x)).view(self._rows, 1, 3, attention.heads, -1)
            query, key, value = qkv.permute(2, 0, 3, 1, 4)
            past[0, :, :, here], past[1, :, :, here] = key[:, :, 0], value[:, :, 0]
            heard = functional.scaled_dot_product_attention(
                query, past[0, :, :, : here + 1], past[1, :, :, : here + 1]
            )
            x = x + attention.out(heard.transpose(1, 2).reshape(self._rows, 1, -1))
            if said is not None:
                x = x + block.cross_attention(block.cross_norm(x), *said, None)
            x = x + block.ffn(x)
        self._done += 1
        return self._decoder.predict(x)[:, 0]

"""The way through the decoder that remembers what it has read.

Owns the memory of keys and values, and what keeps a stream's numbers free of its neighbours. It
knows nothing of texts, tokenizers, sampling or the delay pattern. What does not change during a
take is computed once: the keys and values of the text, the positions, the memory itself.

A row of a matrix product has the same bits whatever stands beside it only from `LEAST_ROWS` rows
on, so fewer are filled up. Attention has them where all arrays are as long as they are for the
stream alone: so the streams of one prefix length, or of one text length, attend together, and
what is known before the first step is read stream by stream.

Letters in shapes: B takes, R streams, K codebooks, V codes, D model width, H heads, E width of
one head, L text tokens, P places of the prefix, S steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor
from torch.nn import functional

from studio.models.language_config import DecoderConfig
from studio.models.streams import Stream, Streams
from studio.models.torch_backend.packing import LEAST_ROWS, plus, with_gelu
from studio.models.torch_backend.transformer import DecoderBlock, MusicDecoder, sinusoids

_NO_MASK = torch.zeros(1)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Past:
    """What neighbours of one prefix length have read, in each layer.

    Attributes:
        rows: Which rows of a step they are.
        prefix_length: Places before their first step.
        both: For each layer keys and values, float [2, n, H, P + S, E].
        keys: The same memory, keys alone, [n * H, P + S, E].
        values: Values alone.
    """

    rows: slice
    prefix_length: int
    both: list[Tensor]
    keys: list[Tensor]
    values: list[Tensor]

    @classmethod
    def empty(cls, rows: slice, prefix_length: int, steps: int, config: DecoderConfig) -> _Past:
        """Room for a prefix and `steps` steps."""
        size, width = rows.stop - rows.start, config.dim // config.heads
        shape = (2, size, config.heads, prefix_length + steps, width)
        both = [torch.empty(shape) for _ in range(config.layers)]
        return cls(
            rows=rows,
            prefix_length=prefix_length,
            both=both,
            keys=[layer[0].flatten(0, 1) for layer in both],
            values=[layer[1].flatten(0, 1) for layer in both],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Texts:
    """What neighbours of one padded text length attend to, in each layer.

    Attributes:
        rows: Which rows of a step they are.
        keys: For each layer, float [n * H, L, E].
        values: Likewise.
        mask: float [n * H, 1, L]: 0, and minus infinity at padding.
    """

    rows: slice
    keys: list[Tensor]
    values: list[Tensor]
    mask: Tensor


class CachedDecoder:
    """A decoder that remembers the steps it has seen."""

    @torch.inference_mode()
    def __init__(self, decoder: MusicDecoder, streams: Streams, *, steps: int) -> None:
        """Prepare for at most `steps` columns of the grid."""
        config = decoder.config
        self._decoder = decoder
        self._blocks = [block for block in decoder.blocks if isinstance(block, DecoderBlock)]
        self._heads = config.heads
        self._scale = (config.dim // config.heads) ** -0.5
        self._streams = streams.ordered
        # Rows that only fill up read what the first stream reads.
        spare = [0] * max(0, LEAST_ROWS - len(self._streams))
        rows = [self._streams[row] for row in [*range(len(self._streams)), *spare]]
        takes = [*streams.takes, *(streams.takes[row] for row in spare)]
        prefixes = [stream.prefix_length for stream in rows]
        self._row_takes = torch.tensor(takes)
        self._row_offsets = torch.tensor(prefixes)
        self._positions = sinusoids(max(prefixes) + steps, config.dim)
        self._pasts = [
            _Past.empty(part, length, steps, config) for part, length in _neighbours(prefixes)
        ]
        texted = [stream for stream in self._streams if stream.text is not None]
        self._texted = len(texted)
        self._text_rows = texted + texted[:1] * max(0, LEAST_ROWS - len(texted))
        self._texts = self._read_texts()
        self._done = 0

    @torch.inference_mode()
    def advance(self, tokens: Tensor) -> Tensor:
        """Read the next columns of the grid.

        Args:
            tokens: int64 [B, K, S]; S may be above 1 only at the beginning.

        Returns:
            float [R, K, V], the logits of the column after the last one read.
        """
        count = tokens.shape[2]
        if self._done == 0 and (count > 1 or any(past.prefix_length for past in self._pasts)):
            last = self._read_beginning(tokens)
        else:
            last = self._read_step(tokens)
        self._done += count
        logits = self._decoder.predict(last[:, None])
        return logits[: len(self._streams), 0]

    def _read_step(self, tokens: Tensor) -> Tensor:
        """One column for all rows together: [R, D], filled up."""
        x = self._decoder.embed(tokens)[self._row_takes, 0]
        x += self._positions[self._row_offsets + self._done]
        for layer, block in enumerate(self._blocks):
            attention = block.self_attention
            qkv = attention.qkv(block.self_norm(x)).view(len(x), 3, self._heads, -1)
            x = plus(attention.out, self._look_back(qkv, layer), x)
            if self._texted:
                looking, said = block.cross_attention, x[: len(self._text_rows)]
                query = looking.query(block.cross_norm(said)).view(len(said), self._heads, -1)
                added = looking.out(self._look_at_text(query, layer))
                x[: self._texted] += added[: self._texted]
            x = plus(block.ffn_out, with_gelu(block.ffn_in, block.ffn_norm(x)), x)
        return x

    def _look_back(self, qkv: Tensor, layer: int) -> Tensor:
        """Remember keys and values of `qkv` [R, 3, H, E], and attend to all so far: [R, D]."""
        mixed = []
        for past in self._pasts:
            place = past.prefix_length + self._done
            past.both[layer][:, :, :, place] = qkv[past.rows, 1:].transpose(0, 1)
            mixed.append(
                self._attend(
                    qkv[past.rows, 0],
                    past.keys[layer][:, : place + 1],
                    past.values[layer][:, : place + 1],
                    _NO_MASK,
                )
            )
        return mixed[0] if len(mixed) == 1 else torch.cat(mixed)

    def _look_at_text(self, query: Tensor, layer: int) -> Tensor:
        """Attend from `query` [n, H, E] to the texts: [n, D]."""
        mixed = [
            self._attend(query[texts.rows], texts.keys[layer], texts.values[layer], texts.mask)
            for texts in self._texts
        ]
        return mixed[0] if len(mixed) == 1 else torch.cat(mixed)

    def _attend(self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """Attend from one step, `query` [n, H, E], to `keys` and `values` [n * H, L, E]: [n, D].

        The fused kernel is no faster here, and its last bits depend on the thread that a head
        falls to, thus on the number of streams.
        """
        scores = torch.baddbmm(
            mask,
            query.reshape(len(keys), 1, -1),
            keys.transpose(1, 2),
            beta=0 if mask is _NO_MASK else 1,
            alpha=self._scale,
        )
        return torch.bmm(torch.softmax(scores, dim=-1), values).view(len(query), -1)

    def _read_beginning(self, tokens: Tensor) -> Tensor:
        """The prefix and all columns, one stream after another: [R, D], filled up."""
        last = []
        for row, stream in enumerate(self._streams):
            x = self._decoder.embed(tokens[self._row_takes[[row]]])[0]
            if stream.prefix is not None:
                x = torch.cat([stream.prefix, x])
            count = len(x)
            x = _filled_up(x + self._positions[:count])
            for layer, block in enumerate(self._blocks):
                self._read_alone(x, count, row, layer, block)
            last.append(x[count - 1])
        for past in self._pasts:
            # Rows that fill up have read what the first stream has.
            for row in range(max(len(self._streams), past.rows.start), past.rows.stop):
                for both, first in zip(past.both, self._pasts[0].both, strict=True):
                    both[:, row - past.rows.start] = first[:, 0]
        return _filled_up(torch.stack(last))

    def _read_alone(self, x: Tensor, count: int, row: int, layer: int, block: DecoderBlock) -> None:
        """Run one block over the `count` first rows of `x` [n, D], in place, for one stream."""
        attention = block.self_attention
        past = next(past for past in self._pasts if row < past.rows.stop)
        memory = past.both[layer][:, row - past.rows.start, :, :count]
        qkv = attention.qkv(block.self_norm(x))[:count].view(count, 3, self._heads, -1)
        query, memory[0], memory[1] = qkv.permute(1, 2, 0, 3)
        x += attention.out(_filled_up(_joined(query, memory, None)))
        if row < self._texted:
            looking = block.cross_attention
            texts = next(texts for texts in self._texts if row < texts.rows.stop)
            heads = slice((row - texts.rows.start) * self._heads, None)
            heads = slice(heads.start, heads.start + self._heads)
            both = torch.stack([texts.keys[layer][heads], texts.values[layer][heads]])
            query = looking.query(block.cross_norm(x))[:count].view(count, self._heads, -1)
            x += looking.out(_filled_up(_joined(query.transpose(0, 1), both, texts.mask[heads])))
        x += block.ffn(x)

    def _read_texts(self) -> list[_Texts]:
        """The keys and values of the texts, for each layer; no text is read twice."""
        groups = []
        for rows, _ in _neighbours([stream.text_length for stream in self._text_rows]):
            streams = self._text_rows[rows]
            different = {id(stream.text): _padded(stream)[None] for stream in streams}
            read = {
                name: [torch.cat(block.cross_attention.keys_values(text)) for block in self._blocks]
                for name, text in different.items()
            }
            layers = [
                torch.stack([read[id(stream.text)][layer] for stream in streams], dim=1)
                for layer in range(len(self._blocks))
            ]
            mask = torch.stack([_padding_mask(stream) for stream in streams])
            groups.append(
                _Texts(
                    rows=rows,
                    keys=[both[0].flatten(0, 1) for both in layers],
                    values=[both[1].flatten(0, 1) for both in layers],
                    mask=mask.expand(-1, self._heads, -1, -1).flatten(0, 1),
                )
            )
        return groups


def _neighbours(lengths: Sequence[int]) -> list[tuple[slice, int]]:
    """Rows side by side that are equally long, and how long."""
    found, start = [], 0
    for length, members in groupby(lengths):
        stop = start + len(list(members))
        found.append((slice(start, stop), length))
        start = stop
    return found


def _joined(query: Tensor, memory: Tensor, mask: Tensor | None) -> Tensor:
    """Attend from `query` [H, S, E] to keys and values `memory` [2, H, L, E]: [S, D]."""
    mixed = functional.scaled_dot_product_attention(
        query[None], memory[0][None], memory[1][None], attn_mask=mask, is_causal=mask is None
    )
    return mixed[0].transpose(0, 1).flatten(1)


def _filled_up(rows: Tensor) -> Tensor:
    """`rows` [n, D] and as many zeros as make them `LEAST_ROWS`."""
    missing = LEAST_ROWS - len(rows)
    return rows if missing <= 0 else torch.cat([rows, rows.new_zeros(missing, rows.shape[1])])


def _padded(stream: Stream) -> Tensor:
    """The stream's text with its padding, float [L, D]."""
    assert stream.text is not None
    return functional.pad(stream.text, (0, 0, 0, stream.text_length - len(stream.text)))


def _padding_mask(stream: Stream) -> Tensor:
    """Float [1, 1, L]: 0, and minus infinity at padding."""
    assert stream.text is not None
    mask = torch.zeros(1, 1, stream.text_length)
    mask[..., len(stream.text) :] = -torch.inf
    return mask

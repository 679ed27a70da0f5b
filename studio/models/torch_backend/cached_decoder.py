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

from studio.models.streams import Stream, Streams
from studio.models.torch_backend.packing import LEAST_ROWS
from studio.models.torch_backend.transformer import DecoderBlock, MusicDecoder, sinusoids


@dataclass(frozen=True, kw_only=True)
class _Group:
    """Streams of one length, side by side.

    Attributes:
        rows: Which of all streams they are.
        length: Of their prefix, or of their text.
    """

    rows: slice
    length: int

    @property
    def size(self) -> int:
        """How many streams they are."""
        return int(self.rows.stop - self.rows.start)


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """Streams that attend together in one pass.

    Attributes:
        rows: Which sequences of the pass they are.
        group: The group that they belong to.
        members: Which of its streams they are.
        start: How much their group's memory holds already.
    """

    rows: slice
    group: int
    members: slice
    start: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class _TextMemory:
    """What a group attends to in one layer: `both` is float [2, n, H, L, E], keys and values."""

    both: Tensor
    mask: Tensor


class CachedDecoder:
    """A decoder that remembers the steps it has seen."""

    def __init__(self, decoder: MusicDecoder, streams: Streams, *, steps: int) -> None:
        """Prepare for at most `steps` columns of the grid."""
        config = decoder.config
        self._decoder = decoder
        self._blocks = [block for block in decoder.blocks if isinstance(block, DecoderBlock)]
        self._streams = streams.ordered
        self._takes = streams.takes
        self._groups = _groups([stream.prefix_length for stream in self._streams])
        texted = [stream for stream in self._streams if stream.text is not None]
        self._text_groups = _groups([stream.text_length for stream in texted])
        self._texted = len(texted)
        # Rows that only fill up read what the first stream reads.
        spare = [0] * max(0, LEAST_ROWS - len(self._streams))
        prefixes = [stream.prefix_length for stream in self._streams]
        self._row_takes = torch.tensor([*self._takes, *spare])
        self._row_offsets = torch.tensor([*prefixes, *spare])
        self._positions = sinusoids(max(prefixes) + steps, config.dim)
        width = config.dim // config.heads
        self._memory = [
            [
                torch.empty(2, group.size, config.heads, group.length + steps, width)
                for group in self._groups
            ]
            for _ in self._blocks
        ]
        self._text_memory = self._read_texts(texted)
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
        if self._done == 0 and (count > 1 or any(group.length for group in self._groups)):
            last = self._read_beginning(tokens)
        else:
            last = self._read_step(tokens)
        self._done += count
        logits = self._decoder.predict(last[:, None])
        return logits[: len(self._streams), 0]

    def _read_step(self, tokens: Tensor) -> Tensor:
        """One column for all streams together: [R, D], filled up."""
        x = self._decoder.embed(tokens)[self._row_takes, 0]
        x += self._positions[self._row_offsets + self._done]
        readings = [
            _Reading(
                rows=group.rows, group=index, members=slice(None), start=group.length + self._done
            )
            for index, group in enumerate(self._groups)
        ]
        texts = [
            _Reading(rows=group.rows, group=index, members=slice(None))
            for index, group in enumerate(self._text_groups)
        ]
        return self._transform(x, 1, readings, texts)

    def _read_beginning(self, tokens: Tensor) -> Tensor:
        """The prefix and all columns, one stream after another: [R, D], filled up."""
        last = []
        for row, (stream, take) in enumerate(zip(self._streams, self._takes, strict=True)):
            x = self._decoder.embed(tokens[[take]])[0]
            if stream.prefix is not None:
                x = torch.cat([stream.prefix, x])
            count = len(x)
            x = _filled_up(x + self._positions[:count])
            reading = _alone(row, self._groups)
            texts = [_alone(row, self._text_groups)] if row < self._texted else []
            last.append(self._transform(x, count, [reading], texts)[count - 1])
        return _filled_up(torch.stack(last))

    def _transform(
        self, x: Tensor, count: int, readings: Sequence[_Reading], texts: Sequence[_Reading]
    ) -> Tensor:
        """Run all blocks over `x` [n * count, D], in place; rows behind these only fill up."""
        attended = torch.zeros_like(x)
        for layer, block in enumerate(self._blocks):
            attention = block.self_attention
            qkv = attention.qkv(block.self_norm(x))
            for reading in readings:
                memory = self._memory[layer][reading.group][:, reading.members]
                self._attend(attended, qkv, count, reading, memory)
            x += attention.out(attended)
            if texts:
                rows = slice(0, max(LEAST_ROWS, texts[-1].rows.stop * count))
                looking = block.cross_attention
                query = looking.query(block.cross_norm(x[rows]))
                for reading in texts:
                    text = self._text_memory[layer][reading.group]
                    self._attend_to_text(attended, query, count, reading, text)
                shown = slice(0, texts[-1].rows.stop * count)
                x[shown] += looking.out(attended[rows])[shown]
            x += block.ffn(x)
        return x

    def _attend(
        self, attended: Tensor, qkv: Tensor, count: int, reading: _Reading, memory: Tensor
    ) -> None:
        """Remember the keys and values of `reading` and write what it attends to."""
        rows = slice(reading.rows.start * count, reading.rows.stop * count)
        size = reading.rows.stop - reading.rows.start
        split = qkv[rows].view(size, count, 3, memory.shape[2], -1).permute(2, 0, 3, 1, 4)
        end = reading.start + count
        memory[:, :, :, reading.start : end] = split[1:]
        key, value = memory[:, :, :, :end]
        if count == 1:
            mixed = _attend_from_one_step(split[0], key, value)
        else:
            mixed = functional.scaled_dot_product_attention(split[0], key, value, is_causal=True)
        attended[rows] = mixed.transpose(1, 2).reshape(size * count, -1)

    def _attend_to_text(
        self, attended: Tensor, query: Tensor, count: int, reading: _Reading, text: _TextMemory
    ) -> None:
        """Write what `reading` attends to in its text."""
        rows = slice(reading.rows.start * count, reading.rows.stop * count)
        size = reading.rows.stop - reading.rows.start
        split = query[rows].view(size, count, text.both.shape[2], -1).transpose(1, 2)
        (key, value), mask = text.both[:, reading.members], text.mask[reading.members]
        if count == 1:
            mixed = _attend_from_one_step(split, key, value, mask)
        else:
            mixed = functional.scaled_dot_product_attention(split, key, value, attn_mask=mask)
        attended[rows] = mixed.transpose(1, 2).reshape(size * count, -1)

    @torch.inference_mode()
    def _read_texts(self, streams: Sequence[Stream]) -> list[list[_TextMemory]]:
        """The keys and values of the texts, for each layer and group; no text is read twice."""
        texts = {id(stream.text): _padded(stream) for stream in streams}
        masks = [
            torch.stack([_padding_mask(stream) for stream in streams[group.rows]])
            for group in self._text_groups
        ]
        memories = []
        for block in self._blocks if streams else ():
            read = {
                name: torch.cat(block.cross_attention.keys_values(text[None]))
                for name, text in texts.items()
            }
            memories.append(
                [
                    _TextMemory(
                        both=torch.stack([read[id(s.text)] for s in streams[group.rows]], dim=1),
                        mask=mask,
                    )
                    for group, mask in zip(self._text_groups, masks, strict=True)
                ]
            )
        return memories


def _attend_from_one_step(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Attend from `query` [n, H, 1, E] to `key` and `value` [n, H, L, E].

    The fused kernel is no faster here, and its last bits depend on the thread that a head falls
    to, thus on the number of streams.
    """
    size, heads, _, width = query.shape
    scores = torch.bmm(query.flatten(0, 1), key.flatten(0, 1).transpose(1, 2))
    scores = scores.view(size, heads, 1, -1).mul_(width**-0.5)
    weights = torch.softmax(scores if mask is None else scores.add_(mask), dim=-1)
    mixed = torch.bmm(weights.flatten(0, 1), value.flatten(0, 1))
    return mixed.view(size, heads, 1, width)


def _groups(lengths: Sequence[int]) -> list[_Group]:
    """Neighbours of equal length."""
    groups, start = [], 0
    for length, members in groupby(lengths):
        stop = start + len(list(members))
        groups.append(_Group(rows=slice(start, stop), length=length))
        start = stop
    return groups


def _alone(row: int, groups: Sequence[_Group]) -> _Reading:
    """The one stream `row`, at its beginning."""
    index = next(i for i, group in enumerate(groups) if row < group.rows.stop)
    place = row - groups[index].rows.start
    return _Reading(rows=slice(0, 1), group=index, members=slice(place, place + 1))


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

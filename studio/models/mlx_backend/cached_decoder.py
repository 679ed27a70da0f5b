"""The way through the decoder that remembers what it has read.

Owns the memory of keys and values. It knows nothing of texts, tokenizers, sampling or the delay
pattern. What does not change during a take is computed once: the keys and values of the text,
the positions, the memory itself, which mlx updates in place as long as nobody else holds it.

Attention has the same bits for a stream alone and among others where all arrays are as long as
they are for the stream alone: so the streams of one prefix length, or of one text length, attend
together, and what is known before the first step is read stream by stream. Whether the rows of
a matrix product are free of each other is for `packing.rows_stand_alone` to find out.

Letters in shapes: B takes, R streams, K codebooks, V codes, D model width, H heads, E width of
one head, L text tokens, P places of the prefix, S steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from studio.models.mlx_backend.transformer import MusicDecoder, attend, sinusoids
from studio.models.streams import Stream, Streams


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
    """What a group attends to in one layer.

    Attributes:
        both: Keys and values, float [2, n, H, L, E].
        mask: bool [n, 1, 1, L], False at padding.
    """

    both: mx.array
    mask: mx.array


class CachedDecoder:
    """A decoder that remembers the steps it has seen."""

    def __init__(self, decoder: MusicDecoder, streams: Streams, *, steps: int) -> None:
        """Prepare for at most `steps` columns of the grid."""
        config = decoder.config
        self._decoder = decoder
        self._dtype = decoder.embedding.dtype
        self._streams = streams.ordered
        self._takes = streams.takes
        self._groups = _groups([stream.prefix_length for stream in self._streams])
        texted = [stream for stream in self._streams if stream.text is not None]
        self._text_groups = _groups([stream.text_length for stream in texted])
        self._texted = len(texted)
        prefixes = [stream.prefix_length for stream in self._streams]
        self._row_takes = mx.array(self._takes)
        self._row_offsets = mx.array(prefixes)
        self._positions = sinusoids(max(prefixes) + steps, config.dim).astype(self._dtype)
        width = config.dim // config.heads
        self._memory = [
            [
                mx.zeros((2, group.size, config.heads, group.length + steps, width), self._dtype)
                for group in self._groups
            ]
            for _ in decoder.blocks
        ]
        self._text_memory = self._read_texts(texted)
        self._done = 0
        mx.eval(self._row_takes, self._row_offsets, self._positions, self._memory)

    def advance(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read the next columns of the grid.

        Args:
            tokens: int64 [B, K, S]; S may be above 1 only at the beginning.

        Returns:
            float32 [R, K, V], the logits of the column after the last one read.
        """
        count = tokens.shape[2]
        grid = mx.array(tokens.astype(np.int32))
        if self._done == 0 and (count > 1 or any(group.length for group in self._groups)):
            last = self._read_beginning(grid)
        else:
            last = self._read_step(grid)
        self._done += count
        return np.array(self._decoder.predict(last).astype(mx.float32))

    def _read_step(self, tokens: mx.array) -> mx.array:
        """One column for all streams together: [R, D]."""
        x = self._decoder.embed(tokens)[self._row_takes, 0]
        x = x + self._positions[self._row_offsets + self._done]
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

    def _read_beginning(self, tokens: mx.array) -> mx.array:
        """The prefix and all columns, one stream after another: [R, D]."""
        last = []
        for row, (stream, take) in enumerate(zip(self._streams, self._takes, strict=True)):
            x = self._decoder.embed(tokens[take : take + 1])[0]
            if stream.prefix is not None:
                x = mx.concatenate([stream.prefix.astype(self._dtype), x])
            count = len(x)
            x = x + self._positions[:count]
            reading = _alone(row, self._groups)
            texts = [_alone(row, self._text_groups)] if row < self._texted else []
            last.append(self._transform(x, count, [reading], texts)[-1])
        return mx.stack(last)

    def _transform(
        self, x: mx.array, count: int, readings: Sequence[_Reading], texts: Sequence[_Reading]
    ) -> mx.array:
        """Run all blocks over `x` [n * count, D]; those of `texts` are the first rows."""
        texted = texts[-1].rows.stop * count if texts else 0
        for layer, block in enumerate(self._decoder.blocks):
            attention = block.self_attention
            qkv = attention.qkv(block.self_norm(x))
            attended = [self._attend(qkv, count, reading, layer) for reading in readings]
            x = x + attention.out(_joined(attended))
            if texted:
                looking = block.cross_attention
                shown = x[:texted]
                query = looking.query(block.cross_norm(shown))
                memories = self._text_memory[layer]
                heard = [self._attend_to_text(query, count, text, memories) for text in texts]
                x = _joined([shown + looking.out(_joined(heard)), x[texted:]])
            x = x + block.ffn(x)
        return x

    def _attend(self, qkv: mx.array, count: int, reading: _Reading, layer: int) -> mx.array:
        """Remember the keys and values of `reading` and give what it attends to: [n * count, D]."""
        memory = self._memory[layer][reading.group]
        heads, width = memory.shape[2], memory.shape[4]
        rows = qkv[reading.rows.start * count : reading.rows.stop * count]
        split = rows.reshape(-1, count, 3, heads, width).transpose(2, 0, 3, 1, 4)
        end = reading.start + count
        memory[:, reading.members, :, reading.start : end] = split[1:]
        known = memory[:, reading.members, :, :end]
        mixed = attend(split[0], known[0], known[1], "causal" if count > 1 else None)
        return mixed.swapaxes(1, 2).reshape(-1, heads * width)

    def _attend_to_text(
        self, query: mx.array, count: int, reading: _Reading, memories: Sequence[_TextMemory]
    ) -> mx.array:
        """What `reading` attends to in its text: [n * count, D]."""
        text = memories[reading.group]
        heads, width = text.both.shape[2], text.both.shape[4]
        rows = query[reading.rows.start * count : reading.rows.stop * count]
        split = rows.reshape(-1, count, heads, width).swapaxes(1, 2)
        both = text.both[:, reading.members]
        mixed = attend(split, both[0], both[1], text.mask[reading.members])
        return mixed.swapaxes(1, 2).reshape(-1, heads * width)

    def _read_texts(self, streams: Sequence[Stream]) -> list[list[_TextMemory]]:
        """The keys and values of the texts, for each layer and group; no text is read twice."""
        texts = {id(stream.text): self._padded(stream) for stream in streams}
        masks = [
            mx.stack([_shown(stream) for stream in streams[group.rows]])
            for group in self._text_groups
        ]
        memories = []
        for block in self._decoder.blocks if streams else ():
            read = {
                name: block.cross_attention.keys_values(text[None])[:, 0]
                for name, text in texts.items()
            }
            both = [
                mx.stack([read[id(stream.text)] for stream in streams[group.rows]], axis=1)
                for group in self._text_groups
            ]
            mx.eval(both, masks)
            memories.append(
                [_TextMemory(both=b, mask=mask) for b, mask in zip(both, masks, strict=True)]
            )
        return memories

    def _padded(self, stream: Stream) -> mx.array:
        """The stream's text with its padding, float [L, D]."""
        missing = stream.text_length - len(stream.text)
        return mx.pad(stream.text.astype(self._dtype), [(0, missing), (0, 0)])


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


def _joined(parts: Sequence[mx.array]) -> mx.array:
    """The rows of all parts."""
    some = [part for part in parts if len(part)]
    return some[0] if len(some) == 1 else mx.concatenate(some)


def _shown(stream: Stream) -> mx.array:
    """Bool [1, 1, L], False at padding."""
    return (mx.arange(stream.text_length) < len(stream.text))[None, None]

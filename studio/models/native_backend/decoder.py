"""The decoder at work: streams that remember what they have read.

Owns the memory of keys and values, the rows of a pass, and the rooms that threads compute in. What
it multiplies is in `decoder_weights`, how in `kernels`. It knows nothing of texts, tokenizers,
sampling or the delay pattern.

Letters in shapes: B takes, R streams, K codebooks, V codes, D model width, H heads, E width of
one head, L text tokens, P places of the prefix, S steps.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from studio.models.language_config import DecoderConfig
from studio.models.native_backend.decoder_weights import DecoderWeights
from studio.models.native_backend.gang import together
from studio.models.native_backend.kernels.decoder import embed, read_text, run_pass
from studio.models.native_backend.kernels.products import PANEL, products_code
from studio.models.native_backend.panels import rounded_up
from studio.models.streams import Streams

READ_ROWS = 32
"""Places of one stream that are read in one pass."""
# Where rows are prepared in phases of their own.
_PHASES_PER_LAYER = 14


class CachedDecoder:
    """A decoder that remembers the columns it has seen."""

    def __init__(
        self,
        config: DecoderConfig,
        weights: DecoderWeights,
        streams: Streams,
        *,
        steps: int,
        threads: int,
    ) -> None:
        """Prepare for at most `steps` columns of the grid."""
        self._config = config
        self._weights = weights
        self._streams = streams.ordered
        self._takes = np.array(streams.takes)
        self._prefixes = np.array([stream.prefix_length for stream in streams.ordered])
        self._threads = threads
        self._positions = sinusoids(int(self._prefixes.max()) + steps, config.dim)
        self._tables = np.arange(config.codebooks) * (config.vocabulary + 1)
        element = np.float32 if weights.precision == "float32" else np.int16
        places = len(self._positions)
        self._memory = _memory(config, weights.layers, len(self._streams), places, element)
        self._text_memory, self._texts = self._read_texts(element)
        rows = max(len(self._streams), READ_ROWS)
        longest = max(places, max((stream.text_length for stream in self._streams), default=0))
        self._buffers = _buffers(config, rows)
        self._rooms = _rooms(config, rows, longest, threads)
        self._counters = np.zeros((_PHASES_PER_LAYER * weights.layers + 2, 2), dtype=np.int64)
        self._done = 0

    def advance(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read the next columns of the grid.

        Args:
            tokens: int64 [B, K, S]; S may be above 1 only at the beginning.

        Returns:
            float32 [R, K, V], the logits of the column after the last one read.
        """
        count = tokens.shape[2]
        if self._done == 0 and (count > 1 or self._prefixes.any()):
            last = np.stack(
                [self._read_beginning(row, tokens, count - 1)[0] for row in range(len(self._takes))]
            )
        else:
            last = self._read_step(tokens[:, :, 0])
        self._done += count
        return last

    def read(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """The logits of every column after those of `tokens` [B, K, S]: [R, S, K, V]."""
        rows = range(len(self._takes))
        return np.stack([self._read_beginning(row, tokens, 0) for row in rows])

    def embedded(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """What enters the layers for the columns `tokens` [K, S]: float32 [S, D]."""
        x = np.zeros((tokens.shape[1], self._buffers[0].shape[1]), dtype=np.float32)
        places = np.arange(len(x))
        table = self._weights.arrays["embedding"]
        embed(tokens.T + self._tables, table, self._positions, places, x)
        return x

    def passed(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """What leaves the layers when `x` [S, D] enters them, for the first stream."""
        passed = np.empty_like(x)
        for begin in range(0, len(x), READ_ROWS):
            rows = x[begin : begin + READ_ROWS]
            places = np.arange(begin, begin + len(rows))
            self._buffers[0][: len(rows)] = rows
            streams, texts = np.array([[0, 0, len(rows)]]), np.full((len(rows), 2), -1)
            self._run(streams, places, texts, first_predicted=len(rows))
            passed[places] = self._buffers[0][: len(rows)]
        return passed

    def predicted(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """The logits [S, K, V] of what left the layers, `x` [S, D], by a decoder without layers."""
        parts = []
        for begin in range(0, len(x), READ_ROWS):
            rows = x[begin : begin + READ_ROWS]
            self._buffers[0][: len(rows)] = rows
            places, none = np.arange(len(rows)), np.full((len(rows), 2), -1)
            self._run(np.zeros((0, 3), dtype=np.int64), places, none, first_predicted=0)
            parts.append(self._logits(0, len(rows)))
        return np.concatenate(parts)

    def _read_step(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        """One column [B, K] for all streams together: logits [R, K, V]."""
        rows = len(self._takes)
        places = self._prefixes + self._done
        x = self._buffers[0]
        embed(
            tokens[self._takes] + self._tables, self._weights.arrays["embedding"],
            self._positions, places, x,
        )  # fmt: skip
        streams = np.stack(
            [np.arange(rows), np.arange(rows), np.ones(rows, dtype=np.int64)], axis=1
        )
        self._run(streams, places, self._texts, first_predicted=0)
        return self._logits(0, rows)

    def _read_beginning(
        self, stream: int, tokens: NDArray[np.int64], first_predicted: int
    ) -> NDArray[np.float32]:
        """Prefix and columns of one stream: the logits after column `first_predicted` and on."""
        config, prefix = self._config, int(self._prefixes[stream])
        grid = tokens[self._takes[stream]].T + self._tables
        total = prefix + len(grid)
        text = self._texts[stream : stream + 1]
        predicted = []
        x = self._buffers[0]
        for begin in range(0, total, READ_ROWS):
            places = np.arange(begin, min(total, begin + READ_ROWS))
            rows = len(places)
            x[:rows] = 0.0
            said = max(0, min(prefix - begin, rows))
            if said:
                shown = self._streams[stream].prefix[begin : begin + said]
                x[:said, : config.dim] = shown + self._positions[places[:said]]
            if said < rows:
                embed(
                    grid[places[said:] - prefix], self._weights.arrays["embedding"],
                    self._positions, places[said:], x[said:],
                )  # fmt: skip
            wanted = max(0, min(rows, prefix + first_predicted - begin))
            self._run(
                np.array([[stream, 0, rows]]), places, np.repeat(text, rows, axis=0),
                first_predicted=wanted,
            )  # fmt: skip
            predicted.append(self._logits(wanted, rows))
        return np.concatenate(predicted)

    def _logits(self, first: int, last: int) -> NDArray[np.float32]:
        config = self._config
        numbers = config.codebooks * config.vocabulary
        logits: NDArray[np.float32] = self._buffers[4][first:last, :numbers].copy()
        return logits.reshape(last - first, config.codebooks, config.vocabulary)

    def _run(
        self,
        streams: NDArray[np.int64],
        places: NDArray[np.int64],
        texts: NDArray[np.int64],
        *,
        first_predicted: int,
    ) -> None:
        """One pass of the rows that stand in the first buffer."""
        weights, config = self._weights, self._config
        blocks = (
            weights.arrays["norms"], weights.matrix("qkv"), weights.matrix("out"),
            weights.matrix("cross_query"), weights.matrix("cross_out"), weights.matrix("inner"),
            weights.matrix("outer"),
        )  # fmt: skip
        output = (weights.arrays["output_norm"], *weights.matrix("output"))
        with_text = int((texts[:, 0] >= 0).sum())
        self._counters[:] = 0

        def work(thread: int) -> None:
            run_pass(
                blocks, output, self._memory, self._text_memory, streams, places, texts, with_text,
                self._buffers, self._rooms, self._counters, thread, self._threads,
                weights.integers, (config.dim, config.heads, products_code()),
                np.float32((config.dim // config.heads) ** -0.5), first_predicted,
            )  # fmt: skip

        together(self._threads, work)

    def _read_texts(
        self, element: type[np.generic]
    ) -> tuple[tuple[NDArray[np.generic], NDArray[np.generic]], NDArray[np.int64]]:
        """Keys and values of the texts, and for each stream its text and how long that is.

        No text is read twice; a stream without one has the text -1.
        """
        different = {
            id(stream.text): stream.text for stream in self._streams if stream.text is not None
        }
        numbers = {key: number for number, key in enumerate(different)}
        longest = max((len(text) for text in different.values()), default=0)
        layers = self._weights.layers
        memory = _memory(self._config, layers, len(different), longest, element)
        for key, text in different.items():
            rows = np.zeros((len(text), rounded_up(self._config.dim)), dtype=np.float32)
            rows[:, : self._config.dim] = text
            room = _rooms(self._config, len(text), 1, 1)
            read_text(
                self._weights.matrix("cross_keys_values"), rows, memory, numbers[key],
                (*(part[0] for part in room), products_code()), self._weights.integers,
            )  # fmt: skip
        texts = [
            (-1, 0) if stream.text is None else (numbers[id(stream.text)], len(stream.text))
            for stream in self._streams
        ]
        return memory, np.array(texts, dtype=np.int64)


def sinusoids(length: int, dim: int) -> NDArray[np.float32]:
    """The position vectors of a sequence: cosines, then sines, float32 [length, D].

    As in "Attention Is All You Need" (Vaswani et al. 2017), section 3.5, with audiocraft's layout.
    """
    half = dim // 2
    fall = np.float32(-math.log(1e4) / max(half - 1, 1))
    rates = np.exp(np.arange(half, dtype=np.float32) * fall)
    phases = np.arange(length, dtype=np.float32)[:, None] * rates
    return np.concatenate([np.cos(phases), np.sin(phases)], axis=1, dtype=np.float32)


def _memory(
    config: DecoderConfig, layers: int, streams: int, places: int, element: type[np.generic]
) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """Room for keys and values; never read before it is written."""
    width, places = config.dim // config.heads, rounded_up(places)
    shape = (layers, streams, config.heads)
    keys = np.empty((*shape, places // PANEL, width, PANEL), dtype=element)
    values = np.empty((*shape, rounded_up(width) // PANEL, places, PANEL), dtype=element)
    return keys, values


def _buffers(config: DecoderConfig, rows: int) -> tuple[NDArray[np.float32], ...]:
    widths = (
        config.dim,
        3 * config.dim,
        config.dim,
        config.ffn_dim,
        config.codebooks * config.vocabulary,
    )
    return tuple(np.zeros((rows, rounded_up(width)), dtype=np.float32) for width in widths)


def _rooms(
    config: DecoderConfig, rows: int, places: int, threads: int
) -> tuple[NDArray[np.generic], ...]:
    widest = rounded_up(max(config.dim, config.ffn_dim))
    return (
        np.zeros((threads, rows, rounded_up(config.dim)), dtype=np.float32),
        np.zeros((threads, rows, widest), dtype=np.int8),
        np.zeros((threads, rows, widest // PANEL + 1), dtype=np.int32),
        np.zeros((threads, rows), dtype=np.float32),
        np.zeros((threads, rounded_up(places) + PANEL), dtype=np.float32),
    )

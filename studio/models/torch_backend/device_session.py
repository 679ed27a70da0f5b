"""Takes made on a device, many steps ahead of the host.

Owns the state of the takes on the device, the step that moves it on, and the loop that gives
frames to the host while the next ones are made. One session serves any takes that are alike in
shape, one after another: what was recorded for the first is replayed for all. The arithmetic is in
`device_decoder`, the drawing in `device_sampling`.

Letters in shapes: B takes, R streams, K codebooks, D model width, L text tokens, P places of the
prefix, G columns of the grid, N steps of a block of noise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from studio.models.backend import Sampling
from studio.models.language_config import DecoderConfig
from studio.models.patterns import delay
from studio.models.streams import Stream
from studio.models.torch_backend.device_decoder import DeviceDecoder
from studio.models.torch_backend.device_noise import DeviceNoise, HostNoise, Noise
from studio.models.torch_backend.device_sampling import DeviceSampler, Rule
from studio.models.torch_backend.fused_step import ReadStep
from studio.models.torch_backend.step_graph import Lane

BUCKET = 256
"""Steps look at a multiple of so many cells of the memory: for each a graph is recorded."""
_DRAWN_STEPS = 64
_OPEN = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """The streams of a batch in the order of the decoder's rows, those with a text first.

    Attributes:
        streams: One a row.
        takes: For each row the take whose tokens it reads.
        decisive: For each take the row that decides.
        avoided: For each take the row that it is led away from; without guidance the same.
    """

    streams: tuple[Stream, ...]
    takes: tuple[int, ...]
    decisive: tuple[int, ...]
    avoided: tuple[int, ...]

    @classmethod
    def of(cls, plans: Sequence[Sequence[Stream]]) -> Self:
        """Order the streams of all takes: for each the one that decides, then the avoided one."""
        places = [(take, role) for take, plan in enumerate(plans) for role in range(len(plan))]
        places.sort(key=lambda place: plans[place[0]][place[1]].text is None)
        row = {place: index for index, place in enumerate(places)}
        return cls(
            streams=tuple(plans[take][role] for take, role in places),
            takes=tuple(take for take, _ in places),
            decisive=tuple(row[take, 0] for take in range(len(plans))),
            avoided=tuple(row[take, len(plan) - 1] for take, plan in enumerate(plans)),
        )

    @property
    def texted(self) -> int:
        """How many of the first rows have a text."""
        return sum(stream.text is not None for stream in self.streams)

    @property
    def prefix_length(self) -> int:
        """Of the longest prefix, P."""
        return max(stream.prefix_length for stream in self.streams)


@dataclass(frozen=True, kw_only=True)
class SessionShape:
    """What the takes of one session have in common."""

    takes: int
    rows: int
    texted: int
    text_length: int
    rule: Rule

    @classmethod
    def of(cls, rows: Rows, sampling: Sampling, vocabulary: int) -> Self:
        """That of these rows."""
        guided = rows.decisive != rows.avoided
        return cls(
            takes=len(rows.decisive),
            rows=len(rows.streams),
            texted=rows.texted,
            text_length=max(stream.text_length for stream in rows.streams),
            rule=Rule.of(sampling, guided=guided, vocabulary=vocabulary),
        )


class DeviceSession:
    """State, memory and recorded steps for takes of one shape.

    Attributes:
        cells: Places of prefixes and columns that there is room for.
    """

    def __init__(
        self,
        decoder: DeviceDecoder,
        lane: Lane,
        shape: SessionShape,
        *,
        cells: int,
        bucket: int = BUCKET,
        read_step: ReadStep | None = None,
    ) -> None:
        """Make room.

        Args:
            decoder: The decoder.
            lane: Where steps run.
            shape: Of all takes to come.
            cells: At least so many places of prefix and columns.
            bucket: See `BUCKET`.
            read_step: What reads a step; None is the decoder's own.
        """
        self.cells = -(-cells // bucket) * bucket
        self._decoder, self._lane, self._bucket = decoder, lane, bucket
        self._read_step = read_step or decoder.read_step
        config, device = decoder.config, decoder.device
        with lane.entered():
            self._memory = decoder.new_memory(
                rows=shape.rows,
                cells=self.cells,
                texted=shape.texted,
                text_length=shape.text_length,
            )
            self._positions = decoder.positions(self.cells)
            self._sampler = DeviceSampler(shape.rule, shape.takes, device)
            self._noise = None if shape.rule.greedy else _noise(lane, shape.takes, config)
            # All that counts the steps, in one tensor: the cell to be written, the column to be
            # made, the place in the block of noise, and the position of each row.
            self._counters = torch.zeros(3 + shape.rows, dtype=torch.int64, device=device)
            self._grid = torch.zeros(
                (self.cells + 1, shape.takes, config.codebooks), dtype=torch.int64, device=device
            )
            self._row_takes = torch.zeros(shape.rows, dtype=torch.int64, device=device)
            self._tokens = torch.zeros(
                (shape.rows, config.codebooks), dtype=torch.int64, device=device
            )
        self._cell, self._column, self._drawn, self._places = self._counters.split(
            [1, 1, 1, shape.rows]
        )
        self._steps: dict[int, Callable[[], None]] = {}
        self._next_cell = 0
        self._noise_left = 0

    def begin(
        self,
        rows: Rows,
        grid: NDArray[np.int64],
        *,
        known: int,
        sampling: Sampling,
        seeds: Sequence[int],
        step: int,
    ) -> None:
        """Read what is known, and stand before the first step.

        Args:
            rows: Of the session's shape.
            grid: int64 [G, B, K], below 0 where a code is to be made.
            known: How many columns are read before the first step, which reads the next one.
            sampling: Of the session's rule.
            seeds: One a take.
            step: What keys the first step's noise.
        """
        self._lane.join()
        with self._lane.entered():
            self._begin(rows, grid, known, sampling)
            if self._noise is not None:
                self._noise.begin(seeds, step)
        self._noise_left = 0

    def advance(self) -> None:
        """Make the next column; within the lane."""
        if self._noise is not None and not self._noise_left:
            self._noise.refill()
            self._drawn.zero_()
            self._noise_left = len(self._noise.block)
        self._noise_left -= 1
        cells = -(-(self._next_cell + 1) // self._bucket) * self._bucket
        if cells not in self._steps:
            self._steps[cells] = self._lane.graph(partial(self._step, cells))
        self._steps[cells]()
        self._next_cell += 1

    def columns(self, first: int, stop: int) -> Callable[[], NDArray[np.int64]]:
        """Begin to copy columns to the host: int64 [stop - first, B, K]; within the lane."""
        return self._lane.fetch(self._grid[first:stop])

    def _step(self, cells: int) -> None:
        """One column, with nothing but tensors that stay where they are."""
        x = self._decoder.embed(self._tokens, self._positions.index_select(0, self._places))
        x = self._read_step(x, self._memory, self._cell, cells)
        noise = None
        if self._noise is not None:
            noise = self._noise.block.index_select(0, self._drawn)[0]
        picked = self._sampler.pick(self._decoder.predict(x), noise)
        forced = self._grid.index_select(0, self._column)[0]
        codes = torch.where(forced < 0, picked, forced)
        self._grid.index_copy_(0, self._column, codes[None])
        self._show(codes)
        self._counters.add_(1)

    def _show(self, codes: Tensor) -> None:
        """Let the next step read `codes` [B, K]."""
        tokens = codes.index_select(0, self._row_takes)
        torch.add(tokens, self._decoder.token_rows, out=self._tokens)

    def _begin(self, rows: Rows, grid: NDArray[np.int64], known: int, sampling: Sampling) -> None:
        self._sampler.begin(sampling, torch.tensor(rows.decisive), torch.tensor(rows.avoided))
        self._row_takes.copy_(torch.tensor(rows.takes))
        self._grid[: len(grid)].copy_(torch.from_numpy(grid))
        late = np.array([rows.prefix_length - stream.prefix_length for stream in rows.streams])
        read = rows.prefix_length + known
        cells = np.arange(self.cells)
        written = (late[:, None] <= cells) & (cells < read)
        for past in self._memory.past:
            past.zero_()
        self._memory.mask.copy_(_additive(written)[:, None, None])
        self._read_texts(rows)
        if read:
            self._read_known(rows, grid[:known], late)
        counters = [read, known + 1, 0, *(read - late)]
        self._counters.copy_(torch.tensor(counters, dtype=torch.int64))
        self._show(self._grid[known])
        self._next_cell = read

    def _read_texts(self, rows: Rows) -> None:
        texts = self._memory.texts
        if texts is None:
            return
        said = [stream.text for stream in rows.streams[: rows.texted]]
        length = texts.mask.shape[-1]
        padded = torch.stack([functional.pad(t, (0, 0, 0, length - len(t))) for t in said])
        read = self._decoder.read_texts(padded.to(self._decoder.dtype))
        for place, both in zip(texts.both, read, strict=True):
            place.copy_(both)
        shown = np.arange(length) < np.array([len(text) for text in said])[:, None]
        texts.mask.copy_(_additive(shown)[:, None, None])

    def _read_known(self, rows: Rows, grid: NDArray[np.int64], late: NDArray[np.int64]) -> None:
        """Read prefixes and the columns `grid` [known, B, K] of all rows at once."""
        decoder, device = self._decoder, self._decoder.device
        length = rows.prefix_length + len(grid)
        cells = np.arange(length)
        places = torch.from_numpy(np.maximum(cells - late[:, None], 0)).to(device)
        tokens = torch.from_numpy(grid[:, list(rows.takes)].swapaxes(0, 1).copy()).to(device)
        positions = self._positions[places]
        before, after = positions[:, : rows.prefix_length], positions[:, rows.prefix_length :]
        for row, stream in enumerate(rows.streams):
            if stream.prefix is not None:
                before[row, late[row] :] += stream.prefix
        said = decoder.embed(tokens + decoder.token_rows, after)
        x = torch.cat([before.to(decoder.dtype), said], dim=1)
        # What lies before a stream's beginning looks at itself: its numbers are finite, and unread.
        looks = (cells <= cells[:, None]) & (late[:, None, None] <= cells)
        looks |= np.eye(length, dtype=np.bool_)
        mask = torch.from_numpy(looks[:, None]).to(device)
        decoder.read_whole(x, mask, self._memory.texts, self._memory.past)


def open_grid(
    prefix: NDArray[np.int64], frames: int, config: DecoderConfig, *, closed: bool
) -> NDArray[np.int64]:
    """The delay pattern with what is known of it, as `studio.models.decode` fills it.

    Args:
        prefix: int64 [B, K, P].
        frames: To be made after it.
        config: Of the decoder.
        closed: See `MusicBackend.steps`.

    Returns:
        int64 [G, B, K], below 0 where a code is to be made.
    """
    batch, codebooks, known = prefix.shape
    delays = np.array(config.delays)
    blank = np.full((batch, codebooks, frames), config.vocabulary, dtype=np.int64)
    grid = delay(np.concatenate([prefix, blank], axis=2), config.vocabulary, config.delays)
    made = np.arange(grid.shape[2])[:, None] - 1 - delays
    new = (made >= known) & (made < known + frames) if closed else made >= known
    columns = grid.transpose(2, 0, 1).copy()
    columns.swapaxes(1, 2)[new] = _OPEN
    return columns


def session_frames(
    session: DeviceSession,
    lane: Lane,
    rows: Rows,
    config: DecoderConfig,
    *,
    prefix: NDArray[np.int64],
    frames: int,
    seeds: Sequence[int],
    sampling: Sampling,
    first_step: int,
    closed: bool,
) -> Iterator[NDArray[np.int64]]:
    """Make takes; see `MusicBackend.steps`.

    Steps are asked for in blocks, short ones first so that sound begins early. Some blocks are on
    their way while the host waits for the oldest, so that the device is never without work.
    """
    grid = open_grid(prefix, frames, config, closed=closed)
    known, delays = prefix.shape[2], np.array(config.delays)
    latest, books = int(delays.max()), np.arange(config.codebooks)
    session.begin(rows, grid, known=known, sampling=sampling, seeds=seeds, step=first_step + known)
    asked, on_the_way = known + 1, deque[tuple[int, Callable[[], NDArray[np.int64]]]]()
    blocks = _blocks(len(grid) - asked, latest + 1, lane.longest_block)
    left = True
    while left or on_the_way:
        while left and len(on_the_way) <= lane.ahead:
            size = next(blocks, 0)
            left = size > 0
            if left:
                with lane.entered():
                    for _ in range(size):
                        session.advance()
                    on_the_way.append((asked, session.columns(asked, asked + size)))
                asked += size
        if not on_the_way:
            return
        first, wait = on_the_way.popleft()
        arrived = wait()
        grid[first : first + len(arrived)] = arrived
        for column in range(first, first + len(arrived)):
            if column - 1 - latest >= known:
                yield grid[column - latest + delays, :, books].T


def _blocks(steps: int, first: int, longest: int) -> Iterator[int]:
    """Sizes that add up to `steps`: `first`, then 1, 2, 4 and so on up to `longest`."""
    size, grown = first, 1
    while steps > 0:
        yield min(size, steps)
        steps -= size
        size, grown = min(grown, longest), 2 * grown


def _noise(lane: Lane, takes: int, config: DecoderConfig) -> Noise:
    steps = _DRAWN_STEPS if lane.draws else lane.longest_block
    shape = (steps, takes, config.codebooks, config.vocabulary)
    block = torch.zeros(shape, device=lane.device)
    return DeviceNoise(block, lane.graph) if lane.draws else HostNoise(block)


def _additive(shown: NDArray[np.bool_]) -> Tensor:
    """0 where True, minus infinity elsewhere."""
    return torch.from_numpy(np.where(shown, np.float32(0.0), np.float32(-np.inf)))

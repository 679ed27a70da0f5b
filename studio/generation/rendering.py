"""Plans to codes and sound, several takes at once.

Owns the run of the decoder over the windows of a batch, and the streams of sound that grow from
it. It plans nothing, loads nothing and keeps nothing.

Letters in shapes: B takes, K codebooks, T codec frames.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import CancelledError
from studio.generation.lanes import Lane, lane_pool
from studio.generation.planning import RenderPlan
from studio.generation.request import Chunk
from studio.generation.streaming import TakeStream
from studio.generation.windows import Window
from studio.models.backend import Condition, ModelInfo, MusicBackend
from studio.models.chroma import CHROMA_RATE

_CACHE_BYTES = 2 * 2**30
_STREAMS = 2
_SOUND_THREADS = 2

Rendered = tuple[NDArray[np.int64], NDArray[np.float32]]


def run_together(one: RenderPlan, other: RenderPlan) -> bool:
    """Whether two takes of one model can be made by the same steps."""
    return one.windows == other.windows and one.sampling == other.sampling


def largest_batch(plan: RenderPlan, info: ModelInfo) -> int:
    """How many takes like this one the decoder's memory is allowed for; 1 at least."""
    longest = max(window.prefix_frames + window.new_frames for window in plan.windows)
    return max(1, _CACHE_BYTES // (_STREAMS * info.cache_bytes * (longest + info.codebooks)))


def render(
    backend: MusicBackend,
    plans: Sequence[RenderPlan],
    cancelled: Callable[[], bool],
    known: NDArray[np.int64] | None = None,
) -> Generator[tuple[int, Chunk], None, list[Rendered]]:
    """Make the takes of one batch.

    Args:
        backend: The model.
        plans: Of the takes.
        cancelled: Asked before each frame.
        known: Their codes [B, K, T] where they were made before; then only sound is made.

    Yields:
        The place of a take among `plans`, and sound of it that became final.

    Returns:
        For each plan its codes [K, T] and its sound float32 [channels, frames].

    Raises:
        CancelledError: `cancelled` said so.
    """
    # Sound grows beside the steps where the backend's library lets two threads compute at once.
    beside = backend.info.backend == "native"
    with lane_pool(min(len(plans), _SOUND_THREADS) if beside else 0) as pool:
        takes = [_Growing(backend, plan, pool) for plan in plans]
        for take in takes:
            take.add(take.head)
        if known is None:
            made = new_frames(backend, plans, cancelled)
        else:
            new = known[:, :, plans[0].new_from : plans[0].new_to]
            made = _until_cancelled(iter(new.transpose(2, 0, 1)), cancelled)
        for frames in made:
            for place, take in enumerate(takes):
                take.make(frames[place])
                for chunk in take.grown():
                    yield place, chunk
        for take in takes:
            take.add(take.tail)
            take.end()
        for place, take in enumerate(takes):
            take.wait()
            for chunk in take.grown():
                yield place, chunk
        return [take.rendered for take in takes]


def new_frames(
    backend: MusicBackend, plans: Sequence[RenderPlan], cancelled: Callable[[], bool]
) -> Iterator[NDArray[np.int64]]:
    """The codec frames [B, K] that are made, one by one, window after window."""
    first = plans[0]
    codes = np.empty((len(plans), backend.info.codebooks, first.new_to), dtype=np.int64)
    for place, plan in enumerate(plans):
        codes[place, :, : plan.new_from] = kept_codes(plan, backend.info)[0]
    made = first.new_from
    for window in first.windows:
        last = window.first_frame + window.prefix_frames + window.new_frames == first.codec_frames
        steps = backend.steps(
            [_heard_in(plan.condition, window, backend.info) for plan in plans],
            frames=window.new_frames,
            seeds=[plan.request.seed for plan in plans],
            sampling=first.sampling,
            prefix=codes[:, :, window.first_frame : made] if window.prefix_frames else None,
            first_step=window.first_frame,
            # Greedy takes follow the reference to their last frame.
            closed=first.sampling.greedy and last,
        )
        for frame in _until_cancelled(steps, cancelled):
            codes[:, :, made] = frame
            made += 1
            yield frame


def kept_codes(plan: RenderPlan, info: ModelInfo) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The codes [K, n] of the source before the new part, and those after it."""
    if plan.request.source is None:
        nothing = np.zeros((info.codebooks, 0), dtype=np.int64)
        return nothing, nothing
    source = plan.request.source.array
    return source[:, : plan.new_from], source[:, plan.new_to : plan.codec_frames]


class _Growing:
    """One take while it is made; its sound may be made by another thread."""

    def __init__(
        self, backend: MusicBackend, plan: RenderPlan, pool: ThreadPoolExecutor | None
    ) -> None:
        info = backend.info
        self.head, self.tail = kept_codes(plan, info)
        self._stream = TakeStream(
            backend.decoder_stream(),
            channels=info.channels,
            sample_rate=info.sample_rate,
            speed=plan.speed,
            sample_frames=plan.sample_frames,
            seam_frames=plan.seam_frames,
        )
        self._lane: Lane[Chunk] = Lane(pool)
        self._codes: list[NDArray[np.int64]] = []
        self._made = 0
        self._total = plan.new_to - plan.new_from
        self._samples: NDArray[np.float32] | None = None

    @property
    def rendered(self) -> Rendered:
        """Codes and sound, after `end` and `wait`."""
        assert self._samples is not None
        return np.stack(self._codes, axis=1), self._samples

    def add(self, codes: NDArray[np.int64]) -> None:
        """Take kept codes [K, n] in."""
        for frame in codes.T:
            self._push(frame)

    def make(self, frame: NDArray[np.int64]) -> None:
        """Take a new frame [K] in."""
        self._made += 1
        self._push(frame)

    def end(self) -> None:
        """Give the sound that was held back, too."""
        made = self._made
        self._lane.add(lambda: self._finish(made))

    def grown(self) -> Iterator[Chunk]:
        """The sound that became final meanwhile."""
        return self._lane.results()

    def wait(self) -> None:
        """Come back when all sound is made."""
        self._lane.wait()

    def _push(self, frame: NDArray[np.int64]) -> None:
        self._codes.append(frame)
        made = self._made
        group = self._stream.collect(frame)
        if group is not None:
            self._lane.add(lambda: self._chunk(self._stream.decode(group), made))

    def _finish(self, made: int) -> Chunk:
        last, self._samples = self._stream.finish()
        return self._chunk(last, made)

    def _chunk(self, samples: NDArray[np.float32], made: int) -> Chunk:
        return Chunk(
            start_frame=self._stream.told_frames - samples.shape[1],
            samples=samples,
            done_steps=made,
            total_steps=self._total,
        )


def _heard_in(condition: Condition, window: Window, info: ModelInfo) -> Condition:
    """A take's condition as a window hears it: the melody begins where the window does."""
    if condition.melody is None or not window.first_frame:
        return condition
    passed = round(window.first_frame / info.frame_rate * CHROMA_RATE)
    return replace(condition, melody=np.roll(condition.melody, -passed))


def _until_cancelled(
    steps: Iterator[NDArray[np.int64]], cancelled: Callable[[], bool]
) -> Iterator[NDArray[np.int64]]:
    while True:
        if cancelled():
            raise CancelledError("Cancelled; the takes that were finished are kept.")
        frame = next(steps, None)
        if frame is None:
            return
        yield frame

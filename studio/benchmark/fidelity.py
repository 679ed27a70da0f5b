"""What a precision costs a model on music of its own.

Owns the music, which is made in float32, and what is drawn from two predictions of its codes. It
judges nothing: `native_backend.precision` chooses.

Letters in shapes: B takes, K codebooks, V codes in a codebook, T frames, S steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from studio.benchmark.asking import GUIDANCE, TOP_K, usual_condition
from studio.benchmark.contestants import Contestant, load_contestants
from studio.benchmark.result import FidelityFigure, LeftOut
from studio.core.errors import ModelError
from studio.models.backend import Condition, MusicBackend, Sampling
from studio.models.bundle import open_bundle
from studio.models.patterns import delay
from studio.models.shapes import Shapes
from studio.models.shelf.shelf import ModelShelf

EXACT = "float32"
_TAKES = 2
_MOST_FRAMES = 250

Logits = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Music:
    """Takes, as the decoder reads them.

    Attributes:
        conditions: One a take.
        grid: The delayed codes, int64 [B, K, S].
        shown: bool [K, S]: the steps after which the next code is one of the take's.
    """

    conditions: list[Condition]
    grid: NDArray[np.int64]
    shown: NDArray[np.bool_]


def measure_fidelity(
    folder: Path,
    ours: Sequence[Contestant],
    *,
    frames: int,
    shelf: ModelShelf,
    tell: Callable[[str], None],
) -> tuple[list[FidelityFigure], list[LeftOut]]:
    """Hold each contestant's prediction of the next code against float32's.

    Args:
        folder: The bundle.
        ours: Of one backend; float32 need not be among them.
        frames: Codec frames of each take.
        shelf: Remembers digests of large files.
        tell: Given one line before each contestant's turn.

    Returns:
        A figure for each but float32 itself, and what could not be measured.
    """
    rounded = [one for one in ours if one.precision != EXACT]
    if not rounded:
        return [], []
    try:
        exact = _exact(folder, ours, shelf, tell).model
    except ModelError as error:
        return [], [LeftOut(what="fidelity", why=error.user_message)]
    tell(f"fidelity: making music in {EXACT}")
    frames = min(frames, _MOST_FRAMES)
    music = _made(exact.backend, usual_condition(folder, exact, frames), folder, frames)
    expected = _predicted(exact.backend, music)
    figures = []
    for one in rounded:
        tell(f"fidelity: {one.name}")
        found = _predicted(one.model.backend, music)
        figures.append(
            FidelityFigure(
                contestant=one.name,
                codes=len(expected),
                nats=divergence(expected, found),
                equal_share=equal_share(expected, found),
            )
        )
    return figures, []


def divergence(expected: Logits, found: Logits) -> float:
    """Mean of KL(expected || found) over rows of logits [N, V], in nats."""
    exact, other = _log_softmax(expected), _log_softmax(found)
    return max(0.0, float((np.exp(exact) * (exact - other)).sum(axis=-1).mean()))


def equal_share(expected: Logits, found: Logits) -> float:
    """Part of the rows of logits [N, V] whose largest stands at the same place."""
    return float((expected.argmax(axis=-1) == found.argmax(axis=-1)).mean())


def _exact(
    folder: Path, ours: Sequence[Contestant], shelf: ModelShelf, tell: Callable[[str], None]
) -> Contestant:
    for one in ours:
        if one.precision == EXACT:
            return one
    (loaded,), _ = load_contestants(folder, ours[0].backend, (EXACT,), shelf, tell)
    return loaded


def _made(backend: MusicBackend, condition: Condition, folder: Path, frames: int) -> _Music:
    conditions = [condition] * _TAKES
    sampling = Sampling(top_k=TOP_K, guidance=GUIDANCE)
    steps = backend.steps(conditions, frames=frames, seeds=range(_TAKES), sampling=sampling)
    codes = np.stack(list(steps), axis=2)
    config = Shapes.of(open_bundle(folder)).decoder
    grid = delay(codes, config.vocabulary, config.delays)[:, :, :-1]
    made = np.arange(grid.shape[2]) - np.array(config.delays)[:, None]
    return _Music(conditions=conditions, grid=grid, shown=(made >= 0) & (made < frames))


def _predicted(backend: MusicBackend, music: _Music) -> Logits:
    """The logits of every code of the music, [N, V]."""
    logits = backend.logits(music.grid, music.conditions)
    rows: Logits = logits[:, music.shown].reshape(-1, logits.shape[-1])
    return rows


def _log_softmax(logits: Logits) -> NDArray[np.float64]:
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=-1, keepdims=True)
    normed: NDArray[np.float64] = wide - np.log(np.exp(wide).sum(axis=-1, keepdims=True))
    return normed

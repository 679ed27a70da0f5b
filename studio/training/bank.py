"""A bank of loops on disk: what the trainers read.

Owns rendering many loops in parallel, their storage as one flat int16 file with an index, and
random circular excerpts of them. It knows nothing of networks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from studio.training.loopsynth import LoopLabels, render_loop

Split = Literal["train", "validation"]
_FULL_SCALE = 32_767
_RENDERED_AT_ONCE = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class LoopBank:
    """Loops of one split, held as 16-bit samples.

    Attributes:
        samples: int16 [total frames], all loops end to end.
        offsets: int64 [count + 1], where each loop begins.
        labels: One `LoopLabels` a loop, or none where nobody labelled them.
    """

    samples: NDArray[np.int16]
    offsets: NDArray[np.int64]
    labels: Sequence[LoopLabels]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def loop(self, index: int) -> NDArray[np.float32]:
        """One period of loop `index`, float32 [frames]."""
        period = self.samples[self.offsets[index] : self.offsets[index + 1]]
        return period.astype(np.float32) / np.float32(_FULL_SCALE)

    def excerpt(self, index: int, start: int, frames: int) -> NDArray[np.float32]:
        """`frames` of loop `index` played round and round from `start` (may be negative)."""
        begin, end = self.offsets[index], self.offsets[index + 1]
        positions = begin + np.arange(start, start + frames) % (end - begin)
        played: NDArray[np.int16] = self.samples[positions]
        return played.astype(np.float32) / np.float32(_FULL_SCALE)

    def random_excerpts(
        self, count: int, frames: int, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """Excerpts at random places and gains, float32 [count, frames]."""
        rows = []
        for _ in range(count):
            index = int(rng.integers(len(self)))
            start = int(rng.integers(self.offsets[index + 1] - self.offsets[index]))
            rows.append(self.excerpt(index, start, frames) * rng.uniform(0.5, 1.1))
        return np.stack(rows).astype(np.float32)


def _render(seeds: Sequence[int], split: Split) -> list[tuple[NDArray[np.int16], dict[str, Any]]]:
    rendered = []
    for seed in seeds:
        loop = render_loop(seed, split=split, kind=None)
        samples = np.round(np.clip(loop.samples, -1, 1) * _FULL_SCALE).astype(np.int16)
        rendered.append((samples, asdict(loop.labels)))
    return rendered


def render_bank(folder: Path, seeds: Iterable[int], *, split: Split, workers: int) -> LoopBank:
    """Render what `seeds` draw on `workers` processes and store it in `folder`.

    Single hits and risers are among the loops.
    """
    every = list(seeds)
    parts = [every[i : i + _RENDERED_AT_ONCE] for i in range(0, len(every), _RENDERED_AT_ONCE)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        rendered = [
            item for part in pool.map(_render, parts, [split] * len(parts)) for item in part
        ]
    offsets = np.cumsum([0] + [len(samples) for samples, _ in rendered]).astype(np.int64)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "samples.npy", np.concatenate([samples for samples, _ in rendered]))
    np.save(folder / "offsets.npy", offsets)
    labels = json.dumps([labels for _, labels in rendered])
    (folder / "labels.json").write_text(labels, encoding="utf-8")
    return open_bank(folder)


def open_bank(folder: Path) -> LoopBank:
    """Open what `render_bank` stored; the samples stay on disk until they are read."""
    labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    for values in labels:
        values["onset_frames"] = tuple(values["onset_frames"])
        values["voices"] = tuple(values["voices"])
    return LoopBank(
        samples=np.load(folder / "samples.npy", mmap_mode="r"),
        offsets=np.load(folder / "offsets.npy"),
        labels=[LoopLabels(**values) for values in labels],
    )

"""The table of sizes: what each preset weighs and how fast it is here.

Owns the measuring of one size, with random weights in a bundle that is thrown away: training
steps by the trainer's own step, playing by the backend that every take is made with.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from studio.models.backend import Condition, MusicBackend, Sampling
from studio.models.catalog import find_known
from studio.models.selection import load_backend
from studio.models.torch_backend.codec import EncodecModel
from studio.training.publish import publish_bundle
from studio.training.workshop.network import build_network
from studio.training.workshop.pace import choose_threads, measure_pace
from studio.training.workshop.settings import TrainingSettings
from studio.training.workshop.sizes import SIZES

_SAMPLING = Sampling(temperature=0.9, top_k=50, guidance=1.0)
_WARM_UP_FRAMES = 5
_SMALL = "facebook/musicgen-small"
_SMALL_PARAMETERS = 529_600_000  # decoder 419.6 million (docs/models.md), text encoder 110
_ROW = "{:<24} {:<22} {:>8} {:>6} {:>10} {:>7} {:>9} {:>11}"


@dataclass(frozen=True, kw_only=True)
class SizeFigures:
    """One row.

    Attributes:
        name: Of the preset.
        shape: Width, layers, heads.
        parameters: Numbers in the language model; of the presets without words.
        megabytes: Of the bundle, codec included.
        training_steps_per_second: With the batch of the settings; None where it was not measured.
        load_seconds: From the folder to the first codec frame, None likewise.
        steps_per_second: Codec frames made in a second, one take, None likewise.
        times_real_time: Seconds of sound made and decoded in a second, None likewise.
    """

    name: str
    shape: tuple[int, int, int]
    parameters: int
    megabytes: float
    training_steps_per_second: float | None = None
    load_seconds: float | None = None
    steps_per_second: float | None = None
    times_real_time: float | None = None


def measure_size(
    name: str, codec: EncodecModel, settings: TrainingSettings, *, seconds: float
) -> SizeFigures:
    """Measure one preset on this machine.

    Args:
        name: Of the preset.
        codec: Put into its bundle.
        settings: Whose batch, context and memory are taken for training.
        seconds: Of sound to make.

    Raises:
        TrainingError: It does not fit into memory.
        StorageError: There is no room for its bundle.
    """
    size = SIZES[name]
    frames = round(settings.context_seconds * codec.config.frame_rate)
    network = build_network(
        size,
        codebooks=codec.config.codebooks,
        vocabulary=codec.config.codebook_size,
        frames=frames,
        text_tokens=0,
        seed=0,
        recompute=settings.checkpointing,
    )
    threads = torch.get_num_threads()
    choose_threads(settings)
    pace = measure_pace(
        network,
        settings,
        frames=frames,
        text_length=0,
        rows=settings.batch,
        device=torch.device("cpu"),
    )
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory(prefix="studio-sizes-") as place:
        bundle = Path(place) / name
        publish_bundle(bundle, codec=codec, model=network.eval(), generation={})
        megabytes = sum(file.stat().st_size for file in bundle.iterdir()) / 1e6
        del network
        loading, steps, real_time = measure_playing(bundle, seconds=seconds)
    parameters = size.parameters(
        codebooks=codec.config.codebooks, vocabulary=codec.config.codebook_size
    )
    return SizeFigures(
        name=name,
        shape=(size.dim, size.layers, size.heads),
        parameters=parameters,
        megabytes=megabytes,
        training_steps_per_second=1 / pace.seconds_a_step,
        load_seconds=loading,
        steps_per_second=steps,
        times_real_time=real_time,
    )


def known_small() -> SizeFigures:
    """MusicGen-small by the catalogue and its published shape, nothing measured."""
    known = find_known(_SMALL)
    assert known is not None  # it is in every catalogue
    return SizeFigures(
        name=_SMALL,
        shape=(1024, 24, 16),
        parameters=_SMALL_PARAMETERS,
        megabytes=known.size_megabytes,
    )


def measured_small(bundle: Path, *, seconds: float) -> SizeFigures:
    """MusicGen-small, played by random weights of its shape in `bundle`.

    Raises:
        ModelError: The bundle is not usable.
    """
    loading, steps, real_time = measure_playing(bundle, seconds=seconds)
    return replace(
        known_small(), load_seconds=loading, steps_per_second=steps, times_real_time=real_time
    )


def heading() -> str:
    """The titles of `row`."""
    return _ROW.format(
        "size", "width x layers x heads", "million", "MB", "train st/s", "load s", "play st/s",
        "x real time",
    )  # fmt: skip


def row(figures: SizeFigures) -> str:
    """One line of the table."""

    def shown(value: float | None, digits: int = 1) -> str:
        return "-" if value is None else f"{value:.{digits}f}"

    return _ROW.format(
        figures.name,
        " x ".join(map(str, figures.shape)),
        shown(figures.parameters / 1e6),
        shown(figures.megabytes, 0),
        shown(figures.training_steps_per_second, 2),
        shown(figures.load_seconds, 2),
        shown(figures.steps_per_second, 0),
        shown(figures.times_real_time),
    )


def measure_playing(bundle: Path, *, seconds: float) -> tuple[float, float, float]:
    """Load a bundle and make one take without words.

    Returns:
        Seconds from the folder to the first codec frame, codec frames made in a second, and
        seconds of sound made and decoded in a second.

    Raises:
        ModelError: The bundle is not usable.
    """
    began = time.perf_counter()
    backend = load_backend(bundle)
    next(_frames(backend, 1))
    loading = time.perf_counter() - began
    for _ in _frames(backend, _WARM_UP_FRAMES):
        pass
    wanted = max(1, min(backend.info.window_frames, round(seconds * backend.info.frame_rate)))
    began = time.perf_counter()
    columns = list(_frames(backend, wanted))
    stepping = time.perf_counter() - began
    backend.decode(np.stack([column[0] for column in columns], axis=1)[None])
    whole = time.perf_counter() - began
    return loading, wanted / stepping, wanted / backend.info.frame_rate / whole


def _frames(backend: MusicBackend, count: int) -> Iterator[NDArray[np.int64]]:
    return backend.steps([Condition()], frames=count, seeds=[1], sampling=_SAMPLING)

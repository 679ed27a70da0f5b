"""A window on a real library, with an engine and a sound card that are made up."""

from __future__ import annotations

import gc
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.audio.clip import AudioClip
from studio.core.errors import CancelledError, DeviceError, StudioError
from studio.core.paths import Paths
from studio.core.settings import Settings
from studio.generation.coded_take import CodedTake
from studio.generation.jobs import Job, Listener, Progress
from studio.generation.request import Chunk, GenerationRequest, Take
from studio.library.records import NewSample
from studio.models.hub.download import Licence
from studio.models.shelf.shelf import ModelEntry
from studio.ui import theme
from studio.ui.bridge import Bridge
from studio.ui.main_window import MainWindow
from studio.ui.models import Models
from studio.workstation.workstation import Workstation
from tests.ui.banks import write_banks

RATE = 32_000
STEPS = 40
_PATIENCE = 30_000


def made_up_sound(request: GenerationRequest) -> AudioClip:
    """Hits on every eighth, so that a picture of it looks like a loop."""
    tempo_bpm, bars = request.tempo_bpm or 120.0, request.bars or 2
    frames = round(bars * 240 / tempo_bpm * RATE)
    noise = np.random.default_rng(request.seed)
    step = round(30 / tempo_bpm * RATE)
    beat = np.arange(frames) % step
    hit = np.exp(-beat / (0.06 * RATE)) * noise.normal(0, 0.18, frames)
    strong = np.where((np.arange(frames) // step) % 4 == 0, 1.0, 0.5)
    bass = 0.3 * np.sin(2 * np.pi * 55 * np.arange(frames) / RATE) * np.exp(-beat / (0.2 * RATE))
    return AudioClip(samples=(hit * strong + bass).astype(np.float32)[None], sample_rate=RATE)


class MadeUpEngine:
    """Stands in for the generation worker: one job at a time on a thread, sound in chunks.

    Attributes:
        pause_seconds: Between chunks.
        fault: What the next job fails with.
        hold: While set, jobs wait before their first chunk.
    """

    def __init__(self) -> None:
        self.pause_seconds = 0.01
        self.fault: StudioError | None = None
        self.hold = threading.Event()
        self.hold.set()
        self.warmed: list[str] = []
        self.coded: list[CodedTake | None] = []
        self._numbers = itertools.count(1)
        self._cancelled: set[int] = set()
        self._threads: list[threading.Thread] = []
        self._turn = threading.Lock()

    def submit(
        self,
        request: GenerationRequest,
        listener: Listener | None = None,
        coded: CodedTake | None = None,
    ) -> Job:
        self.coded.append(coded)
        request = request.checked()
        job = Job(id=next(self._numbers), request=request, on_cancel=self.cancel)
        tell: Callable[[Progress], None] = listener or (lambda _progress: None)
        tell(Progress(job_id=job.id, state="queued"))
        thread = threading.Thread(target=self._run, args=(job, tell, coded))
        self._threads.append(thread)
        thread.start()
        return job

    def _run(self, job: Job, tell: Callable[[Progress], None], coded: CodedTake | None) -> None:
        with self._turn:
            self.hold.wait(20)
            if job.id in self._cancelled:
                job.future.set_exception(CancelledError("Cancelled."))
                return
            fault, self.fault = self.fault, None
            if fault is not None:
                job.future.set_exception(fault)
                tell(Progress(job_id=job.id, state="failed", error=fault))
                return
            clip = made_up_sound(job.request)
            edges = np.linspace(0, clip.frames, STEPS + 1).astype(int)
            for step in range(STEPS):
                if job.id in self._cancelled:
                    job.future.set_exception(CancelledError("Cancelled."))
                    return
                time.sleep(self.pause_seconds)
                samples = clip.samples[:, edges[step] : edges[step + 1]]
                chunk = Chunk(
                    start_frame=int(edges[step]),
                    samples=samples,
                    done_steps=step + 1,
                    total_steps=STEPS,
                )
                tell(
                    Progress(
                        job_id=job.id,
                        state="running",
                        done_steps=step + 1,
                        total_steps=STEPS,
                        chunk=chunk,
                    )
                )
            job.future.set_result(
                Take(
                    request=job.request,
                    clip=clip,
                    codes=np.zeros((4, STEPS), np.int64) if coded is None else coded.codes.array,
                    model_hash="0" * 64,
                    tempo_bpm=job.request.tempo_bpm,
                    bars=job.request.bars,
                    key=job.request.key,
                    seconds_taken=1.0,
                )
            )
            tell(Progress(job_id=job.id, state="done", done_steps=STEPS, total_steps=STEPS))

    def warm_up(self, model: str, precision: str | None = None) -> None:
        self.warmed.append(model)

    def jobs(self) -> tuple[Any, ...]:
        return ()

    def cancel(self, job_id: int) -> None:
        self._cancelled.add(job_id)

    def close(self) -> None:
        self.hold.set()
        for thread in self._threads:
            thread.join(10)


class MadeUpShelf:
    """Stands in for the models on this computer and those that could be fetched.

    Attributes:
        fault: What the next question fails with.
        fetching: Futures, progress and cancel of what is being fetched, by name.
    """

    def __init__(self) -> None:
        self.fault: StudioError | None = None
        self.entries = [
            made_up_model("house", embedded=True, licence="MIT", path=Path("/models/house")),
            made_up_model("facebook/musicgen-small", size_megabytes=2_360),
            made_up_model("facebook/musicgen-melody", kind="melody", path=Path("/models/melody")),
            made_up_model("someone/micro", kind="unconditional", path=Path("/models/micro")),
            made_up_model("t5-base", kind="part", sample_rate=0, channels=0),
        ]
        self.fetching: dict[str, Fetching] = {}

    def stand_in(self, workstation: Workstation) -> None:
        for name in ("models", "add_model", "remove_model", "licence_of", "download_model"):
            setattr(workstation, name, getattr(self, name))

    def models(self) -> tuple[ModelEntry, ...]:
        return tuple(self.entries)

    def add_model(self, folder: Path) -> ModelEntry:
        self._fail()
        entry = made_up_model(folder.name, registered=True, path=folder, licence="not stated")
        self.entries.append(entry)
        return entry

    def remove_model(self, name: str) -> None:
        self._fail()
        self.entries = [
            replace(entry, path=None) if entry.name == name else entry
            for entry in self.entries
            if entry.name != name or not entry.registered
        ]

    def licence_of(self, name: str) -> Future[Licence]:
        future: Future[Licence] = Future()
        try:
            self._fail()
        except StudioError as error:
            future.set_exception(error)
        else:
            future.set_result(Licence(name="CC-BY-NC-4.0", url=f"https://huggingface.co/{name}"))
        return future

    def download_model(
        self,
        name: str,
        accepted_licence: str,
        progress: Callable[[int, int], None],
        *,
        cancelled: Callable[[], bool],
    ) -> Future[Path]:
        assert accepted_licence == "CC-BY-NC-4.0"
        self.fetching[name] = Fetching(progress=progress, cancelled=cancelled, future=Future())
        return self.fetching[name].future

    def arrive(self, name: str) -> None:
        """The download of a model is complete."""
        self.entries = [
            replace(entry, path=Path("/models/fetched")) if entry.name == name else entry
            for entry in self.entries
        ]
        self.fetching.pop(name).future.set_result(Path("/models/fetched"))

    def _fail(self) -> None:
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault


@dataclass(frozen=True, kw_only=True)
class Fetching:
    """A download that a test leads."""

    progress: Callable[[int, int], None]
    cancelled: Callable[[], bool]
    future: Future[Path]


def made_up_model(name: str, **changes: Any) -> ModelEntry:
    """An entry of the list of models."""
    facts: dict[str, Any] = {
        "name": name,
        "licence": "CC-BY-NC-4.0",
        "size_megabytes": 100,
        "sample_rate": 32_000,
        "channels": 1,
        "codebooks": 4,
        "kind": "text",
        "embedded": False,
        "registered": False,
        "path": None,
    }
    return ModelEntry(**{**facts, **changes})


class MadeUpVoice:
    def __init__(self, player: MadeUpPlayer) -> None:
        self._player = player
        self.pushed: list[NDArray[np.float32]] = []
        self.finished_with: AudioClip | None = None

    @property
    def active(self) -> bool:
        return self._player.voice is self

    def push(self, samples: NDArray[np.float32]) -> None:
        self.pushed.append(samples)
        self._player.position = 0

    def finish(self, clip: AudioClip | None = None) -> None:
        self.finished_with = clip


class MadeUpPlayer:
    """Stands in for the sound card and remembers what it was told."""

    def __init__(self) -> None:
        self.fault: DeviceError | None = None
        self.error: DeviceError | None = None
        self.voice: MadeUpVoice | None = None
        self.clip: AudioClip | None = None
        self.start_frame = 0
        self.loop: bool | None = None
        self.volume_db: float | None = None
        self.position: int | None = None
        self.underruns = 0
        self.device_name = "Made-up output"
        self.calls: list[str] = []

    def _check(self) -> None:
        if self.fault is not None:
            raise self.fault

    def prepare(self, sample_rate: int) -> None:
        self._check()

    def play(self, clip: AudioClip, *, loop: bool, start_frame: int = 0) -> None:
        self._check()
        self.calls.append("play")
        self.voice, self.clip, self.loop, self.start_frame = None, clip, loop, start_frame
        self.position = start_frame

    def stream(self, sample_rate: int, channels: int, *, loop: bool = False) -> MadeUpVoice:
        self._check()
        self.calls.append("stream")
        self.clip, self.loop, self.position = None, loop, None
        self.voice = MadeUpVoice(self)
        return self.voice

    def stop(self) -> None:
        self.calls.append("stop")
        self.voice = self.clip = self.position = None

    def seek(self, frame: int) -> None:
        self.position = frame

    def set_loop(self, loop: bool) -> None:
        self.loop = loop

    def set_volume_db(self, gain_db: float) -> None:
        self.volume_db = gain_db

    @property
    def playing(self) -> bool:
        return self.clip is not None or self.voice is not None

    @property
    def position_frame(self) -> int | None:
        return self.position if self.playing else None

    def close(self) -> None:
        self.calls.append("close")


def made_up_take(seed: int, **changes: Any) -> NewSample:
    """A sound for the library."""
    tempo_bpm = changes.pop("tempo_bpm", 120.0)
    prompt = changes.pop("prompt", f"loop number {seed}")
    request = GenerationRequest(prompt=prompt, seed=seed, tempo_bpm=tempo_bpm, bars=1)
    facts: dict[str, Any] = {
        "clip": made_up_sound(request),
        "codes": np.zeros((4, STEPS), np.int64),
        "tempo_bpm": tempo_bpm,
        "bars": 1,
        "prompt": prompt,
        "model": "house",
        "seed": seed,
        "recipe_json": request.to_json(),
    }
    return NewSample(**{**facts, **changes})


class PatientBot(QtBot):
    """Waits long enough for a machine that is busy with other things."""

    def waitUntil(self, callback: Callable[[], Any], *, timeout: int = _PATIENCE) -> None:  # noqa: N802 # pytest-qt's name
        super().waitUntil(callback, timeout=timeout)

    def waitSignal(self, signal: Any, *, timeout: int = _PATIENCE, **options: Any) -> Any:  # noqa: N802 # pytest-qt's name
        return super().waitSignal(signal, timeout=timeout, **options)

    def waitSignals(self, signals: Any, *, timeout: int = _PATIENCE, **options: Any) -> Any:  # noqa: N802 # pytest-qt's name
        return super().waitSignals(signals, timeout=timeout, **options)


@pytest.fixture
def qtbot(qapp: QApplication, request: pytest.FixtureRequest) -> QtBot:
    """pytest-qt's, with patience."""
    return PatientBot(request)


@pytest.fixture(autouse=True)
def _garbage_on_the_main_thread() -> Iterator[None]:
    """As in the program: see `studio.ui.garbage`."""
    gc.disable()
    yield
    gc.collect()
    gc.enable()


@pytest.fixture
def engine() -> MadeUpEngine:
    return MadeUpEngine()


@pytest.fixture
def player() -> MadeUpPlayer:
    return MadeUpPlayer()


@pytest.fixture
def shelf() -> MadeUpShelf:
    return MadeUpShelf()


@pytest.fixture
def workstation(
    paths: Paths, engine: MadeUpEngine, player: MadeUpPlayer, shelf: MadeUpShelf
) -> Iterator[Workstation]:
    with Workstation(paths, Settings(), worker=engine) as station:
        station._player = player
        shelf.stand_in(station)
        yield station


@pytest.fixture
def add_takes(workstation: Workstation) -> Callable[..., list[int]]:
    """Put sounds into the library; returns their ids in the order they were made."""

    def add(count: int = 1, **changes: Any) -> list[int]:
        futures = [
            workstation._library.add_take(made_up_take(seed, **changes))
            for seed in range(1, count + 1)
        ]
        return [future.result().ids[0] for future in futures]

    return add


@pytest.fixture
def models(workstation: Workstation, bridge: Bridge) -> Models:
    return Models(workstation, bridge)


@pytest.fixture
def bridge(qapp: QApplication) -> Iterator[Bridge]:
    made = Bridge()
    yield made
    made.close()


@pytest.fixture
def window(
    qtbot: Any, workstation: Workstation, bridge: Bridge
) -> Iterator[Callable[[], MainWindow]]:
    """Opens the window, with the library read."""
    opened: list[MainWindow] = []

    def open_window() -> MainWindow:
        theme.apply_theme(QApplication.instance())
        made = MainWindow(workstation, bridge)
        qtbot.addWidget(made)
        opened.append(made)
        made.resize(1440, 900)
        made.show()
        qtbot.waitExposed(made)
        with qtbot.waitSignal(made.library_panel.model.refreshed):
            made.begin()
        return made

    yield open_window
    for made in opened:
        made.close()


@pytest.fixture
def bank_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program's own seed banks are those of `banks`."""
    made = tmp_path / "seedbanks"
    made.mkdir()
    monkeypatch.setattr("studio.generation.seed_bank.banks_dir", lambda: made)
    write_banks(made)
    return made

"""Trainings in processes of their own, over a dozen small sounds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from studio.audio.clip import AudioClip
from studio.core.errors import CancelledError, InputError, TrainingError
from studio.core.paths import Paths
from studio.training.workshop.events import Finished, Paused, PreviewMade, Resumed, StepDone
from studio.workstation.models import Models
from studio.workstation.training import Trainings
from studio.workstation.training_child import (
    CurveSoFar,
    Done,
    Order,
    SizeMeasured,
    TrainingEvent,
    _in_window_words,
)
from studio.workstation.training_request import REQUEST_FILE, TrainingRequest, kept_request
from studio.workstation.workstation import Workstation
from tests.generation.tiny_bundle import write_tiny_bundle

WAIT = 240
RATE = 32_000
Kind = TypeVar("Kind")
Ask = Callable[..., TrainingRequest]


def of_kind(events: list[TrainingEvent], kind: type[Kind]) -> list[Kind]:
    return [event for event in events if isinstance(event, kind)]


def wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def write_sounds(folder: Path, count: int = 12) -> Path:
    time_s = np.arange(round(0.5 * RATE)) / RATE
    folder.mkdir()
    for number in range(count):
        tone = 0.4 * np.sin(2 * np.pi * 110 * 2 ** (number / 5) * time_s)
        clip = AudioClip(samples=tone.astype(np.float32), sample_rate=RATE)
        clip.save(folder / f"warm_pad_{number}.wav", subtype="PCM_16")
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def ask(tmp_path: Path, bundle: Path) -> Ask:
    """A request that takes moments; what is given replaces the rest."""
    folder = write_sounds(tmp_path / "sounds")

    def make(**changes: Any) -> TrainingRequest:
        values: dict[str, Any] = {
            "folder": folder,
            "name": "warm pads",
            "size": "nano",
            "codec": str(bundle),
            "steps": 6,
            "context_seconds": 0.4,
            "batch": 4,
            "measure_every": 2,
            "preview_every": 0,
        }
        return TrainingRequest(**{**values, **changes})

    return make


@pytest.fixture
def trainings(workstation: Workstation) -> Trainings:
    return workstation.trainings


def test_a_folder_becomes_a_model_of_the_list(workstation: Workstation, ask: Ask) -> None:
    events: list[TrainingEvent] = []
    request = ask(preview_every=3, conditioners="text")
    entry = workstation.train(request, events.append).future.result(WAIT)
    assert (entry.name, entry.kind, entry.registered) == ("warm pads", "text", True)
    assert entry in workstation.models()
    assert [event.step for event in of_kind(events, StepDone)] == [1, 2, 3, 4, 5, 6]
    assert all(preview.wav.is_file() for preview in of_kind(events, PreviewMade))
    (finished,) = of_kind(events, Finished)
    assert finished.bundle == entry.path
    assert workstation.trainings.stopped() == ()
    work = workstation.paths.models_dir / "training" / "warm pads"
    assert list(work.glob("*.pt")) == []


def test_an_adapter_is_listed_with_its_base(
    workstation: Workstation, ask: Ask, bundle: Path
) -> None:
    workstation.add_model(bundle, "base")
    entry = workstation.train(ask(base="base", steps=2), lambda _: None).future.result(WAIT)
    assert (entry.kind, entry.base, entry.plays) == ("adapter", "base", False)


def test_a_plan_says_what_a_run_will_be_and_binds_nothing(trainings: Trainings, ask: Ask) -> None:
    plan = trainings.plan(ask(), lambda _: None).future.result(WAIT)
    assert len(plan.survey.sounds) == 12
    assert plan.total_steps == 6
    other = trainings.plan(ask(size="micro"), lambda _: None).future.result(WAIT)
    assert other.parameters > plan.parameters
    assert trainings.stopped() == ()


def test_a_stopped_run_goes_on_where_it_was(trainings: Trainings, ask: Ask) -> None:
    request = ask(steps=400)
    first: list[TrainingEvent] = []
    job = trainings.train(request, first.append)
    wait_until(lambda: len(of_kind(first, StepDone)) > 3)
    job.stop()
    with pytest.raises(CancelledError, match="Start goes on from there"):
        job.future.result(WAIT)
    (stopped,) = trainings.stopped()
    assert stopped.request == request
    last = of_kind(first, StepDone)[-1].step
    assert stopped.step == last
    second: list[TrainingEvent] = []
    job = trainings.train(stopped.request, second.append)
    wait_until(lambda: of_kind(second, StepDone))
    job.stop()
    assert isinstance(job.future.exception(WAIT), CancelledError)
    assert of_kind(second, Resumed) == [Resumed(step=last)]
    (curve,) = of_kind(second, CurveSoFar)
    assert curve.steps == tuple(range(1, last + 1))
    assert of_kind(second, StepDone)[0].step == last + 1


def test_a_pause_waits_until_it_may_go_on(trainings: Trainings, ask: Ask) -> None:
    events: list[TrainingEvent] = []
    job = trainings.train(ask(steps=300), events.append)
    wait_until(lambda: of_kind(events, StepDone))
    job.pause()
    wait_until(lambda: of_kind(events, Paused))
    steps = len(of_kind(events, StepDone))
    time.sleep(0.5)
    assert len(of_kind(events, StepDone)) == steps
    job.go_on()
    wait_until(lambda: len(of_kind(events, StepDone)) > steps)
    job.stop()
    assert isinstance(job.future.exception(WAIT), CancelledError)


def test_a_killed_run_says_so_and_goes_on(trainings: Trainings, ask: Ask) -> None:
    events: list[TrainingEvent] = []
    job = trainings.train(ask(steps=400), events.append)
    wait_until(lambda: of_kind(events, StepDone))
    assert job.pid is not None
    os.kill(job.pid, signal.SIGKILL)
    with pytest.raises(TrainingError, match=r"signal 9.*press Start to go on"):
        job.future.result(WAIT)
    assert [stopped.request.name for stopped in trainings.stopped()] == ["warm pads"]
    again: list[TrainingEvent] = []
    job = trainings.train(ask(steps=400), again.append)
    wait_until(lambda: of_kind(again, StepDone))
    job.stop()


def test_closing_the_library_stops_the_run_with_its_state_saved(paths: Paths, ask: Ask) -> None:
    events: list[TrainingEvent] = []
    models = Models(paths.models_dir)
    trainings = Trainings(paths.models_dir, models)
    job = trainings.train(ask(steps=400), events.append)
    wait_until(lambda: of_kind(events, StepDone))
    trainings.close()
    assert isinstance(job.future.exception(WAIT), CancelledError)
    assert job.pid is None
    (stopped,) = Trainings(paths.models_dir, models).stopped()
    assert stopped.step == of_kind(events, StepDone)[-1].step
    models.close()


def test_other_choices_do_not_go_on_with_a_stopped_run(trainings: Trainings, ask: Ask) -> None:
    events: list[TrainingEvent] = []
    job = trainings.train(ask(steps=400), events.append)
    wait_until(lambda: of_kind(events, StepDone))
    job.stop()
    assert isinstance(job.future.exception(WAIT), CancelledError)
    other = ask(steps=2, seed=7)
    with pytest.raises(TrainingError, match="forget the stopped training"):
        trainings.plan(other, lambda _: None).future.result(WAIT)
    anew = trainings.train(replace(other, fresh=True), lambda _: None)
    assert anew.future.result(WAIT).name == "warm pads"


def test_a_name_is_refused_that_a_model_has(trainings: Trainings, ask: Ask) -> None:
    with pytest.raises(InputError, match="There is a model House already"):
        trainings.train(ask(name="House"), lambda _: None)


@pytest.mark.parametrize("name", ["", "..", "a/b", "x" * 61, "tab\t", "end "])
def test_a_name_is_refused_that_is_no_name(trainings: Trainings, ask: Ask, name: str) -> None:
    with pytest.raises(InputError, match="cannot be the name of a model"):
        trainings.train(ask(name=name), lambda _: None)


def test_no_folder_is_asked_for_in_words(trainings: Trainings, ask: Ask) -> None:
    with pytest.raises(InputError, match="Choose a folder"):
        trainings.plan(ask(folder=Path()), lambda _: None)


def test_an_empty_folder_is_one_line(trainings: Trainings, ask: Ask, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(TrainingError, match="holds no sound"):
        trainings.plan(ask(folder=empty), lambda _: None).future.result(WAIT)


# --- without torch ---------------------------------------------------------------------------


def _silent_child(inbox: Connection, outbox: Connection, order: Order) -> None:
    """Waits for its parent's end."""
    with outbox:
        inbox.recv()


@pytest.fixture
def silent(paths: Paths) -> Iterator[Trainings]:
    paths.create()
    models = Models(paths.models_dir)
    made = Trainings(paths.models_dir, models, target=_silent_child)
    yield made
    made.close()
    models.close()


def test_only_one_training_runs_at_a_time(silent: Trainings, ask: Ask) -> None:
    job = silent.train(ask(), lambda _: None)
    with pytest.raises(TrainingError, match="runs already"):
        silent.train(ask(name="another"), lambda _: None)
    with pytest.raises(TrainingError, match="runs: stop it first"):
        silent.forget("warm pads")
    assert silent.stopped() == ()
    job.stop()
    assert isinstance(job.future.exception(WAIT), TrainingError)


def _measuring_child(inbox: Connection, outbox: Connection, order: Order) -> None:
    """Measures two sizes in no time."""
    with outbox:
        for name in ("nano", "micro"):
            outbox.send(
                SizeMeasured(name=name, training_steps_per_second=4.0, times_real_time=12.5)
            )
        outbox.send(Done())


def test_measured_sizes_are_remembered_for_their_codec(paths: Paths, ask: Ask) -> None:
    paths.create()
    models = Models(paths.models_dir)
    trainings = Trainings(paths.models_dir, models, target=_measuring_child)
    events: list[TrainingEvent] = []
    request = ask(codec="house")
    found = trainings.measure_sizes(request, events.append).future.result(WAIT)
    assert list(found) == ["nano", "micro"]
    assert len(of_kind(events, SizeMeasured)) == 2
    later = Trainings(paths.models_dir, Models(paths.models_dir))
    assert later.sizes("house")["micro"].times_real_time == 12.5
    assert later.sizes("another") == {}
    trainings.close()
    models.close()


def test_a_stopped_run_can_be_forgotten(silent: Trainings, ask: Ask, paths: Paths) -> None:
    job = silent.train(ask(), lambda _: None)
    job.stop()
    job.future.exception(WAIT)
    (stopped,) = silent.stopped()
    assert stopped.step == 0
    silent.forget("warm pads")
    assert silent.stopped() == ()
    assert not (paths.models_dir / "training" / "warm pads").exists()


def test_a_request_is_read_back_as_it_was_kept(tmp_path: Path, ask: Ask) -> None:
    work = tmp_path / "warm pads"
    work.mkdir()
    request = ask(base="house", rank=4, minutes=3.5, steps=None)
    request.keep(work)
    assert kept_request(work) == request
    for content in ("", "[]", '{"folder": 3}', '{"name": "other", "folder": "/x"}'):
        (work / REQUEST_FILE).write_text(content)
        assert kept_request(work) is None


def test_remedies_of_the_command_line_are_called_otherwise_in_the_window() -> None:
    error = TrainingError(
        "The size large needs 9.0 GB, more than the 8.0 GB it may take: choose a smaller size, "
        "--checkpointing, or more --memory."
    )
    assert "--" not in _in_window_words(error).user_message


def test_the_window_s_side_imports_no_torch() -> None:
    program = (
        "import sys, studio.workstation.workstation, studio.workstation.training;"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr

"""Whole runs over a dozen small sounds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import torch

from studio.audio.files import probe
from studio.core.errors import CancelledError, StorageError, TrainingError
from studio.core.file_lock import held
from studio.models.backend import Condition
from studio.models.codes import load_codes
from studio.models.selection import load_backend
from studio.training.workshop import pace, trainer
from studio.training.workshop.checkpoint import CURRENT, CURVE
from studio.training.workshop.events import (
    BaselineMeasured,
    CheckpointSaved,
    CodecTuned,
    Event,
    Finished,
    HeldOutMeasured,
    Notice,
    Paused,
    Planned,
    PreviewMade,
    Progress,
    Resumed,
    StepDone,
)
from studio.training.workshop.session import WorkshopSession
from studio.training.workshop.settings import TrainingSettings
from studio.training.workshop.telling import lines_of, short_line
from tests.training.workshop.conftest import Settings, tone, write

Kind = TypeVar("Kind")


def curve_of(settings: TrainingSettings) -> list[dict[str, object]]:
    lines = (settings.work_folder / CURVE).read_text().splitlines()
    return [json.loads(line) for line in lines]


def of_kind(events: list[Event], kind: type[Kind]) -> list[Kind]:
    return [event for event in events if isinstance(event, kind)]


def test_a_folder_becomes_a_model_that_plays_its_words(settings: Settings) -> None:
    chosen = settings(preview_every=3)
    events: list[Event] = []
    finished = WorkshopSession(chosen).run(events.append)
    (planned,) = of_kind(events, Planned)
    assert planned.plan.conditioners == "text"
    assert planned.plan.total_steps == 6
    (baseline,) = of_kind(events, BaselineMeasured)
    measured = of_kind(events, HeldOutMeasured)
    assert [event.step for event in measured] == [2, 4, 6]
    assert len(measured[0].by_codebook) == len(measured[0].baseline) == len(baseline.nats) == 4
    assert [event.step for event in of_kind(events, StepDone)] == [1, 2, 3, 4, 5, 6]
    assert finished == events[-1]
    assert finished.reason == "all steps done"
    assert finished.nats == min(event.nats for event in measured)
    for preview in of_kind(events, PreviewMade):
        assert probe(preview.wav).frames == 25 * 640
        assert load_codes(preview.codes).frames == 25
        assert (chosen.folder / preview.nearest).exists()
    backend = load_backend(chosen.out, backend="torch")
    assert backend.info.has_text
    assert backend.info.window_frames == 25
    condition = Condition(text="Warm pads")
    columns = backend.steps([condition], frames=10, seeds=[1], sampling=backend.info.sampling)
    codes = np.stack([column[0] for column in columns], axis=1)
    assert np.isfinite(backend.decode(codes[None])).all()
    card = (chosen.out / "README.md").read_text()
    assert "held-out loss" in card
    assert "| sounds | 12 |" in card
    for event in events:
        for line in [*lines_of(event), short_line(event) or ""]:
            assert "\n" not in line


def test_a_model_without_words(settings: Settings) -> None:
    chosen = settings(conditioners="none", preview_every=6)
    events: list[Event] = []
    WorkshopSession(chosen).run(events.append)
    assert of_kind(events, PreviewMade)[0].text == ""
    backend = load_backend(chosen.out, backend="torch")
    assert not backend.info.has_text
    assert not (chosen.out / "tokenizer.json").exists()
    sampling = backend.info.sampling
    assert len(list(backend.steps([Condition()], frames=5, seeds=[1], sampling=sampling))) == 5


@pytest.mark.parametrize("text", ["none", "text"])
def test_transformers_opens_the_bundle_with_our_logits(settings: Settings, text: str) -> None:
    from transformers import MusicgenForConditionalGeneration

    chosen = settings(conditioners=text, steps=3)
    WorkshopSession(chosen).run()
    backend = load_backend(chosen.out, backend="torch", precision="float32")
    reference = MusicgenForConditionalGeneration.from_pretrained(chosen.out, dtype=torch.float32)
    tokens = np.random.default_rng(0).integers(64, size=(1, 4, 20))
    flat = torch.from_numpy(tokens).reshape(4, 20)
    if text == "none":
        ids, mask = torch.zeros((1, 1), dtype=torch.int64), torch.zeros((1, 1), dtype=torch.int64)
    else:
        from transformers import AutoTokenizer

        given = AutoTokenizer.from_pretrained(chosen.out)(["Warm pads"], return_tensors="pt")
        ids, mask = given["input_ids"], given["attention_mask"]
        assert ids.shape == (1, 2)
    with torch.inference_mode():
        theirs = reference.eval()(
            input_ids=ids, attention_mask=mask, decoder_input_ids=flat
        ).logits.reshape(1, 4, 20, -1)
    ours = backend.logits(tokens, [Condition(text="" if text == "none" else "Warm pads")])
    assert np.abs(ours - theirs.numpy()).max() < 1e-4


def test_a_run_that_was_stopped_takes_the_same_course(settings: Settings, tmp_path: Path) -> None:
    straight, broken = (settings(out=tmp_path / name) for name in ("straight", "broken"))
    whole = WorkshopSession(straight).run()
    seen = {"stop": False}

    def tell(event: Event) -> None:
        seen["stop"] |= isinstance(event, StepDone) and event.step == 3

    with pytest.raises(CancelledError, match="the same command goes on"):
        WorkshopSession(broken).run(tell, cancelled=lambda: seen["stop"])
    assert not broken.out.exists()
    events: list[Event] = []
    resumed = WorkshopSession(broken).run(events.append)
    (start,) = of_kind(events, Resumed)
    assert 0 < start.step < 6
    assert curve_of(broken) == curve_of(straight)
    assert (resumed.nats, resumed.best_step) == (whole.nats, whole.best_step)
    weights = [(folder / "model.safetensors").read_bytes() for folder in (straight.out, broken.out)]
    assert weights[0] == weights[1]


def test_a_killed_run_takes_the_same_course(
    settings: Settings, tmp_path: Path, repository: Path
) -> None:
    straight, killed = (settings(out=tmp_path / name, steps=40) for name in ("straight", "killed"))
    WorkshopSession(straight).run()
    script = tmp_path / "train.py"
    arguments = {
        "folder": str(killed.folder),
        "out": str(killed.out),
        "codec": str(killed.codec),
    }
    rest = {
        k: v
        for k, v in vars(killed).items()
        if isinstance(v, int | float | str) and k not in arguments
    }
    script.write_text(
        "from pathlib import Path\n"
        "from studio.training.workshop.session import WorkshopSession\n"
        "from studio.training.workshop.settings import TrainingSettings\n"
        f"places = {{name: Path(value) for name, value in {arguments!r}.items()}}\n"
        f"WorkshopSession(TrainingSettings(**places, **{rest!r})).run()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, str(script)], env=environment)
    curve = killed.work_folder / CURVE
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if curve.exists() and curve.read_text().count("\n") > 8:
            break
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not killed.out.exists()
    events: list[Event] = []
    WorkshopSession(killed).run(events.append)
    assert of_kind(events, Resumed)
    assert curve_of(killed) == curve_of(straight)


def test_a_pause_saves_and_waits(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "_POLL_SECONDS", 0.0)
    answers = iter([False, True, True, True, False])
    events: list[Event] = []
    chosen = settings(checkpoint_seconds=1000)
    WorkshopSession(chosen).run(events.append, paused=lambda: next(answers, False))
    assert [event.paused for event in of_kind(events, Paused)] == [True, False]
    saved = [event.step for event in of_kind(events, CheckpointSaved)]
    assert saved == [2, 6]


def test_training_ends_when_held_out_loss_rises(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([3.0, 2.0, 2.5, 2.6, 2.7])
    monkeypatch.setattr(trainer.Trainer, "held_out_nats", lambda self: np.full(4, next(losses)))
    finished = WorkshopSession(settings(steps=50, patience=3)).run()
    assert finished.reason == "held-out loss rose"
    assert (finished.steps, finished.best_step, finished.nats) == (10, 4, 2.0)


def test_a_finished_run_writes_its_bundle_again(settings: Settings) -> None:
    chosen = settings()
    first = WorkshopSession(chosen).run()
    weights = (chosen.out / "model.safetensors").read_bytes()
    events: list[Event] = []
    assert WorkshopSession(chosen).run(events.append) == first
    assert of_kind(events, StepDone) == []
    assert (chosen.out / "model.safetensors").read_bytes() == weights


def test_another_run_in_the_same_place_is_refused(settings: Settings, sounds: Path) -> None:
    WorkshopSession(settings()).run()
    with pytest.raises(TrainingError, match=r"another seed \(0, not 1\).*--fresh"):
        WorkshopSession(settings(seed=1)).run()
    write(sounds / "new.wav", tone(1000, 0.5))
    with pytest.raises(TrainingError, match="other sounds"):
        WorkshopSession(settings()).run()
    assert WorkshopSession(settings(seed=1), fresh=True).run().steps == 6


def test_a_damaged_checkpoint_gives_way_to_the_one_before(settings: Settings) -> None:
    chosen = settings()
    whole = WorkshopSession(chosen).run()
    (chosen.work_folder / CURRENT).write_bytes(b"half")
    events: list[Event] = []
    again = WorkshopSession(chosen).run(events.append)
    assert any("damaged" in notice.text for notice in of_kind(events, Notice))
    assert of_kind(events, Resumed)[0].step == 5
    assert again == whole


def test_minutes_become_steps_by_measuring(settings: Settings) -> None:
    plan = WorkshopSession(settings(steps=None, minutes=2)).plan()
    assert plan.total_steps > 10
    assert plan.training_seconds == pytest.approx(120, rel=0.2)
    assert any("steps a second" in line for line in plan.lines())


def test_a_step_in_parts_is_the_step(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, split = (settings(out=tmp_path / name) for name in ("whole", "split"))
    WorkshopSession(whole).run()
    monkeypatch.setattr(pace, "rows_that_fit", lambda *_, **__: 1)
    session = WorkshopSession(split)
    assert session.plan().rows == 1
    session.run()
    for one, other in zip(curve_of(whole), curve_of(split), strict=True):
        assert one.get("nats", 0) == pytest.approx(other.get("nats", 0), abs=2e-4)


def test_two_runs_do_not_share_a_folder(settings: Settings) -> None:
    chosen = settings()
    refused: list[str] = []

    def tell(event: Event) -> None:
        if isinstance(event, Planned):
            with pytest.raises(TrainingError) as caught:
                WorkshopSession(chosen).run()
            refused.append(caught.value.user_message)

    WorkshopSession(chosen).run(tell)
    assert "Another training works in" in refused[0]


def test_a_run_waits_for_one_that_is_ending(settings: Settings) -> None:
    chosen = settings()
    with ThreadPoolExecutor() as pool:
        with held(chosen.work_folder / ".lock"):
            next_run = pool.submit(WorkshopSession(chosen, wait_seconds=120).run)
            with pytest.raises(TimeoutError):
                next_run.result(timeout=0.5)
        assert next_run.result().steps == chosen.steps


def test_progress_is_told_of_every_stage(settings: Settings) -> None:
    events: list[Event] = []
    WorkshopSession(settings()).run(events.append)
    ends = {event.stage: (event.done, event.total) for event in of_kind(events, Progress)}
    assert ends == {"scan": (12, 12), "tokens": (12, 12)}


def test_the_codec_is_fitted_first(settings: Settings) -> None:
    chosen = settings(tune_codec_minutes=0.01, steps=2)
    events: list[Event] = []
    WorkshopSession(chosen).run(events.append)
    assert of_kind(events, CodecTuned)
    again: list[Event] = []
    WorkshopSession(chosen).run(again.append)
    assert of_kind(again, CodecTuned) == []


def test_a_work_folder_that_cannot_be_made_is_one_line(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be made"):
        WorkshopSession(settings(work=tmp_path / "file" / "work")).plan()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": "huge"}, "Size must be one of nano"),
        ({"steps": 0}, "Steps must be between"),
        ({"context_seconds": float("nan")}, "Context seconds"),
        ({"learning_rate": 5.0}, "Learning rate"),
        ({"device": "tpu"}, "Device"),
    ],
)
def test_impossible_choices_are_named(
    settings: Settings, change: dict[str, object], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        settings(**change)


def test_finished_says_what_it_beat(settings: Settings) -> None:
    finished = WorkshopSession(settings()).run()
    assert isinstance(finished, Finished)
    (line,) = lines_of(finished)
    assert "against unigram" in line

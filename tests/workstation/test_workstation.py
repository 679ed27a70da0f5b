from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.audio.files import read_audio
from studio.core.errors import CancelledError, EngineError, InputError, StorageError
from studio.core.paths import Paths
from studio.core.settings import Settings, load_settings
from studio.generation.jobs import Progress
from studio.generation.request import GenerationRequest
from studio.library.records import Change
from studio.workstation.workstation import Workstation

WAIT = 60.0
REQUEST = GenerationRequest(prompt="dark jungle break", seed=7, tempo_bpm=174.0, bars=2, key="Am")


def test_a_take_becomes_a_sample_with_its_sound_codes_and_recipe(workstation: Workstation) -> None:
    job = workstation.generate(REQUEST)
    record = job.future.result(WAIT)
    assert record is not None
    assert job.take is not None
    assert (record.prompt, record.seed, record.model) == ("dark jungle break", 7, "house")
    assert (record.tempo_bpm, record.bars, record.key) == (174.0, 2, "Am")
    assert workstation.recipe(record) == REQUEST
    codes = workstation.codes(record.id)
    assert codes is not None
    assert np.array_equal(codes, job.take.codes)
    heard = workstation.clip(record)
    assert np.allclose(heard.samples, job.take.clip.samples, atol=2**-23)
    assert [found.id for found in workstation.search("jungle bpm:174")] == [record.id]


def test_the_states_end_with_saving_and_done(workstation: Workstation) -> None:
    states: list[str] = []
    done = threading.Event()

    def listen(progress: Progress) -> None:
        states.append(progress.state)
        if progress.state == "done":
            done.set()

    job = workstation.generate(REQUEST, listen)
    assert done.wait(WAIT)
    assert states == ["saving", "done"]
    assert job.future.done()


def test_a_take_need_not_be_saved(workstation: Workstation) -> None:
    states: list[str] = []
    job = workstation.generate(REQUEST, lambda progress: states.append(progress.state), save=False)
    assert job.future.result(WAIT) is None
    assert job.take is not None
    assert states == ["done"]
    assert workstation.count() == 0


@pytest.mark.parametrize("failure", [EngineError("The engine stopped."), CancelledError("No.")])
def test_a_failed_job_leaves_no_sample(
    workstation: Workstation, worker: Any, failure: Exception
) -> None:
    worker.failure = failure
    job = workstation.generate(REQUEST)
    with pytest.raises(type(failure)):
        job.future.result(WAIT)
    assert job.take is None
    assert workstation.count() == 0


def test_a_take_that_cannot_be_stored_keeps_its_sound_and_says_why(
    workstation: Workstation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    heard: list[Progress] = []
    failed = threading.Event()

    def listen(progress: Progress) -> None:
        heard.append(progress)
        if progress.state == "failed":
            failed.set()

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        job = workstation.generate(REQUEST, listen)
        with pytest.raises(StorageError, match="full") as caught:
            job.future.result(WAIT)
        assert failed.wait(WAIT)
    assert "\n" not in caught.value.user_message
    assert heard[-1].error is caught.value
    assert job.take is not None
    assert workstation.count() == 0
    assert not list(workstation.paths.samples.rglob("*.wav"))
    again = workstation.save_take(job.take).result(WAIT)
    assert workstation.count() == 1
    assert workstation.check_library().ok
    assert again.seed == 7


def test_an_impossible_request_is_refused_at_once(workstation: Workstation) -> None:
    with pytest.raises(InputError, match="bars"):
        workstation.generate(GenerationRequest(prompt="", bars=0))
    with pytest.raises(InputError, match="count"):
        workstation.generate_seeds(REQUEST, 0)


def test_several_seeds_are_several_jobs(workstation: Workstation) -> None:
    jobs = workstation.generate_seeds(REQUEST, 3)
    records = [job.future.result(WAIT) for job in jobs]
    assert [record.seed for record in records if record] == [7, 8, 9]
    assert len({record.content_hash for record in records if record}) == 3


def test_subscribers_hear_of_every_change_until_they_leave(workstation: Workstation) -> None:
    changes: list[Change] = []
    leave = workstation.subscribe(changes.append)
    first = workstation.generate(REQUEST)
    record = first.future.result(WAIT)
    assert record is not None
    workstation.add_tags([record.id], ["dark"]).result(WAIT)
    workstation.set_favourite([record.id], True).result(WAIT)
    workstation.delete([record.id]).result(WAIT)
    workstation.undo().result(WAIT)
    workstation.close()
    assert [(change.ids, change.removed) for change in changes] == [
        ((record.id,), ()),
        ((record.id,), ()),
        ((record.id,), ()),
        ((), (record.id,)),
        ((record.id,), ()),
    ]
    leave()


def test_a_subscriber_that_left_or_failed_disturbs_nobody(workstation: Workstation) -> None:
    changes: list[Change] = []

    def fail(change: Change) -> None:
        raise ValueError(change)

    workstation.subscribe(fail)
    leave = workstation.subscribe(changes.append)
    workstation.subscribe(changes.append)
    leave()
    workstation.generate(REQUEST).future.result(WAIT)
    workstation.close()
    assert len(changes) == 1


def test_what_another_process_wrote_is_noticed(workstation: Workstation, paths: Paths) -> None:
    changes: list[Change] = []
    workstation.subscribe(changes.append)
    with Workstation(paths, Settings()) as other:
        take = workstation.generate(REQUEST, save=False).take
        assert take is not None
        other.save_take(take).result(WAIT)
    deadline = time.monotonic() + WAIT
    while not changes and time.monotonic() < deadline:
        workstation.poll_changes()
        time.sleep(0.01)
    workstation.poll_changes()
    assert changes == [Change(everything=True)]
    assert workstation.count() == 1


def test_dragging_gives_permanent_copies_of_the_librarys_bytes(workstation: Workstation) -> None:
    record = workstation.generate(REQUEST).future.result(WAIT)
    assert record is not None
    (path,) = workstation.export_for_drag([record.id])
    assert workstation.paths.exports_dir in path.parents
    assert path.read_bytes() == workstation.path(record).read_bytes()
    assert "174bpm_Am_2bar" in path.name
    assert workstation.export_for_drag([record.id]) == [path]


def test_exports_go_where_the_settings_say(paths: Paths, tmp_path: Path) -> None:
    settings = Settings(exports_dir=str(tmp_path / "daw"))
    with Workstation(paths, settings) as workstation:
        assert workstation.paths.exports_dir == tmp_path / "daw"


def test_settings_are_kept(workstation: Workstation) -> None:
    workstation.update_settings(bars=4, prompt="dub")
    assert workstation.settings.bars == 4
    assert load_settings(workstation.paths.settings_file) == workstation.settings
    with pytest.raises(TypeError):
        workstation.update_settings(colour="red")


def test_imports_arrive_and_unreadable_files_are_named(
    workstation: Workstation, tmp_path: Path
) -> None:
    take = workstation.generate(REQUEST, save=False).take
    assert take is not None
    good, bad = tmp_path / "loop_120bpm.wav", tmp_path / "bad.wav"
    take.clip.save(good)
    bad.write_bytes(b"RIFF")
    report = workstation.import_files([good, bad]).result(WAIT)
    assert [skipped.path for skipped in report.skipped] == [bad]
    (record,) = workstation.get_many(report.ids)
    assert record.tempo_bpm == 120
    assert workstation.recipe(record) is None
    assert read_audio(workstation.path(record)).frames == 16000


def test_warming_up_takes_the_model_of_the_settings(workstation: Workstation, worker: Any) -> None:
    workstation.warm_up()
    workstation.warm_up("other")
    assert worker.warmed == ["house", "other"]


def test_closing_twice_does_no_harm(workstation: Workstation) -> None:
    workstation.close()
    workstation.close()

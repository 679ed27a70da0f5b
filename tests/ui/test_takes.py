from __future__ import annotations

import numpy as np
import pytest

from studio.core.errors import EngineError, StorageError
from studio.generation.jobs import Progress
from studio.generation.request import GenerationRequest
from studio.ui.audition import Audition
from studio.ui.job_list import JobList
from studio.ui.speaker import Speaker
from studio.ui.takes import Takes, TakeState

REQUEST = GenerationRequest(prompt="jungle break", seed=7, tempo_bpm=174.0, bars=1)


@pytest.fixture
def audition(workstation, bridge):
    speaker = Speaker(workstation, bridge, volume_db=-6)
    return Audition(workstation, bridge, speaker, loop=True)


@pytest.fixture
def takes(workstation, bridge, audition, models):
    return Takes(workstation, bridge, audition, models)


@pytest.fixture
def job_list(takes, qtbot):
    made = JobList(takes)
    qtbot.addWidget(made)
    made.show()
    return made


def test_a_take_is_heard_while_it_is_made_and_goes_on_in_the_finished_loop(
    takes, audition, player, qtbot
):
    with qtbot.waitSignal(takes.stored) as stored:
        assert takes.generate(REQUEST, 1, play=True)
    record, shown = stored.args
    assert shown
    assert audition.sound.record == record
    assert player.calls[0] == "stream"
    qtbot.waitUntil(lambda: player.voice.finished_with is not None)
    pushed = np.concatenate(player.voice.pushed, axis=1)
    assert np.array_equal(pushed, player.voice.finished_with.samples)
    assert np.array_equal(pushed, audition.sound.clip.samples)


def test_the_first_sound_is_announced_with_its_job(takes, audition, qtbot):
    with qtbot.waitSignals([audition.speaker.stream_heard, takes.stored]):
        takes.generate(REQUEST, 1, play=True)


def test_without_playing_new_takes_nothing_that_plays_is_disturbed(
    takes, audition, player, workstation, add_takes, qtbot
):
    audition.show(workstation.get(add_takes(1)[0]), play=True)
    qtbot.waitUntil(lambda: player.calls == ["play"])
    before = audition.sound
    with qtbot.waitSignal(takes.stored) as stored:
        takes.generate(REQUEST, 1, play=False)
    assert stored.args[1] is False
    assert audition.sound is before
    assert player.calls == ["play"]


def test_who_chooses_another_sound_meanwhile_keeps_it(
    takes, audition, engine, workstation, add_takes, player, qtbot
):
    record = workstation.get(add_takes(1)[0])
    engine.pause_seconds = 0.03
    takes.generate(REQUEST, 1, play=True)
    qtbot.waitUntil(lambda: audition.sound is not None and audition.sound.frames > 0)
    with qtbot.waitSignal(takes.stored) as stored:
        audition.show(record, play=True)
    assert stored.args[1] is False
    assert audition.sound.record == record
    assert player.clip is audition.sound.clip


def test_of_several_takes_the_first_is_heard(takes, audition, workstation, qtbot):
    stored = []
    takes.stored.connect(lambda record, shown: stored.append((record.seed, shown)))
    takes.generate(REQUEST, 3, play=True)
    assert len(takes.all) == 3
    qtbot.waitUntil(lambda: len(stored) == 3)
    assert stored == [(7, True), (8, False), (9, False)]
    assert audition.sound.seed == 7
    assert takes.all == []


def test_an_impossible_request_is_told_and_not_queued(takes, qtbot):
    impossible = GenerationRequest(prompt="x", tempo_bpm=500.0, bars=1)
    with qtbot.waitSignal(takes.failed) as failed:
        assert not takes.generate(impossible, 1, play=True)
    assert "60" in failed.args[0].user_message
    assert takes.all == []


def test_a_take_that_fails_is_told_and_stays_in_the_list_until_removed(
    takes, engine, job_list, qtbot
):
    engine.fault = EngineError("The engine stopped; the next take starts it again.")
    with qtbot.waitSignal(takes.take_failed):
        takes.generate(REQUEST, 1, play=True)
    (take,) = takes.all
    assert take.state == "failed"
    assert job_list.rows[0].state_text == "The engine stopped; the next take starts it again."
    takes.cancel(take.id)
    assert takes.all == []
    assert job_list.rows == []
    with qtbot.waitSignal(takes.stored):
        takes.generate(REQUEST, 1, play=True)


def test_a_take_that_cannot_be_stored_can_still_be_heard(
    takes, audition, workstation, qtbot, monkeypatch
):
    def full(_sample):
        raise StorageError("The disk is full: free some space.")

    monkeypatch.setattr(
        workstation._library, "add_take", lambda s: workstation._library._database.submit(
            lambda: full(s)
        ),
    )  # fmt: skip
    with qtbot.waitSignal(takes.take_failed) as failed:
        takes.generate(REQUEST, 1, play=True)
    assert failed.args[0].error.user_message == "The disk is full: free some space."
    assert audition.sound.clip is not None
    assert audition.sound.record is None


def test_a_take_that_failed_can_be_asked_for_again(takes, engine, workstation, qtbot):
    engine.fault = EngineError("The engine stopped.")
    with qtbot.waitSignal(takes.take_failed) as failed:
        takes.generate(REQUEST, 1, play=True)
    with qtbot.waitSignal(takes.stored) as stored:
        takes.retry(failed.args[0])
    assert stored.args[0].seed == REQUEST.seed
    assert takes.all == []


def test_cancelling_the_running_take_empties_the_waveform(takes, audition, engine, qtbot):
    engine.pause_seconds = 0.03
    takes.generate(REQUEST, 1, play=True)
    qtbot.waitUntil(lambda: audition.sound is not None and audition.sound.frames > 0)
    takes.cancel(takes.all[0].id)
    qtbot.waitUntil(lambda: takes.all == [])
    assert audition.sound is None
    assert not audition.playing


def test_a_waiting_take_is_cancelled_at_its_button(takes, engine, job_list, qtbot, workstation):
    engine.hold.clear()
    takes.generate(REQUEST, 2, play=False)
    assert [take.state for take in takes.all] == ["queued", "queued"]
    job_list.rows[1]._cancel.click()
    with qtbot.waitSignal(takes.stored):
        engine.hold.set()
    qtbot.waitUntil(lambda: takes.all == [])
    assert [record.seed for record in workstation.search()] == [7]


def test_the_list_shows_state_progress_and_its_end(takes, engine, job_list, qtbot):
    engine.hold.clear()
    takes.generate(REQUEST, 2, play=False)
    first, second = job_list.rows
    assert first.state_text == "Waiting"
    assert first._cancel.objectName() == "cancel_button"
    assert second._cancel.objectName() == f"cancel_button:{takes.all[1].id}"
    engine.hold.set()
    qtbot.waitUntil(lambda: first.state_text.startswith("Generating"))
    qtbot.waitUntil(lambda: job_list.rows == [])
    assert not job_list._empty.isHidden()


def test_the_list_says_that_a_model_is_loaded(takes, engine, job_list, bridge, qtbot):
    engine.hold.clear()
    takes.generate(REQUEST, 1, play=False)
    row = job_list.rows[0]
    bridge.hear_progress(Progress(job_id=takes.all[0].id, state="loading"))
    qtbot.waitUntil(lambda: row.state_text == "Loading the model")
    assert (row._bar.minimum(), row._bar.maximum()) == (0, 0)
    engine.hold.set()
    qtbot.waitUntil(lambda: row.state_text.startswith("Generating"))
    assert row._bar.maximum() > 0
    qtbot.waitUntil(lambda: job_list.rows == [])


def test_the_time_left_follows_from_the_recent_speed(takes, engine):
    engine.hold.clear()
    take = TakeState(job=takes._workstation.generate(REQUEST), heard=False)
    for done, now in ((0, 0.0), (10, 1.0)):
        take.take_in(Progress(job_id=1, state="running", done_steps=done, total_steps=100), now)
    assert take.remaining_seconds == pytest.approx(9.0)
    for done, now in ((20, 5.0), (30, 9.0)):
        take.take_in(Progress(job_id=1, state="running", done_steps=done, total_steps=100), now)
    assert take.remaining_seconds == pytest.approx(28.0)
    take.take_in(Progress(job_id=1, state="saving", done_steps=100, total_steps=100), 10.0)
    assert take.remaining_seconds is None
    engine.hold.set()

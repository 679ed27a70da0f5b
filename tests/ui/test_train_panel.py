from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QApplication, QComboBox, QLineEdit, QPushButton, QWidget

from studio.audio.clip import AudioClip
from studio.core.errors import CancelledError, InputError, TrainingError
from studio.training.workshop.events import (
    BaselineMeasured,
    HeldOutMeasured,
    Notice,
    Paused,
    Planned,
    Progress,
)
from studio.training.workshop.scan import RIGHTS_NOTICE
from studio.training.workshop.sizes import SIZES
from studio.ui.train_words import CodecFacts, size_title
from studio.workstation.training import StoppedTraining
from studio.workstation.training_child import CurveSoFar, SizeMeasured
from studio.workstation.training_request import TrainingRequest
from tests.ui.conftest import made_up_model
from tests.ui.trainings import FOLDER, MadeUpTrainings, made_up_plan, preview, step_done


@pytest.fixture
def trainings(workstation):
    real = workstation.trainings
    workstation.trainings = MadeUpTrainings()
    yield workstation.trainings
    workstation.trainings = real


@pytest.fixture
def shown(window, trainings, qtbot):
    """The window, with the dialog open."""
    made = window()
    with qtbot.waitSignal(made.train_run.stopped_known):
        made.train_panel.bring_up()
    return made


@pytest.fixture
def panel(shown):
    return shown.train_panel


def begin(panel, trainings, button="start_button"):
    panel.choices.set_folder(FOLDER)
    getattr(panel, button).click()
    return trainings.jobs[-1]


def settle(qtbot, condition):
    qtbot.waitUntil(lambda: bool(condition()))


def test_a_folder_names_the_model_until_somebody_does(panel, qtbot):
    panel.choices.set_folder(FOLDER)
    assert panel.choices.request().name == "tape loops old"
    panel.choices.folder_edit.clear()
    qtbot.keyClicks(panel.choices.folder_edit, "/sounds/hats")
    assert panel.choices.request().name == "hats"
    panel.choices.name_edit.clear()
    qtbot.keyClicks(panel.choices.name_edit, "wow")
    panel.choices.set_folder(Path("/sounds/other"))
    request = panel.choices.request()
    assert (request.name, request.folder) == ("wow", Path("/sounds/other"))


def test_the_choices_make_the_request(panel):
    choices = panel.choices
    choices.set_folder(FOLDER)
    choices.size_combo.setCurrentIndex(choices.size_combo.findData("nano"))
    choices.words_combo.setCurrentIndex(choices.words_combo.findData("none"))
    choices.tune_spin.setValue(10)
    choices.unit_combo.setCurrentIndex(1)
    choices.length_spin.setValue(2500)
    assert choices.request() == TrainingRequest(
        folder=FOLDER,
        name="tape loops old",
        size="nano",
        conditioners="none",
        tune_codec_minutes=10,
        steps=2500,
    )
    choices.kind_combo.setCurrentIndex(1)
    choices.unit_combo.setCurrentIndex(0)
    choices.length_spin.setValue(5)
    request = choices.request()
    assert (request.base, request.minutes, request.steps) == ("house", 5, None)
    assert request.tune_codec_minutes == 0
    assert not choices.size_combo.isVisible()
    assert not choices.codec_combo.isVisible()


def test_each_choice_has_its_reason_beside_it(panel):
    choices = panel.choices
    reasons = set()
    for box, label in (
        (choices.kind_combo, choices._kind_reason),
        (choices.size_combo, choices._size_reason),
        (choices.words_combo, choices._words_reason),
    ):
        for place in range(box.count()):
            box.setCurrentIndex(place)
            assert label.isVisibleTo(panel)
            assert len(label.text()) > 30
            reasons.add(label.text())
        box.setCurrentIndex(0)
    assert len(reasons) == 2 + len(SIZES) + 3


def test_models_on_this_computer_are_bases_and_codecs(panel, shown, shelf, qtbot):
    shelf.entries.append(made_up_model("wide", channels=2, path=Path("/models/wide")))
    with qtbot.waitSignal(shown.models.changed):
        shown.models.read()
    box = panel.choices.base_combo
    names = [box.itemData(place) for place in range(box.count())]
    assert names == ["house", "facebook/musicgen-melody", "someone/micro"]


def test_a_size_says_its_numbers_and_bytes(panel, qtbot):
    facts = CodecFacts(codebooks=4, vocabulary=512, parameters=3_000_000)
    assert size_title(SIZES["micro"], facts, words=False) == "micro, 5.8 million, 18 MB"
    panel.choices.set_codec_facts(facts)
    with_words = panel.choices.size_combo.currentText()
    panel.choices.words_combo.setCurrentIndex(1)
    assert panel.choices.size_combo.currentText() == "micro, 5.8 million, 18 MB"
    assert with_words == "micro, 7.8 million, 22 MB"


def test_measured_sizes_are_shown(panel, trainings, qtbot):
    assert "Not measured here yet" in panel.choices._size_reason.text()
    panel.choices.measure_button.click()
    job = trainings.jobs[-1]
    measured = SizeMeasured(name="micro", training_steps_per_second=4.5, times_real_time=12.25)
    trainings.measured = {"micro": measured}
    job.tell(measured)
    settle(qtbot, lambda: "12.2 times real time" in panel.choices._size_reason.text())
    job.future.set_result({"micro": measured})
    settle(qtbot, lambda: panel.start_button.isEnabled())


def test_a_scan_shows_what_is_there_and_how_long_it_will_take(panel, trainings, qtbot):
    job = begin(panel, trainings, "scan_button")
    job.tell(Progress(stage="scan", done=1, total=4))
    settle(qtbot, lambda: panel.state_label.text() == "Hearing the folder: 1 of 4")
    assert panel.bar.value() == 250
    assert not panel.start_button.isEnabled()
    job.tell(Planned(plan=made_up_plan()))
    job.future.set_result(made_up_plan())
    settle(qtbot, lambda: panel.start_button.isEnabled())
    text = panel.found.text.toPlainText()
    for line in (
        "3 sounds, 3 min, 25% of it silence",
        "1 repeated",
        "skipped broken.wav: it is damaged",
        "repeated again.wav: the same sound as loop 0.wav",
        "1 clipped, such as loop 1.wav",
    ):
        assert line in text
    assert panel.found.estimate.text().startswith("About 11 min: 60 s codes, 10 min training.")
    assert panel.findChild(QWidget, "train_rights").text() == RIGHTS_NOTICE
    panel.choices.size_combo.setCurrentIndex(0)
    assert "Scan again" in panel.found.estimate.text()


def test_a_training_is_drawn_while_it_goes_on(panel, shown, trainings, qtbot):
    job = begin(panel, trainings)
    job.tell(Planned(plan=made_up_plan()))
    job.tell(BaselineMeasured(nats=(5.0,), mean=5.0, held_out_segments=3))
    for step in range(1, 101):
        job.tell(step_done(step, nats=6 - step / 100))
    job.tell(
        HeldOutMeasured(
            step=100,
            nats=5.2,
            by_codebook=(5.2,),
            baseline=(5.0,),
            training_nats=5.5,
            best_step=100,
            best_nats=5.2,
        )
    )
    settle(qtbot, lambda: "best 5.20 at step 100" in panel.plot.accessibleName())
    assert "line to beat 5.00" in panel.plot.accessibleName()
    assert panel.state_label.text() == "Step 100 of 1,200, 4.0 a second, about 5:00 left"
    image = panel.plot.grab().toImage()
    colours = {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(40, 200)}
    assert len(colours) > 10


def test_previews_play_and_show_how_near_they_are(panel, shown, trainings, qtbot, tmp_path, player):
    wav = tmp_path / "step-000500.wav"
    AudioClip(samples=np.zeros((1, 3200), np.float32), sample_rate=32_000).save(wav)
    job = begin(panel, trainings)
    job.tell(preview(250))
    job.tell(preview(500, wav, copies=True))
    settle(qtbot, lambda: len(panel.previews.rows) == 2)
    newest = panel.previews.rows[0]
    assert newest.preview.step == 500
    assert panel.meter.text.startswith("Learnt by heart? Nearly: 60% of codes equal")
    newest.play_button.click()
    settle(qtbot, lambda: player.playing)
    assert shown.audition.sound.name == "tape loops old, step 500"
    assert shown.audition.sound.record is None
    newest.play_button.click()
    settle(qtbot, lambda: not player.playing)


def test_a_preview_that_is_gone_is_a_line(panel, shown, trainings, qtbot):
    job = begin(panel, trainings)
    job.tell(preview(250, Path("/nowhere/x.wav")))
    settle(qtbot, lambda: panel.previews.rows)
    with qtbot.waitSignal(shown.audition.failed):
        panel.previews.rows[0].play_button.click()


def test_pause_go_on_and_stop(panel, trainings, qtbot):
    job = begin(panel, trainings)
    job.tell(step_done(7))
    settle(qtbot, lambda: "Step 7" in panel.state_label.text())
    panel.pause_button.click()
    job.tell(Paused(step=8, paused=True))
    settle(qtbot, lambda: panel.pause_button.text() == "Go on")
    assert "Paused after step 8" in panel.state_label.text()
    panel.pause_button.click()
    job.tell(Paused(step=8, paused=False))
    settle(qtbot, lambda: panel.pause_button.text() == "Pause")
    panel.stop_button.click()
    assert job.told == ["pause", "go on", "stop"]
    assert not panel.stop_button.isEnabled()
    job.future.set_exception(CancelledError("Training stopped after step 8."))
    settle(qtbot, lambda: panel.start_button.isEnabled())
    assert panel.state_label.text() == "Stopped after step 7; Start goes on from there"
    assert panel.banner.message is None


def test_the_focus_follows_what_can_be_done(panel, trainings, qtbot):
    panel.choices.set_folder(FOLDER)
    panel.scan_button.setFocus()
    panel.scan_button.click()
    assert panel.focusWidget() is panel.stop_button
    trainings.jobs[-1].future.set_result(made_up_plan())
    settle(qtbot, lambda: panel.focusWidget() is panel.start_button)
    panel.start_button.click()
    assert panel.focusWidget() is panel.pause_button
    trainings.jobs[-1].future.set_exception(CancelledError("Stopped."))
    settle(qtbot, lambda: panel.focusWidget() is panel.start_button)


def test_a_finished_model_is_listed_and_can_be_used(panel, shown, shelf, trainings, qtbot):
    job = begin(panel, trainings)
    entry = made_up_model("tape loops old", registered=True, path=Path("/models/tape"))
    shelf.entries.append(entry)
    with qtbot.waitSignal(shown.models.changed):
        job.future.set_result(entry)
    assert shown.models.entry("tape loops old") == entry
    assert "stands among the models" in panel.state_label.text()
    assert panel.focusWidget() is panel.use_button
    panel.use_button.click()
    assert shown.generate_panel.model() == "tape loops old"
    assert not panel.isVisible()


def test_a_finished_adapter_is_not_offered_as_a_model(panel, trainings, qtbot):
    job = begin(panel, trainings)
    job.future.set_result(made_up_model("lean", kind="adapter", registered=True))
    settle(qtbot, lambda: panel.start_button.isEnabled())
    assert not panel.use_button.isVisible()
    assert "can be ticked under Advanced" in panel.state_label.text()


def test_faults_are_banners_in_the_dialog(panel, shown, trainings, qtbot):
    trainings.fault = InputError("Choose a folder of sounds first.")
    panel.start_button.click()
    assert panel.banner.message == "Choose a folder of sounds first."
    job = begin(panel, trainings)
    assert panel.banner.message is None
    job.future.set_exception(TrainingError("The training stopped (signal 9); press Start."))
    settle(qtbot, lambda: panel.banner.message is not None)
    assert shown.banner.message is None
    assert panel.start_button.isEnabled()


def test_with_the_dialog_closed_faults_are_in_the_window(panel, shown, trainings, qtbot):
    job = begin(panel, trainings)
    panel.close()
    job.future.set_exception(TrainingError("The disk is full."))
    settle(qtbot, lambda: shown.banner.message == "The disk is full.")


def test_a_notice_is_shown(panel, trainings, qtbot):
    job = begin(panel, trainings)
    job.tell(Notice(text="The token cache is of another codec."))
    settle(qtbot, lambda: panel.notice_label.text() == "The token cache is of another codec.")
    for number in (1, 2):
        job.tell(Notice(text=f"skipped {number}.wav"))
    settle(qtbot, lambda: panel.notice_label.text() == "Skipped 1.wav\nSkipped 2.wav")


def rest_one(panel, shown, trainings, qtbot):
    request = TrainingRequest(folder=FOLDER, name="hats", size="nano", steps=900, seed=3)
    trainings.resting = [StoppedTraining(request=request, step=340)]
    with qtbot.waitSignal(shown.train_run.stopped_known):
        shown.train_run.read_stopped()
    return request


def test_a_stopped_training_goes_on_as_it_was_asked_for(panel, shown, trainings, qtbot):
    assert not panel.stopped_combo.isVisible()
    request = rest_one(panel, shown, trainings, qtbot)
    assert panel.stopped_combo.isVisible()
    panel.stopped_combo.setCurrentIndex(1)
    assert panel.stopped_combo.currentText() == "Go on with hats, step 340"
    assert panel.choices.name_edit.text() == "hats"
    assert panel.choices.length_spin.value() == 900
    assert not panel.choices.size_combo.isEnabled()
    assert panel.start_button.text() == "Go on"
    panel.start_button.click()
    job = trainings.jobs[-1]
    assert job.request == request
    job.tell(
        CurveSoFar(steps=(1, 340), nats=(6.0, 4.0), held_out_steps=(300,), held_out_nats=(4.5,))
    )
    job.tell(step_done(341))
    settle(qtbot, lambda: "best 4.50 at step 300" in panel.plot.accessibleName())


def test_a_stopped_training_s_name_is_not_taken_again(panel, shown, trainings, qtbot):
    rest_one(panel, shown, trainings, qtbot)
    panel.choices.set_folder(Path("/sounds/hats"))
    panel.start_button.click()
    assert "A stopped training is called hats" in panel.banner.message
    assert trainings.jobs == []


def test_a_stopped_training_is_forgotten_after_a_question(panel, shown, trainings, qtbot):
    rest_one(panel, shown, trainings, qtbot)
    assert not panel.forget_button.isEnabled()
    panel.stopped_combo.setCurrentIndex(1)
    panel.forget_button.click()
    with qtbot.waitSignal(shown.train_run.stopped_known):
        panel.findChild(QPushButton, "train_forget_confirm_button").click()
    assert trainings.resting == []
    assert not panel.stopped_combo.isVisible()
    assert panel.choices.size_combo.isEnabled()


def drop(panel, path):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    event = QDropEvent(
        QPointF(5, 5),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
        QEvent.Type.Drop,
    )
    panel.dropEvent(event)


def test_a_folder_or_a_file_in_it_can_be_dropped(panel, tmp_path):
    drop(panel, tmp_path)
    assert panel.choices.folder_edit.text() == str(tmp_path)
    folder = tmp_path / "deep"
    folder.mkdir()
    (folder / "one.wav").write_bytes(b"")
    drop(panel, folder / "one.wav")
    assert panel.choices.folder_edit.text() == str(folder)


def test_the_model_box_and_a_key_open_the_dialog(window, trainings, qtbot):
    made = window()
    box = made.generate_panel.fields.model_combo
    place = box.findText("Train...")
    box.activated.emit(place)
    assert made.train_panel.isVisible()
    assert box.currentText() == "house"
    made.train_panel.close()
    made.activateWindow()
    qtbot.keyClick(made, Qt.Key.Key_T, Qt.KeyboardModifier.ControlModifier)
    settle(qtbot, made.train_panel.isVisible)


def test_everything_can_be_reached_and_is_named(panel, repository):
    for button in panel.findChildren(QPushButton):
        assert button.focusPolicy() & Qt.FocusPolicy.TabFocus
        assert not button.autoDefault()
    for kind in (QLineEdit, QComboBox):
        for field in panel.findChildren(kind):
            if field.objectName() and not field.objectName().startswith("qt_"):
                assert field.accessibleName(), field.objectName()
    manual = (repository / "docs" / "window.md").read_text(encoding="utf-8")
    for name in ("train_dialog", "train_forget_dialog", "train_forget_confirm_button"):
        assert f"`{name}`" in manual


def test_it_fits_the_smallest_window(panel):
    panel.resize(panel.minimumSize())
    QApplication.processEvents()
    for name in ("scan_button", "start_button", "close_button"):
        button = getattr(panel, name)
        assert panel.rect().contains(button.geometry())
    assert panel.minimumWidth() <= 1000
    assert panel.minimumHeight() <= 600


def test_very_many_losses_are_thinned_out(panel, shown):
    curve = shown.train_run.curve
    for step in range(10_000):
        curve.add(step, 3.0)
    assert len(curve.steps) == len(curve.nats) <= 4_000
    assert all(a < b for a, b in itertools.pairwise(curve.steps))

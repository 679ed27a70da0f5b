from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent

from studio.core.settings import Settings
from studio.generation.request import GenerationRequest
from studio.models.codes import CodeSequence
from studio.ui.generate_panel import GeneratePanel
from studio.ui.model_words import ModelTraits

SOURCE = CodeSequence.from_array(np.arange(40, dtype=np.int64).reshape(4, 10))
RECIPE = GenerationRequest(prompt="dusty drums", seed=7, tempo_bpm=92.5, bars=2)
RECIPES = {
    "plain": RECIPE,
    "avoiding": replace(RECIPE, negative="vocals, noise"),
    "melody file": replace(RECIPE, melody_file="/tunes/tune.wav"),
    "heard melody": replace(RECIPE, melody_file="/tunes/tune.wav", melody="0471b"),
    "melody alone": replace(RECIPE, melody="0471b"),
    "sound": replace(RECIPE, continue_file="/loops/loop.wav"),
    "end of a sound": replace(RECIPE, continue_file="/loops/loop.wav", continue_seconds=2.125),
    "encoded sound": replace(
        RECIPE,
        continue_file="/loops/loop.wav",
        continue_seconds=2.0,
        source=SOURCE,
        from_seconds=2.0,
    ),
    "extended": replace(RECIPE, bars=4, source=SOURCE, from_seconds=5.19),
    "part made anew": replace(RECIPE, source=SOURCE, from_seconds=1.3, to_seconds=2.6),
    "seconds": replace(RECIPE, bars=None, duration_seconds=7.123456789),
    "seconds without a tempo": replace(RECIPE, tempo_bpm=None, bars=None, duration_seconds=8.0),
    "steps": replace(RECIPE, tempo_bpm=None, bars=None, max_steps=500),
    "another model": replace(RECIPE, model="/some/bundle", melody="0"),
    "fewer bits": replace(RECIPE, precision="int8"),
    "bits of another backend": replace(RECIPE, precision="float16"),
}


@pytest.fixture
def panel(qtbot):
    made = GeneratePanel(Settings())
    qtbot.addWidget(made)
    made.show()
    return made


@pytest.fixture
def section(panel):
    return panel.fields.advanced.material


def drag(field, paths):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    rest = (
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    enter = QDragEnterEvent(QPoint(5, 5), *rest)
    enter.ignore()
    field.dragEnterEvent(enter)
    if enter.isAccepted():
        field.dropEvent(QDropEvent(QPointF(5, 5), *rest))
    return enter.isAccepted()


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_shown_whole_whatever_was_there_before(panel, name):
    for before in RECIPES.values():
        panel.show_request(before)
        panel.show_request(RECIPES[name])
        assert panel.request() == RECIPES[name]


def test_words_to_avoid_are_part_of_the_request(panel, section, qtbot):
    qtbot.keyClicks(section.negative_edit, " vocals ")
    assert panel.request().negative == "vocals"


def test_a_file_dropped_on_the_melody_is_followed_until_it_is_cleared(panel, section, tmp_path):
    tune = tmp_path / "tune.wav"
    assert drag(section.melody_field, [tune])
    assert panel.request().melody_file == str(tune)
    assert section.melody_field.text == "tune.wav"
    section.melody_field.clear_button.click()
    assert panel.request().melody_file is None
    assert section.melody_field.text == ""


def test_two_files_are_not_one_sound(section, tmp_path):
    assert not drag(section.melody_field, [tmp_path / "a.wav", tmp_path / "b.wav"])
    assert not drag(section.melody_field, [])


def test_a_sound_is_chosen_in_a_dialog(panel, section, tmp_path, monkeypatch, qtbot):
    file = tmp_path / "loop.wav"
    monkeypatch.setattr(
        "studio.ui.sound_field.QFileDialog.getOpenFileName", lambda *_: (str(file), "")
    )
    section.continue_field.button.click()
    assert panel.request().continue_file == str(file)
    monkeypatch.setattr("studio.ui.sound_field.QFileDialog.getOpenFileName", lambda *_: ("", ""))
    section.continue_field.button.click()
    assert panel.request().continue_file == str(file)


def test_the_seconds_to_continue_from_belong_to_their_sound(panel, section, tmp_path):
    panel.fields.advanced._toggle.click()
    assert not section.seconds_spin.isVisible()
    drag(section.continue_field, [tmp_path / "loop.wav"])
    assert section.seconds_spin.isVisible()
    assert section.seconds_spin.text() == "all of it"
    section.seconds_spin.setValue(2.5)
    assert section.seconds_spin.text() == "2.5 s"
    assert panel.request().continue_seconds == 2.5
    section.seconds_spin.lineEdit().clear()
    assert panel.request().continue_seconds is None
    section.seconds_spin.setValue(2.5)
    drag(section.continue_field, [tmp_path / "other.wav"])
    assert panel.request().continue_seconds is None


def test_a_melody_is_offered_to_models_that_follow_one(panel, section, tmp_path):
    section.melody_field.chosen.emit(str(tmp_path / "tune.wav"))
    for kind, follows in (
        ("melody", True),
        ("text", False),
        (None, True),
        ("unconditional", False),
    ):
        panel.set_traits(ModelTraits(kind=kind))
        assert section.melody_field.button.isEnabled() == follows
        assert section.melody_field.acceptDrops() == follows
        assert (panel.request().melody_file is not None) == follows
        assert ("choose one of the melody models" in section.melody_field.button.toolTip()) != (
            follows
        )
    assert section.melody_field.clear_button.isEnabled()


def test_what_a_recipe_holds_is_named_and_another_sound_replaces_it(panel, section, tmp_path):
    panel.show_request(RECIPES["heard melody"])
    assert section.melody_field.text == "Melody of the recipe"
    assert "/tunes/tune.wav" in section.melody_field.button.toolTip()
    section.melody_field.chosen.emit("/tunes/other.wav")
    assert (panel.request().melody_file, panel.request().melody) == ("/tunes/other.wav", None)
    panel.show_request(RECIPES["encoded sound"])
    assert section.continue_field.text == "Sound of the recipe"
    assert not section.seconds_spin.isEnabled()
    section.continue_field.clear_button.click()
    assert panel.request() == RECIPE
    panel.show_request(RECIPES["part made anew"])
    assert section.continue_field.text == "Take of the recipe"
    assert "between 1.30 s and 2.60 s is made anew" in section.continue_field.button.toolTip()


def test_kept_codes_go_with_their_tempo_and_model(panel):
    panel.show_request(RECIPES["extended"])
    panel.fields.tempo_spin.setValue(120)
    assert panel.request().source is None
    assert panel.request().from_seconds is None
    panel._show_hint()
    assert "it was let go" in panel.fields.prompt_hint.text()
    panel.show_request(RECIPES["extended"])
    assert panel.request().source == SOURCE
    assert panel.fields.prompt_hint.isHidden()
    panel.choose_model("another")
    assert panel.request().source is None


def test_a_sound_that_is_still_a_file_is_read_again_for_another_tempo(panel):
    panel.show_request(RECIPES["encoded sound"])
    panel.fields.tempo_spin.setValue(120)
    request = panel.request()
    assert (request.source, request.from_seconds) == (None, None)
    assert (request.continue_file, request.continue_seconds) == ("/loops/loop.wav", 2.0)
    panel._show_hint()
    assert panel.fields.prompt_hint.isHidden()


def test_the_folded_section_says_what_is_set(panel, section):
    toggle = panel.fields.advanced._toggle
    assert toggle.text() == "Advanced"
    panel.show_request(
        replace(RECIPE, negative="vocals", melody="04", continue_file="/loops/loop.wav")
    )
    assert toggle.isChecked()
    assert toggle.text() == "Advanced: avoid, melody, continues"
    panel.set_traits(ModelTraits(kind="text"))
    assert toggle.text() == "Advanced: avoid, continues"
    panel.show_request(RECIPE)
    assert toggle.text() == "Advanced"


def test_every_field_says_what_it_is(section):
    for widget in (
        section.negative_edit,
        section.melody_field.button,
        section.melody_field.clear_button,
        section.continue_field.button,
        section.continue_field.clear_button,
        section.seconds_spin,
    ):
        assert widget.accessibleName()
        assert widget.toolTip()
        assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus

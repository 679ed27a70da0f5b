from __future__ import annotations

import pytest
from PySide6.QtCore import Qt

from studio.core.settings import Settings
from studio.generation.request import GenerationRequest
from studio.models.prompting import PromptTemplate
from studio.ui.generate_panel import GeneratePanel
from studio.ui.model_words import ModelTraits
from tests.ui.conftest import MadeUpShelf

TEMPLATE = PromptTemplate(
    words=("jungle", "break", "dark", "reese"),
    genres=("jungle",),
    aliases={"reese bass": "reese"},
    grids=(4, 5),
    context_frames=256,
    frame_rate=50,
)


@pytest.fixture
def panel(qtbot):
    made = GeneratePanel(Settings())
    made.set_models(MadeUpShelf().entries)
    qtbot.addWidget(made)
    made.show()
    return made


def type_prompt(panel, qtbot, text):
    panel.fields.prompt_edit.clear()
    qtbot.keyClicks(panel.fields.prompt_edit, text)
    qtbot.wait(180)


def test_a_tempo_in_the_prompt_moves_the_field(panel, qtbot):
    type_prompt(panel, qtbot, "92.5 bpm dusty drums")
    assert panel.fields.tempo_spin.value() == 92.5
    assert panel.request().tempo_bpm == 92.5


def test_a_tempo_set_by_hand_stays_while_the_prompt_is_edited(panel, qtbot):
    type_prompt(panel, qtbot, "174 bpm jungle")
    panel.fields.tempo_spin.setValue(160)
    qtbot.keyClicks(panel.fields.prompt_edit, " break")
    assert panel.fields.tempo_spin.value() == 160
    qtbot.wait(180)
    assert "The prompt says 174 BPM; the field decides: 160." in panel.fields.prompt_hint.text()


def test_a_key_that_contradicts_the_prompt_is_pointed_out(panel, qtbot):
    panel.fields.key_combo.setCurrentText("C")
    type_prompt(panel, qtbot, "house in A minor")
    assert "The prompt says Am; the field decides: C." in panel.fields.prompt_hint.text()


def test_words_that_the_model_does_not_know_are_shown(panel, qtbot):
    panel.set_traits(ModelTraits(kind="text", template=TEMPLATE))
    type_prompt(panel, qtbot, "174 bpm jungle with flugelhorn")
    assert "does not know: flugelhorn" in panel.fields.prompt_hint.text()
    panel.fields.prompt_edit.setPlainText("jungel flugelhorn")
    qtbot.waitUntil(lambda: "jungel (nearest: jungle)" in panel.fields.prompt_hint.text())
    type_prompt(panel, qtbot, "jungle break")
    assert panel.fields.prompt_hint.isHidden()
    type_prompt(panel, qtbot, "flugelhorn")
    assert "It knows words such as jungle." in panel.fields.prompt_hint.text()


def test_the_request_is_what_the_fields_say(panel, qtbot):
    fields = panel.fields
    type_prompt(panel, qtbot, "jungle break")
    fields.tempo_spin.setValue(174)
    fields.bars_combo.setCurrentText("4")
    fields.key_combo.setCurrentText("F#m")
    fields.seed_spin.set_seed(7)
    fields.count_spin.setValue(3)
    assert panel.count == 3
    assert panel.request() == GenerationRequest(
        prompt="jungle break", model="house", seed=7, tempo_bpm=174.0, bars=4, key="F#m"
    )


def test_an_impossible_tempo_is_marked_and_not_corrected(panel, qtbot):
    panel.fields.tempo_spin.setValue(500)
    qtbot.wait(180)
    assert panel.fields.tempo_spin.property("fault") is True
    assert "60 to 200" in panel.fields.prompt_hint.text()
    assert panel.request().tempo_bpm == 500


def test_any_key_is_no_key(panel):
    assert panel.request().key is None


def test_enter_in_the_prompt_generates_and_shift_enter_does_not(panel, qtbot):
    with qtbot.waitSignal(panel.generate_requested):
        qtbot.keyClick(panel.fields.prompt_edit, Qt.Key.Key_Return)
    with qtbot.assertNotEmitted(panel.generate_requested):
        qtbot.keyClick(
            panel.fields.prompt_edit, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier
        )
    assert panel.fields.prompt_edit.toPlainText() == "\n"


def test_every_take_gets_a_new_seed_until_the_seed_is_locked(panel):
    first = panel.fields.seed_spin.seed()
    panel.prepare_next()
    second = panel.fields.seed_spin.seed()
    assert second != first
    panel.fields.lock_button.click()
    panel.prepare_next()
    assert panel.fields.seed_spin.seed() == second


def test_a_typed_seed_is_locked_and_the_dice_gives_another(panel, qtbot):
    edit = panel.fields.seed_spin.lineEdit()
    edit.clear()
    qtbot.keyClicks(edit, "42")
    assert panel.fields.lock_button.isChecked()
    panel.prepare_next()
    assert panel.request().seed == 42
    panel.fields.dice_button.click()
    assert panel.request().seed != 42


def test_sampling_is_the_models_own_until_it_is_set(panel, qtbot):
    assert panel.request().temperature is None
    for name, value in (("temperature", 0.8), ("top_k", 50), ("top_p", 0.9), ("guidance", 1.5)):
        panel.fields.advanced._spins[name].setValue(value)
    request = panel.request()
    assert (request.temperature, request.top_k, request.top_p, request.guidance) == (
        0.8,
        50,
        0.9,
        1.5,
    )


def test_an_emptied_sampling_field_is_left_to_the_model_again(panel, qtbot):
    spin = panel.fields.advanced._spins["temperature"]
    spin.setValue(0.8)
    spin.lineEdit().clear()
    assert panel.request().temperature is None
    spin.stepBy(1)
    assert panel.request().temperature == 1.0


def double_click_title(panel, qtbot, title):
    label = next(
        child
        for child in panel.fields.advanced.findChildren(object)
        if hasattr(child, "reset_requested") and child.text() == title
    )
    qtbot.mouseDClick(label, Qt.MouseButton.LeftButton)


def test_a_double_click_on_its_title_resets_a_field(panel, qtbot):
    advanced = panel.fields.advanced
    advanced._toggle.click()
    advanced._spins["guidance"].setValue(5)
    advanced.weights.show_precision("int8")
    double_click_title(panel, qtbot, "Guidance")
    assert panel.request().guidance is None
    assert panel.request().precision == "int8"
    double_click_title(panel, qtbot, "Weights")
    assert panel.request().precision is None


def test_a_stored_recipe_fills_every_field(panel):
    recipe = GenerationRequest(
        prompt="dusty drums",
        model="/some/bundle",
        seed=2**40,
        tempo_bpm=92.5,
        bars=8,
        key="C",
        top_k=10,
        temperature=0.5,
        precision="bfloat16",
    )
    panel.show_request(recipe)
    assert panel.request() == recipe
    assert panel.fields.lock_button.isChecked()


def choose(panel, index):
    combo = panel.fields.model_combo
    combo.setCurrentIndex(index)
    combo.activated.emit(index)


def test_the_models_on_this_computer_can_be_chosen_the_embedded_one_first(panel):
    combo = panel.fields.model_combo
    names = [combo.itemText(index) for index in range(combo.count())]
    usable = ["house", "facebook/musicgen-melody", "someone/micro"]
    assert names == [*usable, "", "Seed banks...", "Train...", "Models..."]


def test_choosing_a_model_is_told(panel, qtbot):
    with qtbot.waitSignal(panel.model_changed) as changed:
        choose(panel, 1)
    assert changed.args == ["facebook/musicgen-melody"]
    assert panel.request().model == "facebook/musicgen-melody"


def test_the_last_choice_leads_to_all_models_and_changes_nothing(panel, qtbot):
    with (
        qtbot.assertNotEmitted(panel.model_changed),
        qtbot.waitSignal(panel.models_wanted),
    ):
        choose(panel, panel.fields.model_combo.count() - 1)
    assert panel.fields.model_combo.currentText() == "house"
    assert panel.request().model == "house"


def test_a_model_that_is_removed_stays_chosen_until_another_is(panel):
    choose(panel, 1)
    panel.set_models(MadeUpShelf().entries[:1])
    assert panel.request().model == "facebook/musicgen-melody"


def test_a_model_that_is_not_here_is_pointed_out(panel):
    panel.set_traits(ModelTraits(kind="text", absent=True))
    assert "not on this computer; Ctrl+M lists" in panel.fields.prompt_hint.text()


def test_a_model_that_hears_no_words_is_sent_none(panel, qtbot):
    type_prompt(panel, qtbot, "dusty drums in A minor")
    panel.fields.advanced.material.negative_edit.setText("vocals")
    panel.fields.key_combo.setCurrentText("C")
    panel.set_traits(ModelTraits(kind="unconditional"))
    assert panel.fields.prompt_hint.text() == "This model hears no words; the prompt is left out."
    assert (panel.request().prompt, panel.request().negative) == ("", "")
    assert panel.choices()["prompt"] == "dusty drums in A minor"
    panel.set_traits(ModelTraits(kind="text"))
    assert panel.request().prompt == "dusty drums in A minor"
    assert panel.request().negative == "vocals"


def test_a_length_may_be_written_in_seconds(panel):
    for text, expected in (
        ("8.5 s", (None, 8.5, None)),
        ("4 bars", (4, None, None)),
        ("500 steps", (None, None, 500)),
        ("long", (0, None, None)),
    ):
        panel.fields.bars_combo.setCurrentText(text)
        request = panel.request()
        assert (request.bars, request.duration_seconds, request.max_steps) == expected
    assert panel.choices()["bars"] == 2


def test_an_emptied_tempo_is_any_tempo(panel, qtbot):
    spin = panel.fields.tempo_spin
    spin.lineEdit().clear()
    assert panel.request().tempo_bpm is None
    assert spin.text() == "Any"
    assert spin.property("fault") is not True
    assert panel.choices()["tempo_bpm"] == 0.0
    spin.stepBy(1)
    assert panel.request().tempo_bpm == 120.0


def test_what_the_settings_keep(panel):
    panel.fields.play_new_check.setChecked(False)
    assert panel.choices() == {
        "prompt": "",
        "tempo_bpm": 174.0,
        "bars": 2,
        "key": "",
        "model": "house",
        "audition_new_takes": False,
    }

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt

from studio.core.settings import Settings
from studio.generation.request import GenerationRequest
from studio.models.selection import ALL_PRECISIONS, PRECISIONS
from studio.ui.generate_panel import GeneratePanel

RECIPE = GenerationRequest(prompt="dusty drums", seed=7, tempo_bpm=92.5, bars=2)
OFFERED = ["Automatic", *PRECISIONS]


@pytest.fixture
def panel(qtbot):
    made = GeneratePanel(Settings())
    qtbot.addWidget(made)
    made.show()
    return made


@pytest.fixture
def box(panel):
    return panel.fields.advanced.weights


def items(box):
    return [box.itemText(place) for place in range(box.count())]


def test_the_weights_are_left_to_model_and_machine_until_they_are_chosen(panel, box, qtbot):
    assert items(box) == OFFERED
    assert box.currentText() == "Automatic"
    assert panel.request().precision is None
    panel.fields.advanced._toggle.click()
    for precision in PRECISIONS:
        qtbot.keyClick(box, Qt.Key.Key_Down)
        assert panel.request().precision == precision
    qtbot.keyClick(box, Qt.Key.Key_Home)
    assert panel.request().precision is None


@pytest.mark.parametrize("precision", ALL_PRECISIONS)
def test_a_format_of_a_recipe_is_offered_as_long_as_it_is_shown(panel, box, precision):
    panel.show_request(GenerationRequest(prompt="", precision=precision))
    assert box.currentText() == precision
    assert panel.request().precision == precision
    assert items(box) == (OFFERED if precision in PRECISIONS else [*OFFERED, precision])
    panel.show_request(RECIPE)
    assert items(box) == OFFERED
    assert panel.request().precision is None


def test_the_folded_section_names_the_weights_when_they_are_set(panel, box):
    toggle = panel.fields.advanced._toggle
    box.setCurrentIndex(box.findText("int8"))
    assert toggle.text() == "Advanced: weights"
    panel.fields.advanced.material.negative_edit.setText("vocals")
    assert toggle.text() == "Advanced: avoid, weights"
    assert toggle.toolTip().endswith("Set: avoid, weights")
    box.setCurrentIndex(0)
    assert toggle.text() == "Advanced: avoid"
    panel.fields.advanced.material.negative_edit.clear()
    assert "Set:" not in toggle.toolTip()


def test_the_box_and_every_choice_say_what_they_do(box):
    assert box.accessibleName() == "Weights"
    assert box.focusPolicy() & Qt.FocusPolicy.TabFocus
    assert "loads the model anew" in box.toolTip()
    box.show_precision("int4")
    hints = [box.itemData(place, Qt.ItemDataRole.ToolTipRole) for place in range(box.count())]
    assert len(hints) == len(set(hints)) == 5
    assert all(hints)

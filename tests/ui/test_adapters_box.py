from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QDoubleSpinBox

from studio.core.settings import Settings
from studio.generation.request import GenerationRequest
from studio.ui.adapters_box import fits
from studio.ui.controls import CheckBox
from studio.ui.generate_panel import GeneratePanel
from tests.ui.conftest import made_up_model

RECIPE = GenerationRequest(
    prompt="dusty drums", seed=7, bars=2, adapters=(("crackle", 0.4), ("/far/away/tape", -1.5))
)


@pytest.fixture
def panel(qtbot):
    made = GeneratePanel(Settings())
    qtbot.addWidget(made)
    made.show()
    made.fields.advanced._toggle.click()
    return made


@pytest.fixture
def box(panel):
    return panel.fields.advanced.adapters


def adapter(name, **facts):
    known = {"kind": "adapter", "registered": True, "path": Path("/here") / name, "base": "house"}
    return made_up_model(name, **{**known, **facts})


def rows(box):
    return [check.text() for check in box.findChildren(CheckBox) if check.isVisible()]


def tick(box, name):
    box.findChild(CheckBox, f"adapter_check_{name}").click()


def strength(box, name):
    return box.findChild(QDoubleSpinBox, f"adapter_strength_{name}")


def test_without_adapters_the_section_says_where_they_come_from(panel, box):
    assert rows(box) == []
    assert box._nothing.isVisible()
    assert panel.request().adapters == ()


def test_the_adapters_of_the_list_are_offered_and_the_model_menu_has_none(panel, box, qtbot):
    panel.set_models([made_up_model("house"), adapter("crackle"), adapter("gone", path=None)])
    qtbot.waitUntil(lambda: rows(box) == ["crackle"])
    assert not box._nothing.isVisible()
    offered = panel.fields.model_combo
    assert "crackle" not in [offered.itemText(place) for place in range(offered.count())]
    assert "Made for house" in box.findChild(CheckBox, "adapter_check_crackle").toolTip()


def test_what_is_ticked_is_part_of_the_request_with_its_strength(panel, box):
    panel.set_models([adapter("crackle"), adapter("tape")])
    assert not strength(box, "crackle").isEnabled()
    tick(box, "crackle")
    assert panel.request().adapters == (("crackle", 1.0),)
    strength(box, "crackle").setValue(0.35)
    tick(box, "tape")
    assert panel.request().adapters == (("crackle", 0.35), ("tape", 1.0))
    assert panel.fields.advanced._toggle.text() == "Advanced: adapters"
    tick(box, "crackle")
    assert panel.request().adapters == (("tape", 1.0),)
    strength(box, "tape").stepBy(-1)
    assert panel.request().adapters == (("tape", 0.95),)


def test_a_list_that_is_read_again_leaves_the_choice_alone(panel, box, qtbot):
    panel.set_models([adapter("crackle")])
    tick(box, "crackle")
    strength(box, "crackle").setValue(0.5)
    panel.set_models([adapter("crackle"), adapter("tape")])
    assert panel.request().adapters == (("crackle", 0.5),)
    panel.set_models([adapter("tape")])
    # Removed meanwhile: it is still what was asked for, and Generate says what is wrong.
    assert panel.request().adapters == (("crackle", 0.5),)


def test_a_recipe_is_shown_with_adapters_that_are_not_listed(panel, box, qtbot):
    panel.set_models([adapter("crackle")])
    panel.show_request(RECIPE)
    assert panel.request().adapters == RECIPE.adapters
    qtbot.waitUntil(lambda: rows(box) == ["crackle", "tape"])
    panel.show_request(GenerationRequest(prompt="plain", bars=2))
    assert panel.request().adapters == ()
    qtbot.waitUntil(lambda: rows(box) == ["crackle"])


def test_only_adapters_that_fit_the_chosen_model_are_offered(panel, box, qtbot):
    small = "facebook/musicgen-small"
    panel.set_models([adapter("crackle"), adapter("tape", base=small), adapter("any", base="")])
    qtbot.waitUntil(lambda: rows(box) == ["crackle", "any"])
    tick(box, "crackle")
    tick(box, "any")
    panel.choose_model(small)
    qtbot.waitUntil(lambda: rows(box) == ["tape", "any"])
    assert panel.request().adapters == (("any", 1.0),)
    panel.choose_model("house")
    qtbot.waitUntil(lambda: rows(box) == ["crackle", "any"])


def test_a_long_name_does_not_widen_the_panel(panel, box, qtbot):
    before = panel.minimumSizeHint().width()
    name = "the tapes that were in the attic when we moved, take two"
    panel.set_models([adapter(name)])
    check = box.findChild(CheckBox, f"adapter_check_{name}")
    assert "\u2026" in check.text()
    assert check.accessibleName() == f"Adapter {name}"
    assert panel.minimumSizeHint().width() <= before


@pytest.mark.parametrize(
    ("base", "model", "expected"),
    [
        ("", "anything", True),
        ("house", "house", True),
        ("house", "facebook/musicgen-small", False),
        ("/models/mine", "/models/mine", True),
        ("nobody/nothing", "somebody/something", False),
    ],
)
def test_an_adapter_fits_the_model_that_it_was_made_for(base, model, expected):
    assert fits(base, model) is expected

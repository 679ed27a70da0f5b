"""The fields of the generate panel, made but not connected.

Owns their looks, ranges and explanations. What they do together is in `generate_panel`.
"""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QPlainTextEdit,
    QPushButton,
    QSpinBox,
)

from studio.core.settings import Settings
from studio.editing.key import PITCH_CLASSES
from studio.ui import icons, theme
from studio.ui.advanced_section import AdvancedSection
from studio.ui.controls import CheckBox, ComboBox, SeedField, dim_label, tool_button
from studio.ui.keys import tooltip
from studio.ui.length_box import LengthBox
from studio.ui.model_box import ModelBox

ANY_KEY = "Any"
_NO_TEMPO = "Any"
_FIRST_TEMPO_BPM = 120.0


class PromptEdit(QPlainTextEdit):
    """Where the prompt is typed.

    Signals:
        submitted(): Enter was pressed.
    """

    submitted = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter submits; Shift+Enter starts a new line."""
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if enter and not event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.submitted.emit()
            return
        super().keyPressEvent(event)


class TempoSpin(QDoubleSpinBox):
    """A tempo without superfluous zeros; 0 is none, for takes that are no loops."""

    def __init__(self, tempo_bpm: float) -> None:
        super().__init__()
        self.setObjectName("tempo_spin")
        self.setRange(0, 999)
        self.setDecimals(2)
        self.setSpecialValueText(_NO_TEMPO)
        self.setToolTip("Quarter notes a minute; the loop keeps it exactly. Empty: any")
        self.setAccessibleName("Tempo in BPM")
        self.setValue(tempo_bpm)

    def tempo_bpm(self) -> float | None:
        """The tempo; None for any."""
        if not self.lineEdit().text().strip():
            self.setValue(0)
        self.interpretText()
        return self.value() or None

    def textFromValue(self, value: float) -> str:
        """174 rather than 174.00."""
        return f"{value:.2f}".rstrip("0").rstrip(".")

    def stepBy(self, steps: int) -> None:  # noqa: N802 # Qt's name
        """From none, begin with a usual tempo."""
        if self.value():
            super().stepBy(steps)
        else:
            self.setValue(_FIRST_TEMPO_BPM)


class GenerateFields:
    """Everything that a request is made from, one widget each."""

    def __init__(self, settings: Settings) -> None:
        self.prompt_edit = PromptEdit(settings.prompt)
        self.prompt_edit.setObjectName("prompt_edit")
        self.prompt_edit.setPlaceholderText("174 bpm jungle break, dark reese bass")
        self.prompt_edit.setAccessibleName("Prompt")
        self.prompt_edit.setToolTip(tooltip("What you want to hear", "zone_generate"))
        self.prompt_edit.setTabChangesFocus(True)
        self.prompt_edit.setFixedHeight(76)
        self.prompt_hint = dim_label("", "prompt_hint")
        self.prompt_hint.setWordWrap(True)

        self.tempo_spin = TempoSpin(settings.tempo_bpm)
        self.bars_combo = LengthBox(settings.bars)
        self.key_combo = ComboBox()
        self.key_combo.setObjectName("key_combo")
        self.key_combo.setEditable(True)
        self.key_combo.addItem(ANY_KEY)
        self.key_combo.addItems([f"{tonic}m" for tonic in PITCH_CLASSES])
        self.key_combo.addItems(list(PITCH_CLASSES))
        self.key_combo.setCurrentText(settings.key or ANY_KEY)
        self.key_combo.setToolTip("Key, such as Am or F#; Any leaves it to the prompt")
        self.key_combo.setAccessibleName("Key")

        self.seed_spin = SeedField()
        self.seed_spin.setObjectName("seed_spin")
        self.seed_spin.setToolTip("The same seed and settings give the same take, always")
        self.seed_spin.setAccessibleName("Seed")
        self.seed_spin.roll()
        self.dice_button = tool_button("dice", "dice_button", "New seed")
        self.lock_button = tool_button("unlock", "lock_button", "Keep the seed", checkable=True)
        self.lock_icons = {
            True: icons.icon("lock", theme.ACCENT, theme.ACCENT),
            False: icons.icon("unlock"),
        }
        self.count_spin = QSpinBox()
        self.count_spin.setObjectName("count_spin")
        self.count_spin.setRange(1, 64)
        self.count_spin.setToolTip("How many takes to make, of seeds that follow each other")
        self.count_spin.setAccessibleName("Number of takes")
        self.model_combo = ModelBox(settings.model)
        self.advanced = AdvancedSection()
        self.play_new_check = CheckBox("Play takes while they are made")
        self.play_new_check.setObjectName("play_new_check")
        self.play_new_check.setChecked(settings.audition_new_takes)
        self.generate_button = QPushButton("Generate")
        self.generate_button.setObjectName("generate_button")
        self.generate_button.setProperty("primary", True)
        self.generate_button.setToolTip(tooltip("Make the loop", "generate"))
        for field in (self.tempo_spin, self.count_spin, self.seed_spin):
            field.setFixedHeight(theme.CONTROL_HEIGHT)
            field.lineEdit().setTextMargins(5, 0, 5, 0)

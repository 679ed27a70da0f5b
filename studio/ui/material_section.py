"""What a take leads away from, follows, and goes on from.

Owns the negative prompt, the melody and the sound to continue, with what a stored recipe holds
of them: a melody as pitch classes and kept codes need no file. It reads no sound; the engine
does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDoubleSpinBox, QGridLayout, QLineEdit, QWidget

from studio.generation.request import (
    MAX_DURATION_SECONDS,
    MAX_PROMPT_CHARACTERS,
    GenerationRequest,
)
from studio.models.codes import CodeSequence
from studio.ui import theme
from studio.ui.controls import dim_label
from studio.ui.model_words import ModelTraits
from studio.ui.sound_field import SoundField

LABEL_WIDTH = 76
_NO_WORDS = "This model hears no words."
_NO_MELODY = "This model follows no melody; choose one of the melody models."


class Material(TypedDict):
    """The fields of a request that are filled here."""

    negative: str
    melody_file: str | None
    melody: str | None
    continue_file: str | None
    continue_seconds: float | None
    source: CodeSequence | None
    from_seconds: float | None
    to_seconds: float | None


class SecondsSpin(QDoubleSpinBox):
    """How much of a sound's end is taken; 0 stands for all of it."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("continue_seconds_spin")
        self.setAccessibleName("Seconds of its end")
        self.setToolTip("How much of the sound's end the take begins with; empty: all of it")
        self.setRange(0, MAX_DURATION_SECONDS)
        self.setDecimals(3)
        self.setSpecialValueText("all of it")
        self.setSuffix(" s")
        self.setFixedHeight(theme.CONTROL_HEIGHT)
        self.lineEdit().setTextMargins(5, 0, 5, 0)

    def textFromValue(self, value: float) -> str:
        """2.5 rather than 2.500."""
        return f"{value:.3f}".rstrip("0").rstrip(".")

    def seconds(self) -> float | None:
        """The value; None for all of it."""
        if not self.cleanText().strip():
            self.setValue(0)
        self.interpretText()
        return self.value() or None


class MaterialSection(QWidget):
    """The fields for words to avoid, a melody, and a sound to continue.

    Signals:
        changed(): Something was set or cleared.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._traits = ModelTraits()
        self._melody_file: str | None = None
        self._melody: str | None = None
        self._continue_file: str | None = None
        self._source: CodeSequence | None = None
        self._part: tuple[float | None, float | None] = (None, None)
        self.negative_edit = QLineEdit()
        self.negative_edit.setObjectName("negative_edit")
        self.negative_edit.setAccessibleName("Avoid")
        self.negative_edit.setPlaceholderText("vocals, noise")
        self.negative_edit.setMaxLength(MAX_PROMPT_CHARACTERS)
        self.melody_field = SoundField(
            "melody", "melody", "The take follows the tune of this sound, not its timbre."
        )
        self.continue_field = SoundField(
            "continue", "sound to continue", "The take begins with this sound and goes on from it."
        )
        self.seconds_spin = SecondsSpin()
        self._lay_out()
        self.negative_edit.textChanged.connect(self.changed)
        self.melody_field.chosen.connect(self._take_melody)
        self.melody_field.cleared.connect(lambda: self._take_melody(None))
        self.continue_field.chosen.connect(self._take_sound)
        self.continue_field.cleared.connect(lambda: self._take_sound(None))
        self.seconds_spin.valueChanged.connect(self.changed)
        self.set_traits(self._traits)
        self._show()

    # --- the request ---------------------------------------------------------------------------

    def material(self) -> Material:
        """The fields of a request; what the model cannot use is left out."""
        words, melody = self._traits.hears_words, self._traits.follows_melody
        seconds = self.seconds_spin.seconds()
        return Material(
            negative=self.negative_edit.text().strip() if words else "",
            melody_file=self._melody_file if melody else None,
            melody=self._melody if melody else None,
            continue_file=self._continue_file,
            continue_seconds=seconds if self._continue_file is not None else None,
            source=self._source,
            from_seconds=self._part[0],
            to_seconds=self._part[1],
        )

    def show_request(self, request: GenerationRequest) -> None:
        """Fill every field from a stored recipe, and empty those that it does not use."""
        self.negative_edit.setText(request.negative)
        self._melody_file, self._melody = request.melody_file, request.melody
        self._continue_file, self._source = request.continue_file, request.source
        self._part = (request.from_seconds, request.to_seconds)
        self.seconds_spin.setValue(request.continue_seconds or 0)
        self._show()

    def set_traits(self, traits: ModelTraits) -> None:
        """Offer what the chosen model can use."""
        self._traits = traits
        self.negative_edit.setEnabled(traits.hears_words)
        self.negative_edit.setToolTip(
            "What the take should lead away from; works with a guidance above 1"
            if traits.hears_words
            else _NO_WORDS
        )
        self.melody_field.set_refusal(None if traits.follows_melody else _NO_MELODY)
        self.changed.emit()

    def let_go(self) -> bool:
        """Forget kept codes, which fit only their own model and tempo; their file is read again.

        Returns:
            Whether something without a file was forgotten.
        """
        if self._source is None:
            return False
        self._source, self._part = None, (None, None)
        self._show()
        return self._continue_file is None

    def summary(self) -> str:
        """What is set and will be used, in a few words; "" for nothing."""
        used = self.material()
        parts = [
            "avoid" if used["negative"] else "",
            "melody" if used["melody_file"] or used["melody"] else "",
            "continues" if used["continue_file"] or used["source"] is not None else "",
        ]
        return ", ".join(part for part in parts if part)

    # --- reactions -----------------------------------------------------------------------------

    def _take_melody(self, file: str | None) -> None:
        self._melody_file, self._melody = file, None
        self._show()

    def _take_sound(self, file: str | None) -> None:
        self._continue_file, self._source, self._part = file, None, (None, None)
        self.seconds_spin.setValue(0)
        self._show()

    def _show(self) -> None:
        file = self._melody_file
        if self._melody is not None:
            self.melody_field.show_sound("Melody of the recipe", file or "")
        else:
            self.melody_field.show_sound(Path(file).name if file else "", file or "")
        file = self._continue_file
        if self._source is None:
            self.continue_field.show_sound(Path(file).name if file else "", file or "")
        elif file is not None:
            self.continue_field.show_sound("Sound of the recipe", file)
        else:
            self.continue_field.show_sound("Take of the recipe", self._kept_words())
        for widget in (self._seconds_label, self.seconds_spin):
            widget.setVisible(file is not None)
        self.seconds_spin.setEnabled(self._source is None)
        self.changed.emit()

    def _kept_words(self) -> str:
        start, end = self._part
        if end is not None:
            return f"What is between {start or 0:.2f} s and {end:.2f} s is made anew."
        if start is not None:
            return f"What comes after {start:.2f} s is made anew."
        return "All of it is kept."

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        self._seconds_label = dim_label("its last")
        rows = (
            (dim_label("Avoid"), self.negative_edit),
            (dim_label("Melody"), self.melody_field),
            (dim_label("Continue"), self.continue_field),
            (self._seconds_label, self.seconds_spin),
        )
        for number, (label, widget) in enumerate(rows):
            label.setFixedWidth(LABEL_WIDTH)
            grid.addWidget(label, number, 0)
            grid.addWidget(widget, number, 1)

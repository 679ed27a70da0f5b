"""The choices of a training, each with its reason beside it.

Owns the fields and the request that they make. It starts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QDoubleSpinBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from studio.models.catalog import HOUSE
from studio.models.shelf.shelf import ModelEntry
from studio.training.workshop.sizes import SIZES
from studio.ui import theme, train_words
from studio.ui.controls import ComboBox, dim_label
from studio.ui.train_words import CodecFacts
from studio.workstation.training_child import SizeMeasured
from studio.workstation.training_request import TrainingRequest

_TITLE_WIDTH = 52
_NO_NAME = re.compile(r"[^\w +-]+")
_LONGEST_NAME = 40
_FIRST_SIZE = "micro"
_MOST_MINUTES = 10_000
_MOST_STEPS = 10_000_000


class TrainChoices(QWidget):
    """Folder, name, kind, size, words, codec and length.

    Signals:
        changed(): Something was chosen otherwise.
        codec_changed(str): Another codec was chosen.
        measure_wanted(): The sizes should be measured.
    """

    changed = Signal()
    codec_changed = Signal(str)
    measure_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("train_choices_panel")
        self._typed_name = False
        self._facts: CodecFacts | None = None
        self._measured: Mapping[str, SizeMeasured] = {}
        self._kept: TrainingRequest | None = None
        self._make_fields()
        self._lay_out()
        self._connect()
        self._show_kind()
        self._show_reasons()

    # --- the request ---------------------------------------------------------------------------

    def request(self) -> TrainingRequest:
        """What is chosen now; a stopped run comes back as it was asked for."""
        if self._kept is not None:
            return self._kept
        adapter = self.kind_combo.currentData() == "adapter"
        steps = self.unit_combo.currentData() == "steps"
        self.length_spin.interpretText()
        self.tune_spin.interpretText()
        length = self.length_spin.value()
        return TrainingRequest(
            folder=Path(self.folder_edit.text().strip()).expanduser(),
            name=self.name_edit.text().strip(),
            base=self.base_combo.currentData() if adapter else None,
            size=self.size_combo.currentData(),
            conditioners=self.words_combo.currentData(),
            codec=HOUSE if adapter else self.codec(),
            tune_codec_minutes=0.0 if adapter else self.tune_spin.value(),
            minutes=15.0 if steps else length,
            steps=round(length) if steps else None,
        )

    def codec(self) -> str:
        """The model whose codec is chosen."""
        chosen: str = self.codec_combo.currentData()
        return chosen

    def show_request(self, request: TrainingRequest | None) -> None:
        """Show a stopped run, which cannot be chosen otherwise; None begins a new one."""
        self._kept = request
        self._body.setEnabled(request is None)
        if request is None:
            return
        self.folder_edit.setText(str(request.folder))
        self.name_edit.setText(request.name)
        _select(self.kind_combo, "model" if request.base is None else "adapter")
        if request.base is not None:
            _select(self.base_combo, request.base)
        _select(self.size_combo, request.size)
        _select(self.words_combo, request.conditioners)
        _select(self.codec_combo, request.codec)
        self.tune_spin.setValue(request.tune_codec_minutes)
        _select(self.unit_combo, "minutes" if request.steps is None else "steps")
        self.length_spin.setValue(request.minutes if request.steps is None else request.steps)

    def set_folder(self, folder: Path) -> None:
        """Take a folder; the model is named after it unless somebody named it."""
        if self._kept is not None:
            return
        self.folder_edit.setText(str(folder))
        if not self._typed_name:
            self.name_edit.setText(_name_after(folder))

    def set_models(self, entries: Iterable[ModelEntry]) -> None:
        """Offer the models on this computer as bases and codecs; stereo ones are not trained."""
        usable = [e for e in entries if e.plays and e.path is not None and e.channels == 1]
        names = [entry.name for entry in usable] or [HOUSE]
        for box in (self.base_combo, self.codec_combo):
            if [box.itemData(place) for place in range(box.count())] != names:
                chosen = box.currentData()
                box.blockSignals(True)
                box.clear()
                for name in names:
                    box.addItem(name, name)
                _select(box, chosen if chosen in names else names[0])
                box.blockSignals(False)

    def set_codec_facts(self, facts: CodecFacts | None) -> None:
        """Take what of the chosen codec decides the sizes."""
        self._facts = facts
        self._show_sizes()

    def set_measured(self, measured: Mapping[str, SizeMeasured]) -> None:
        """Take what was measured on this computer."""
        self._measured = measured
        self._show_reasons()

    # --- reactions -----------------------------------------------------------------------------

    def _connect(self) -> None:
        for edit in (self.folder_edit, self.name_edit):
            edit.textChanged.connect(self.changed)
        for box in (
            self.kind_combo,
            self.base_combo,
            self.size_combo,
            self.words_combo,
            self.codec_combo,
            self.unit_combo,
        ):
            box.currentIndexChanged.connect(self.changed)
        for spin in (self.tune_spin, self.length_spin):
            spin.valueChanged.connect(self.changed)
        self.name_edit.textEdited.connect(self._name_typed)
        self.folder_edit.textEdited.connect(self._folder_typed)
        self.folder_button.clicked.connect(self._choose_folder)
        self.measure_button.clicked.connect(self.measure_wanted)
        self.kind_combo.currentIndexChanged.connect(self._show_kind)
        self.codec_combo.currentIndexChanged.connect(lambda: self.codec_changed.emit(self.codec()))
        self.unit_combo.currentIndexChanged.connect(self._show_unit)
        self.words_combo.currentIndexChanged.connect(self._show_sizes)
        self.changed.connect(self._show_reasons)

    def _name_typed(self, text: str) -> None:
        self._typed_name = bool(text)

    def _folder_typed(self, text: str) -> None:
        if not self._typed_name:
            self.name_edit.setText(_name_after(Path(text.strip())))

    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(
            self, "Folder of sounds", self.folder_edit.text().strip()
        )
        if folder:
            self.set_folder(Path(folder))

    def _show_kind(self) -> None:
        adapter = self.kind_combo.currentData() == "adapter"
        self.base_combo.setVisible(adapter)
        for row in (self._size_row, self._codec_row):
            for widget in row:
                widget.setVisible(not adapter)

    def _show_unit(self) -> None:
        steps = self.unit_combo.currentData() == "steps"
        self.length_spin.setDecimals(0 if steps else 1)
        self.length_spin.setRange(1 if steps else 0.1, _MOST_STEPS if steps else _MOST_MINUTES)
        self.length_spin.setSingleStep(500 if steps else 5)
        self.length_spin.setValue(1000 if steps else 15)

    def _show_sizes(self) -> None:
        words = self.words_combo.currentData() != "none"
        for place, size in enumerate(SIZES.values()):
            self.size_combo.setItemText(
                place, train_words.size_title(size, self._facts, words=words)
            )

    def _show_reasons(self) -> None:
        size = self.size_combo.currentData()
        self._kind_reason.setText(train_words.KINDS[self.kind_combo.currentData()])
        self._size_reason.setText(train_words.size_reason(size, self._measured.get(size)))
        self._words_reason.setText(train_words.WORDS[self.words_combo.currentData()][1])

    # --- layout --------------------------------------------------------------------------------

    def _make_fields(self) -> None:
        self.folder_edit = _line("train_folder_edit", "Folder of sounds", "Choose or drop one")
        self.folder_button = _button("train_folder_button", "Choose...", "Choose the folder")
        self.name_edit = _line("train_name_edit", "Name of the model", "my tape loops")
        self.name_edit.setMaxLength(60)
        self.kind_combo = _box("train_kind_combo", "What to train")
        self.kind_combo.addItem("A model of its own", "model")
        self.kind_combo.addItem("An adapter for", "adapter")
        self.base_combo = _box("train_base_combo", "Model of the adapter")
        self.base_combo.addItem(HOUSE, HOUSE)
        self.size_combo = _box("train_size_combo", "Size")
        for size in SIZES.values():
            self.size_combo.addItem(size.name, size.name)
            self.size_combo.setItemData(
                self.size_combo.count() - 1, size.about, Qt.ItemDataRole.ToolTipRole
            )
        _select(self.size_combo, _FIRST_SIZE)
        self.measure_button = _button("train_measure_button", "Measure", train_words.MEASURE)
        self.words_combo = _box("train_words_combo", "Words it listens to")
        for value, (title, _) in train_words.WORDS.items():
            self.words_combo.addItem(title, value)
        self.codec_combo = _box("train_codec_combo", "Codec")
        self.codec_combo.addItem(HOUSE, HOUSE)
        self.tune_spin = _spin("train_tune_spin", "Minutes of fitting the codec", 0, 600)
        self.tune_spin.setSpecialValueText("as it is")
        self.tune_spin.setSuffix(" min")
        self.tune_spin.setToolTip(train_words.TUNE)
        self.length_spin = _spin("train_length_spin", "How long to train", 0.1, _MOST_MINUTES)
        self.length_spin.setValue(15)
        self.unit_combo = _box("train_unit_combo", "Minutes or steps")
        self.unit_combo.addItem("minutes", "minutes")
        self.unit_combo.addItem("steps", "steps")

    def _lay_out(self) -> None:
        self._kind_reason = _reason("")
        self._size_reason = _reason("")
        self._words_reason = _reason("")
        size, codec = dim_label("Size"), dim_label("Codec")
        codec_reason = _reason(f"{train_words.CODEC} {train_words.TUNE}")
        self._size_row = (size, self.size_combo, self.measure_button, self._size_reason)
        self._codec_row = (codec, self.codec_combo, self.tune_spin, codec_reason)
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnMinimumWidth(0, _TITLE_WIDTH)
        self._grid.setColumnStretch(1, 1)
        self._add(dim_label("Folder"), (self.folder_edit, self.folder_button), train_words.FOLDER)
        self._add(dim_label("Name"), (self.name_edit,), train_words.NAME)
        self._add(dim_label("Kind"), (self.kind_combo, self.base_combo), self._kind_reason)
        self._add(size, (self.size_combo, self.measure_button), self._size_reason)
        self._add(dim_label("Words"), (self.words_combo,), self._words_reason)
        self._add(codec, (self.codec_combo, self.tune_spin), codec_reason)
        self._add(dim_label("Length"), (self.length_spin, self.unit_combo), train_words.LENGTH)
        self._body = QWidget()
        self._body.setLayout(self._grid)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 8, 0)
        layout.addWidget(self._body)
        layout.addStretch(1)

    def _add(self, title: QLabel, fields: tuple[QWidget, ...], reason: QLabel | str) -> None:
        """A titled row of fields, the first of them wide, and the reason below them."""
        if isinstance(reason, str):
            reason = _reason(reason)
        row = self._grid.rowCount()
        line = QHBoxLayout()
        line.setSpacing(6)
        for place, widget in enumerate(fields):
            line.addWidget(widget, 1 if place == 0 else 0)
        self._grid.addWidget(title, row, 0)
        self._grid.addLayout(line, row, 1)
        self._grid.addWidget(reason, row + 1, 1)
        self._grid.setRowMinimumHeight(row + 2, 5)


def _name_after(folder: Path) -> str:
    name = " ".join(_NO_NAME.sub(" ", folder.name).split())[:_LONGEST_NAME]
    return name.strip(" +-")


def _select(box: ComboBox, value: object) -> None:
    place = box.findData(value)
    if place < 0:
        box.addItem(str(value), value)
        place = box.count() - 1
    box.setCurrentIndex(place)


def _line(name: str, title: str, placeholder: str) -> QLineEdit:
    edit = QLineEdit()
    edit.setObjectName(name)
    edit.setAccessibleName(title)
    edit.setPlaceholderText(placeholder)
    return edit


def _button(name: str, text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setToolTip(tooltip)
    button.setAutoDefault(False)
    return button


def _box(name: str, title: str) -> ComboBox:
    box = ComboBox()
    box.setObjectName(name)
    box.setAccessibleName(title)
    box.setMinimumContentsLength(8)
    box.setSizeAdjustPolicy(ComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    return box


def _spin(name: str, title: str, low: float, high: float) -> QDoubleSpinBox:
    spin = QDoubleSpinBox()
    spin.setObjectName(name)
    spin.setAccessibleName(title)
    spin.setDecimals(1)
    spin.setRange(low, high)
    spin.setSingleStep(5)
    spin.setFixedHeight(theme.CONTROL_HEIGHT)
    spin.lineEdit().setTextMargins(5, 0, 5, 0)
    spin.setMinimumWidth(84)
    return spin


def _reason(text: str) -> QLabel:
    label = dim_label(text)
    label.setWordWrap(True)
    label.setFont(theme.ui_font(theme.FONT_PIXELS - 1))
    return label

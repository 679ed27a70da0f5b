"""The panel that asks for takes.

Owns the prompt and every setting of a request, and the words about what the model will make of
it. It must not generate: it hands a `GenerationRequest` to whoever listens.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QDoubleSpinBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from studio.core.settings import Settings
from studio.editing.key import PITCH_CLASSES, parse_key
from studio.generation.request import MAX_TEMPO_BPM, MIN_TEMPO_BPM, GenerationRequest
from studio.models.prompting import PromptTemplate, key_in, tempo_in
from studio.ui import icons, theme
from studio.ui.advanced_section import AdvancedSection
from studio.ui.controls import (
    CheckBox,
    ComboBox,
    SeedField,
    dim_label,
    heading,
    restyle,
    tool_button,
)
from studio.ui.keys import tooltip

_BAR_CHOICES = ("1", "2", "4", "8", "16")
_ANY_KEY = "Any"
_CHOOSE_FOLDER = "Choose a folder..."
_HINT_MILLISECONDS = 150
_LABEL_WIDTH = 48


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


class GeneratePanel(QWidget):
    """Prompt, tempo, bars, key, seed, count, model, advanced settings, and the button.

    Signals:
        generate_requested(): The button or Enter in the prompt was pressed.
        model_changed(str): Another model was chosen.
    """

    generate_requested = Signal()
    model_changed = Signal(str)

    def __init__(
        self, settings: Settings, models: list[str], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("generate_panel")
        self.setProperty("panel", True)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._template: PromptTemplate | None = None
        self._build_fields(settings, models)
        self._lay_out()
        self._hint_timer = QTimer(self)
        self._hint_timer.setSingleShot(True)
        self._hint_timer.setInterval(_HINT_MILLISECONDS)
        self._hint_timer.timeout.connect(self._show_hint)
        self.prompt_edit.textChanged.connect(self._prompt_typed)
        self.prompt_edit.submitted.connect(self.generate_requested)
        self.generate_button.clicked.connect(self.generate_requested)
        self.tempo_spin.valueChanged.connect(self._check_tempo)
        self.key_combo.currentTextChanged.connect(lambda _text: self._hint_timer.start())
        self.dice_button.clicked.connect(self._roll)
        self.seed_spin.seed_typed.connect(lambda: self.lock_button.setChecked(True))
        self.lock_button.toggled.connect(self._show_lock)
        self.model_combo.activated.connect(self._model_chosen)
        self._show_lock(self.lock_button.isChecked())
        self._show_hint()

    # --- the request ---------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """How many takes to make."""
        return self.count_spin.value()

    def request(self) -> GenerationRequest:
        """What is asked for now. Nothing is corrected: impossible values are refused later."""
        self.tempo_spin.interpretText()
        self.count_spin.interpretText()
        key_text = self.key_combo.currentText().strip()
        bars_text = self.bars_combo.currentText().split(" ")[0]
        sampling = self.advanced.sampling()
        return GenerationRequest(
            prompt=self.prompt_edit.toPlainText().strip(),
            model=self.model(),
            seed=self.seed_spin.seed(),
            tempo_bpm=self.tempo_spin.value(),
            bars=int(bars_text) if bars_text.isdigit() else 0,
            key=None if key_text in ("", _ANY_KEY) else key_text,
            **sampling,
        )

    def show_request(self, request: GenerationRequest) -> None:
        """Fill every field from a stored recipe; its seed is locked."""
        self.prompt_edit.setPlainText(request.prompt)
        if request.tempo_bpm is not None:
            self.tempo_spin.setValue(request.tempo_bpm)
        if request.bars is not None:
            self.bars_combo.setCurrentText(str(request.bars))
        self.key_combo.setCurrentText(request.key or _ANY_KEY)
        self.seed_spin.set_seed(request.seed)
        self.lock_button.setChecked(True)
        self._offer_model(request.model)
        self.advanced.show_request(request)

    def prepare_next(self) -> None:
        """After Generate: move to seeds that were not used yet, unless the seed is locked."""
        if not self.lock_button.isChecked():
            self.seed_spin.roll()

    def roll_seed(self) -> None:
        """Draw a new seed."""
        self.seed_spin.roll()

    def model(self) -> str:
        """Name or folder of the chosen model."""
        return str(self.model_combo.currentData() or "house")

    def set_template(self, template: PromptTemplate | None) -> None:
        """Take the words that the chosen model knows; None when it takes any words."""
        self._template = template
        self._show_hint()

    def focus_prompt(self) -> None:
        """Go to the prompt."""
        self.prompt_edit.setFocus(Qt.FocusReason.ShortcutFocusReason)

    # --- reactions -----------------------------------------------------------------------------

    def _prompt_typed(self) -> None:
        tempo = tempo_in(self.prompt_edit.toPlainText())
        if tempo is not None and tempo != self._tempo_in_prompt:
            self.tempo_spin.setValue(tempo)
        self._tempo_in_prompt = tempo
        self._hint_timer.start()

    def _check_tempo(self, tempo_bpm: float) -> None:
        fits = MIN_TEMPO_BPM <= tempo_bpm <= MAX_TEMPO_BPM
        restyle(self.tempo_spin, "fault", not fits)
        self._hint_timer.start()

    def _show_hint(self) -> None:
        """Say what of the prompt the model will not take up, or what it contradicts."""
        prompt = self.prompt_edit.toPlainText()
        lines = []
        tempo_bpm = self.tempo_spin.value()
        if not MIN_TEMPO_BPM <= tempo_bpm <= MAX_TEMPO_BPM:
            lines.append(f"Tempo goes from {MIN_TEMPO_BPM:.0f} to {MAX_TEMPO_BPM:.0f} BPM.")
        named = tempo_in(prompt)
        if named is not None and named != tempo_bpm:
            lines.append(f"The prompt says {named:g} BPM; the field decides: {tempo_bpm:g}.")
        key, named_key = parse_key(self.key_combo.currentText()), key_in(prompt)
        if key and named_key and key != named_key:
            lines.append(f"The prompt says {named_key}; the field decides: {key}.")
        if self._template is not None and prompt.strip():
            known, unknown = self._template.match_words(prompt)
            if unknown:
                lines.append(f"This model does not know: {', '.join(unknown)}")
            if not known:
                lines.append(f"It knows words such as {', '.join(self._template.genres[:5])}.")
        self.prompt_hint.setText("\n".join(lines))
        self.prompt_hint.setVisible(bool(lines))

    def _roll(self) -> None:
        self.seed_spin.roll()

    def _show_lock(self, locked: bool) -> None:
        self.lock_button.setIcon(self._lock_icons[locked])
        self.lock_button.setToolTip(
            "The seed stays: the same settings give the same take"
            if locked
            else "Every Generate takes a new seed; press to keep this one"
        )

    def _model_chosen(self, index: int) -> None:
        if self.model_combo.itemData(index) is not None:
            self._last_model = self.model()
            self.model_changed.emit(self.model())
            return
        folder = QFileDialog.getExistingDirectory(self, "Folder of a model")
        self._offer_model(folder or self._last_model)
        if folder:
            self.model_changed.emit(folder)

    def _offer_model(self, model: str) -> None:
        index = self.model_combo.findData(model)
        if index < 0:
            index = max(self.model_combo.count() - 1, 0)
            self.model_combo.insertItem(index, Path(model).name, model)
            self.model_combo.setItemData(index, model, Qt.ItemDataRole.ToolTipRole)
        self.model_combo.setCurrentIndex(index)
        self._last_model = model

    # --- building ------------------------------------------------------------------------------

    def _build_fields(self, settings: Settings, models: list[str]) -> None:
        self._tempo_in_prompt = tempo_in(settings.prompt)
        self.prompt_edit = PromptEdit(settings.prompt)
        self.prompt_edit.setObjectName("prompt_edit")
        self.prompt_edit.setPlaceholderText("174 bpm jungle break, dark reese bass")
        self.prompt_edit.setAccessibleName("Prompt")
        self.prompt_edit.setToolTip(tooltip("What you want to hear", "zone_generate"))
        self.prompt_edit.setTabChangesFocus(True)
        self.prompt_edit.setFixedHeight(76)
        self.prompt_hint = dim_label("", "prompt_hint")
        self.prompt_hint.setWordWrap(True)

        self.tempo_spin = QDoubleSpinBox()
        self.tempo_spin.setObjectName("tempo_spin")
        self.tempo_spin.setRange(1, 999)
        self.tempo_spin.setDecimals(2)
        self.tempo_spin.setToolTip("Quarter notes a minute; the loop keeps it exactly")
        self.tempo_spin.setAccessibleName("Tempo in BPM")
        self.tempo_spin.setValue(settings.tempo_bpm)
        self.tempo_spin.textFromValue = lambda value: f"{value:.2f}".rstrip("0").rstrip(".")  # type: ignore[method-assign] # Qt's hook
        self.bars_combo = ComboBox()
        self.bars_combo.setObjectName("bars_combo")
        self.bars_combo.setEditable(True)
        self.bars_combo.addItems(_BAR_CHOICES)
        self.bars_combo.setCurrentText(str(settings.bars))
        self.bars_combo.setToolTip("Length of the loop in bars of 4/4, 1 to 64")
        self.bars_combo.setAccessibleName("Bars")
        self.key_combo = ComboBox()
        self.key_combo.setObjectName("key_combo")
        self.key_combo.setEditable(True)
        self.key_combo.addItem(_ANY_KEY)
        self.key_combo.addItems([f"{tonic}m" for tonic in PITCH_CLASSES])
        self.key_combo.addItems(list(PITCH_CLASSES))
        self.key_combo.setCurrentText(settings.key or _ANY_KEY)
        self.key_combo.setToolTip("Key, such as Am or F#; Any leaves it to the prompt")
        self.key_combo.setAccessibleName("Key")

        self.seed_spin = SeedField()
        self.seed_spin.setObjectName("seed_spin")
        self.seed_spin.setToolTip("The same seed and settings give the same take, always")
        self.seed_spin.setAccessibleName("Seed")
        self.seed_spin.roll()
        self.dice_button = tool_button("dice", "dice_button", "New seed")
        self.lock_button = tool_button("unlock", "lock_button", "Keep the seed", checkable=True)
        self._lock_icons = {
            True: icons.icon("lock", theme.ACCENT, theme.ACCENT),
            False: icons.icon("unlock"),
        }
        self.count_spin = QSpinBox()
        self.count_spin.setObjectName("count_spin")
        self.count_spin.setRange(1, 64)
        self.count_spin.setToolTip("How many takes to make, of seeds that follow each other")
        self.count_spin.setAccessibleName("Number of takes")
        self.model_combo = ComboBox()
        self.model_combo.setObjectName("model_combo")
        self.model_combo.setAccessibleName("Model")
        for name in models:
            self.model_combo.addItem(name, name)
        self.model_combo.addItem(_CHOOSE_FOLDER, None)
        self.model_combo.setToolTip("The model that makes the sound")
        self._offer_model(settings.model)
        self.advanced = AdvancedSection()
        self.play_new_check = CheckBox("Play takes while they are made")
        self.play_new_check.setObjectName("play_new_check")
        self.play_new_check.setChecked(settings.audition_new_takes)
        self.generate_button = QPushButton("Generate")
        self.generate_button.setObjectName("generate_button")
        self.generate_button.setProperty("primary", True)
        self.generate_button.setToolTip(tooltip("Make the loop", "generate"))
        for field in (self.tempo_spin, self.count_spin, self.seed_spin):
            field.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
            field.setFixedHeight(theme.CONTROL_HEIGHT)

    def _lay_out(self) -> None:
        def labelled(text: str) -> QLabel:
            label = dim_label(text)
            label.setFixedWidth(_LABEL_WIDTH)
            return label

        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(6)
        grid.addWidget(labelled("Tempo"), 0, 0)
        grid.addWidget(self.tempo_spin, 0, 1)
        grid.addWidget(dim_label("Bars"), 0, 2)
        grid.addWidget(self.bars_combo, 0, 3)
        grid.addWidget(labelled("Key"), 1, 0)
        grid.addWidget(self.key_combo, 1, 1)
        grid.addWidget(dim_label("Takes"), 1, 2)
        grid.addWidget(self.count_spin, 1, 3)
        grid.addWidget(labelled("Seed"), 2, 0)
        seed_row = QHBoxLayout()
        seed_row.setSpacing(4)
        seed_row.addWidget(self.seed_spin, 1)
        seed_row.addWidget(self.dice_button)
        seed_row.addWidget(self.lock_button)
        grid.addLayout(seed_row, 2, 1, 1, 3)
        grid.addWidget(labelled("Model"), 3, 0)
        grid.addWidget(self.model_combo, 3, 1, 1, 3)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 10)
        layout.setSpacing(8)
        layout.addWidget(heading("Generate"))
        layout.addWidget(self.prompt_edit)
        layout.addWidget(self.prompt_hint)
        layout.addLayout(grid)
        layout.addWidget(self.play_new_check)
        layout.addWidget(self.generate_button)
        layout.addWidget(self.advanced)
        layout.addStretch(1)

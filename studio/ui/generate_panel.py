"""The panel that asks for takes.

Owns the prompt and every setting of a request, and the words about what the model will make of
it. It must not generate: it hands a `GenerationRequest` to whoever listens.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QFileDialog, QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from studio.core.settings import Settings
from studio.editing.key import parse_key
from studio.generation.request import MAX_TEMPO_BPM, MIN_TEMPO_BPM, GenerationRequest
from studio.models.prompting import PromptTemplate, key_in, tempo_in
from studio.ui.controls import dim_label, heading, restyle
from studio.ui.generate_fields import ANY_KEY, GenerateFields

_HINT_MILLISECONDS = 150
_LABEL_WIDTH = 48


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
        self.fields = GenerateFields(settings, models)
        self._last_model = settings.model
        self._tempo_in_prompt = tempo_in(settings.prompt)
        self._offer_model(settings.model)
        self._lay_out()
        self._hint_timer = QTimer(self)
        self._hint_timer.setSingleShot(True)
        self._hint_timer.setInterval(_HINT_MILLISECONDS)
        self._hint_timer.timeout.connect(self._show_hint)
        self.fields.prompt_edit.textChanged.connect(self._prompt_typed)
        self.fields.prompt_edit.submitted.connect(self.generate_requested)
        self.fields.generate_button.clicked.connect(self.generate_requested)
        self.fields.tempo_spin.valueChanged.connect(self._check_tempo)
        self.fields.key_combo.currentTextChanged.connect(lambda _text: self._hint_timer.start())
        self.fields.dice_button.clicked.connect(self._roll)
        self.fields.seed_spin.seed_typed.connect(lambda: self.fields.lock_button.setChecked(True))
        self.fields.lock_button.toggled.connect(self._show_lock)
        self.fields.model_combo.activated.connect(self._model_chosen)
        self._show_lock(self.fields.lock_button.isChecked())
        self._show_hint()

    # --- the request ---------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """How many takes to make."""
        return self.fields.count_spin.value()

    def request(self) -> GenerationRequest:
        """What is asked for now. Nothing is corrected: impossible values are refused later."""
        self.fields.tempo_spin.interpretText()
        self.fields.count_spin.interpretText()
        key_text = self.fields.key_combo.currentText().strip()
        bars_text = self.fields.bars_combo.currentText().split(" ")[0]
        sampling = self.fields.advanced.sampling()
        return GenerationRequest(
            prompt=self.fields.prompt_edit.toPlainText().strip(),
            model=self.model(),
            seed=self.fields.seed_spin.seed(),
            tempo_bpm=self.fields.tempo_spin.value(),
            bars=int(bars_text) if bars_text.isdigit() else 0,
            key=None if key_text in ("", ANY_KEY) else key_text,
            **sampling,
        )

    def choices(self) -> dict[str, object]:
        """What the settings keep."""
        request = self.request()
        return {
            "prompt": request.prompt,
            "tempo_bpm": request.tempo_bpm,
            "bars": request.bars,
            "key": request.key or "",
            "model": request.model,
            "audition_new_takes": self.fields.play_new_check.isChecked(),
        }

    def show_request(self, request: GenerationRequest) -> None:
        """Fill every field from a stored recipe; its seed is locked."""
        self.fields.prompt_edit.setPlainText(request.prompt)
        if request.tempo_bpm is not None:
            self.fields.tempo_spin.setValue(request.tempo_bpm)
        if request.bars is not None:
            self.fields.bars_combo.setCurrentText(str(request.bars))
        self.fields.key_combo.setCurrentText(request.key or ANY_KEY)
        self.fields.seed_spin.set_seed(request.seed)
        self.fields.lock_button.setChecked(True)
        self._offer_model(request.model)
        self.fields.advanced.show_request(request)

    def prepare_next(self) -> None:
        """After Generate: move to seeds that were not used yet, unless the seed is locked."""
        if not self.fields.lock_button.isChecked():
            self.fields.seed_spin.roll()

    def roll_seed(self) -> None:
        """Draw a new seed."""
        self.fields.seed_spin.roll()

    def model(self) -> str:
        """Name or folder of the chosen model."""
        return str(self.fields.model_combo.currentData() or "house")

    def set_template(self, template: PromptTemplate | None) -> None:
        """Take the words that the chosen model knows; None when it takes any words."""
        self._template = template
        self._show_hint()

    def focus_prompt(self) -> None:
        """Go to the prompt."""
        self.fields.prompt_edit.setFocus(Qt.FocusReason.ShortcutFocusReason)

    # --- reactions -----------------------------------------------------------------------------

    def _prompt_typed(self) -> None:
        tempo = tempo_in(self.fields.prompt_edit.toPlainText())
        if tempo is not None and tempo != self._tempo_in_prompt:
            self.fields.tempo_spin.setValue(tempo)
        self._tempo_in_prompt = tempo
        self._hint_timer.start()

    def _check_tempo(self, tempo_bpm: float) -> None:
        fits = MIN_TEMPO_BPM <= tempo_bpm <= MAX_TEMPO_BPM
        restyle(self.fields.tempo_spin, "fault", not fits)
        self._hint_timer.start()

    def _show_hint(self) -> None:
        """Say what of the prompt the model will not take up, or what it contradicts."""
        prompt = self.fields.prompt_edit.toPlainText()
        lines = []
        tempo_bpm = self.fields.tempo_spin.value()
        if not MIN_TEMPO_BPM <= tempo_bpm <= MAX_TEMPO_BPM:
            lines.append(f"Tempo goes from {MIN_TEMPO_BPM:.0f} to {MAX_TEMPO_BPM:.0f} BPM.")
        named = tempo_in(prompt)
        if named is not None and named != tempo_bpm:
            lines.append(f"The prompt says {named:g} BPM; the field decides: {tempo_bpm:g}.")
        key, named_key = parse_key(self.fields.key_combo.currentText()), key_in(prompt)
        if key and named_key and key != named_key:
            lines.append(f"The prompt says {named_key}; the field decides: {key}.")
        if self._template is not None and prompt.strip():
            known, unknown = self._template.match_words(prompt)
            if unknown:
                lines.append(f"This model does not know: {', '.join(unknown)}")
            if not known:
                lines.append(f"It knows words such as {', '.join(self._template.genres[:5])}.")
        self.fields.prompt_hint.setText("\n".join(lines))
        self.fields.prompt_hint.setVisible(bool(lines))

    def _roll(self) -> None:
        self.fields.seed_spin.roll()

    def _show_lock(self, locked: bool) -> None:
        self.fields.lock_button.setIcon(self.fields.lock_icons[locked])
        self.fields.lock_button.setToolTip(
            "The seed stays: the same settings give the same take"
            if locked
            else "Every Generate takes a new seed; press to keep this one"
        )

    def _model_chosen(self, index: int) -> None:
        if self.fields.model_combo.itemData(index) is not None:
            self._last_model = self.model()
            self.model_changed.emit(self.model())
            return
        folder = QFileDialog.getExistingDirectory(self, "Folder of a model")
        self._offer_model(folder or self._last_model)
        if folder:
            self.model_changed.emit(folder)

    def _offer_model(self, model: str) -> None:
        index = self.fields.model_combo.findData(model)
        if index < 0:
            index = max(self.fields.model_combo.count() - 1, 0)
            self.fields.model_combo.insertItem(index, Path(model).name, model)
            self.fields.model_combo.setItemData(index, model, Qt.ItemDataRole.ToolTipRole)
        self.fields.model_combo.setCurrentIndex(index)
        self._last_model = model

    def _lay_out(self) -> None:
        def labelled(text: str) -> QLabel:
            label = dim_label(text)
            label.setFixedWidth(_LABEL_WIDTH)
            return label

        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(6)
        grid.addWidget(labelled("Tempo"), 0, 0)
        grid.addWidget(self.fields.tempo_spin, 0, 1)
        grid.addWidget(dim_label("Bars"), 0, 2)
        grid.addWidget(self.fields.bars_combo, 0, 3)
        grid.addWidget(labelled("Key"), 1, 0)
        grid.addWidget(self.fields.key_combo, 1, 1)
        grid.addWidget(dim_label("Takes"), 1, 2)
        grid.addWidget(self.fields.count_spin, 1, 3)
        grid.addWidget(labelled("Seed"), 2, 0)
        seed_row = QHBoxLayout()
        seed_row.setSpacing(4)
        seed_row.addWidget(self.fields.seed_spin, 1)
        seed_row.addWidget(self.fields.dice_button)
        seed_row.addWidget(self.fields.lock_button)
        grid.addLayout(seed_row, 2, 1, 1, 3)
        grid.addWidget(labelled("Model"), 3, 0)
        grid.addWidget(self.fields.model_combo, 3, 1, 1, 3)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 10)
        layout.setSpacing(8)
        layout.addWidget(heading("Generate"))
        layout.addWidget(self.fields.prompt_edit)
        layout.addWidget(self.fields.prompt_hint)
        layout.addLayout(grid)
        layout.addWidget(self.fields.play_new_check)
        layout.addWidget(self.fields.generate_button)
        layout.addWidget(self.fields.advanced)
        layout.addStretch(1)

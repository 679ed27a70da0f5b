"""The panel that asks for takes.

Owns the prompt and every setting of a request, and the words about what the model will make of
it. It must not generate: it hands a `GenerationRequest` to whoever listens.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from studio.core.settings import Settings
from studio.generation.request import MAX_TEMPO_BPM, MIN_TEMPO_BPM, GenerationRequest
from studio.models.prompting import tempo_in
from studio.models.shelf.shelf import ModelEntry
from studio.ui.controls import dim_label, heading, restyle
from studio.ui.generate_fields import ANY_KEY, GenerateFields
from studio.ui.model_words import ModelTraits
from studio.ui.prompt_hints import prompt_hints

_HINT_MILLISECONDS = 150
_LABEL_WIDTH = 48


class GeneratePanel(QWidget):
    """Prompt, tempo, bars, key, seed, count, model, advanced settings, and the button.

    Signals:
        generate_requested(): The button or Enter in the prompt was pressed.
        model_changed(str): Another model was chosen.
        models_wanted(): The list of all models should be shown.
    """

    generate_requested = Signal()
    model_changed = Signal(str)
    models_wanted = Signal()

    def __init__(self, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("generate_panel")
        self.setProperty("panel", True)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._traits = ModelTraits()
        self._let_go = False
        self._kept_bars = settings.bars
        self.fields = GenerateFields(settings)
        self.fields.advanced.adapters.set_model(settings.model)
        self._tempo_in_prompt = tempo_in(settings.prompt)
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
        self.fields.model_combo.model_chosen.connect(self._model_chosen)
        self.fields.model_combo.models_wanted.connect(self.models_wanted)
        self._show_lock(self.fields.lock_button.isChecked())
        self._show_hint()

    # --- the request ---------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """How many takes to make."""
        return self.fields.count_spin.value()

    def request(self) -> GenerationRequest:
        """What is asked for now. Nothing is corrected: impossible values are refused later."""
        request = self._written_request()
        return request if self._traits.hears_words else replace(request, prompt="")

    def _written_request(self) -> GenerationRequest:
        self.fields.count_spin.interpretText()
        key_text = self.fields.key_combo.currentText().strip()
        return GenerationRequest(
            prompt=self.fields.prompt_edit.toPlainText().strip(),
            model=self.model(),
            seed=self.fields.seed_spin.seed(),
            tempo_bpm=self.fields.tempo_spin.tempo_bpm(),
            key=None if key_text in ("", ANY_KEY) else key_text,
            precision=self.precision(),
            adapters=self.fields.advanced.adapters.adapters(),
            **self.fields.bars_combo.length(),
            **self.fields.advanced.sampling(),
            **self.fields.advanced.material.material(),
        )

    def choices(self) -> dict[str, object]:
        """What the settings keep."""
        request = self._written_request()
        return {
            "prompt": request.prompt,
            "tempo_bpm": request.tempo_bpm or 0.0,
            "bars": request.bars or self._kept_bars,
            "key": request.key or "",
            "model": request.model,
            "audition_new_takes": self.fields.play_new_check.isChecked(),
        }

    def show_request(self, request: GenerationRequest) -> None:
        """Fill every field from a stored recipe, and empty the others; its seed is locked."""
        self.fields.prompt_edit.setPlainText(request.prompt)
        self.fields.tempo_spin.setValue(request.tempo_bpm or 0)
        self.fields.bars_combo.show_request(request)
        self.fields.key_combo.setCurrentText(request.key or ANY_KEY)
        self.fields.seed_spin.set_seed(request.seed)
        self.fields.lock_button.setChecked(True)
        if request.model != self.model():
            self.choose_model(request.model)
        self.fields.advanced.show_request(request)
        self._let_go = False
        self._show_hint()

    def choose_model(self, model: str) -> None:
        """Choose a model by its name or folder."""
        self.fields.model_combo.offer(model)
        self._model_chosen(model)

    def set_models(self, entries: Iterable[ModelEntry]) -> None:
        """Take the models and adapters that can be chosen."""
        entries = tuple(entries)
        self.fields.model_combo.set_models(entries)
        self.fields.advanced.adapters.set_models(entries)

    def prepare_next(self) -> None:
        """After Generate: move to seeds that were not used yet, unless the seed is locked."""
        self._let_go = False
        if not self.fields.lock_button.isChecked():
            self.fields.seed_spin.roll()

    def roll_seed(self) -> None:
        """Draw a new seed."""
        self.fields.seed_spin.roll()

    def model(self) -> str:
        """Name or folder of the chosen model."""
        return self.fields.model_combo.chosen

    def precision(self) -> str | None:
        """The asked format of its weights, None for the usual one."""
        return self.fields.advanced.weights.precision()

    def set_traits(self, traits: ModelTraits) -> None:
        """Take what the chosen model listens to."""
        self._traits = traits
        self.fields.advanced.material.set_traits(traits)
        self._show_hint()

    def set_traits_of(self, model: str, traits: ModelTraits) -> None:
        """Take what a model listens to, unless another one was chosen meanwhile."""
        if model == self.model():
            self.set_traits(traits)

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
        fits = tempo_bpm == 0 or MIN_TEMPO_BPM <= tempo_bpm <= MAX_TEMPO_BPM
        restyle(self.fields.tempo_spin, "fault", not fits)
        self._drop_kept_codes()
        self._hint_timer.start()

    def _drop_kept_codes(self) -> None:
        self._let_go = self.fields.advanced.material.let_go() or self._let_go

    def _show_hint(self) -> None:
        """Say what of the prompt the model will not take up, or what it contradicts."""
        lines = prompt_hints(
            self.fields.prompt_edit.toPlainText(),
            tempo_bpm=self.fields.tempo_spin.value(),
            key=self.fields.key_combo.currentText(),
            traits=self._traits,
            let_go=self._let_go,
        )
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

    def _model_chosen(self, model: str) -> None:
        self._drop_kept_codes()
        self.fields.advanced.adapters.set_model(model)
        self.set_traits(ModelTraits())
        self.model_changed.emit(model)

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

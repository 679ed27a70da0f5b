"""What can be done with takes: make one, make it longer, make a part of it anew.

Owns when each of these is possible and the words that say why not. The takes are made by
`takes`; this module draws nothing.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from studio.core.errors import StudioError
from studio.generation.request import GenerationRequest
from studio.library.records import SampleRecord
from studio.ui.audition import Audition
from studio.ui.generate_panel import GeneratePanel
from studio.ui.menu_entries import Refusal
from studio.ui.models import Models
from studio.ui.takes import Takes
from studio.workstation.workstation import Workstation

_NO_SOUND = Refusal(brief="no sound", sentence="Put a take into the waveform first.")
_GROWING = Refusal(brief="not finished", sentence="The take is still being made.")
_NOT_KEPT = Refusal(
    brief="not in the library",
    sentence="The sound in the waveform is not in the library; add it there first.",
)
_NO_REGION = Refusal(
    brief="select a part first",
    sentence="Put the take into the waveform and drag over the part that shall be made anew.",
)


class TakeCommands(QObject):
    """The commands that lead to new takes.

    Signals:
        queued(): Something is being made.
        said(str): What was done, or why it was not, for the status line.
        failed(StudioError): A stored recipe cannot be read.
    """

    queued = Signal()
    said = Signal(str)
    failed = Signal(object)

    def __init__(
        self,
        workstation: Workstation,
        panel: GeneratePanel,
        takes: Takes,
        audition: Audition,
        models: Models,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._workstation = workstation
        self._panel = panel
        self._takes = takes
        self._audition = audition
        self._models = models

    # --- new takes -----------------------------------------------------------------------------

    def generate(self) -> None:
        """Make what the panel says."""
        if self._takes.generate(self._panel.request(), self._panel.count, play=self._heard):
            self.queued.emit()
            self._panel.prepare_next()

    def generate_again(self) -> None:
        """Make what the panel says, of a new seed even when the seed is locked."""
        self._panel.roll_seed()
        self.generate()

    def use_recipe(self, record: SampleRecord) -> None:
        """Fill the panel with the settings that a take was made with."""
        try:
            request = self._workstation.recipe(record)
        except StudioError as error:
            self.failed.emit(error)
            return
        if request is not None:
            self.use_request(request, record.name)

    def use_request(self, request: GenerationRequest, name: str) -> None:
        """Fill the panel with the settings of a take that is called `name`."""
        self._panel.show_request(request)
        self.said.emit(f"The panel has the settings of {name}")

    # --- takes from takes ----------------------------------------------------------------------

    def extend(self, record: SampleRecord | None = None) -> None:
        """Make a take twice as long that begins with this one, or with the waveform's."""
        record = record or self._shown()
        refusal = self.extend_refusal(record)
        if refusal is not None:
            self.said.emit(refusal.sentence)
        elif record is not None and self._takes.extend(record.id, play=self._heard):
            self.queued.emit()
            self.said.emit(f"Extending {record.name}")

    def regenerate(self) -> None:
        """Make the selected part of the waveform's take anew, as another take."""
        record, sound, region = self._shown(), self._audition.sound, self._audition.region
        refusal = self.regenerate_refusal(record)
        if refusal is not None or record is None or sound is None or region is None:
            self.said.emit((refusal or _NO_SOUND).sentence)
            return
        start, end = region
        to_seconds = None if end >= sound.frames else end / sound.sample_rate
        if self._takes.regenerate(
            record.id, start / sound.sample_rate, to_seconds, play=self._heard
        ):
            self.queued.emit()
            self.said.emit(f"Making a part of {record.name} anew")

    def extend_refusal(self, record: SampleRecord | None) -> Refusal | None:
        """Why this take cannot be extended; None when it can."""
        if record is None:
            sound = self._audition.sound
            if sound is None:
                return _NO_SOUND
            return _GROWING if sound.growing else _NOT_KEPT
        if not record.recipe_json or record.model is None:
            return Refusal(
                brief="imported",
                sentence=f"{record.name} was not made here, so there are no codes to go on from.",
            )
        if self._models.is_gone(record.model):
            return Refusal(
                brief="model is gone",
                sentence=f"The model {record.model} that made {record.name} is not on this "
                "computer any more.",
            )
        return None

    def regenerate_refusal(self, record: SampleRecord | None) -> Refusal | None:
        """Why no part of this take can be made anew; None when the selected one can."""
        refusal = self.extend_refusal(record)
        if refusal is not None:
            return refusal
        shown = self._shown()
        here = shown is not None and record is not None and shown.id == record.id
        return None if here and self._audition.region is not None else _NO_REGION

    @property
    def _heard(self) -> bool:
        return self._panel.fields.play_new_check.isChecked()

    def _shown(self) -> SampleRecord | None:
        sound = self._audition.sound
        return None if sound is None else sound.record

"""Takes of a seed bank are heard, without becoming part of the library.

Owns the one take that is on its way from its codes to the waveform, and the sounds of those that
were heard lately. The sound itself is made by the workstation; playing it is the audition's.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QObject, Signal

from studio.core.errors import CancelledError, StudioError
from studio.generation.coded_take import CodedTake
from studio.generation.jobs import JobState, Progress
from studio.library.records import SampleRecord
from studio.ui.audition import Audition
from studio.ui.bridge import Bridge
from studio.ui.sound import Sound
from studio.workstation.generate import TakeJob
from studio.workstation.workstation import Workstation

_KEPT_SECONDS = 300.0


@dataclass(kw_only=True, eq=False)
class _Coming:
    coded: CodedTake
    job: TakeJob
    state: JobState = "queued"


class SeedBankHearing(QObject):
    """Brings takes into the waveform, the newest wish only.

    Signals:
        changed(): Another take is heard, or is on its way, or no longer.
        failed(StudioError): A take has no sound here.
    """

    changed = Signal()
    failed = Signal(object)

    def __init__(
        self,
        workstation: Workstation,
        bridge: Bridge,
        audition: Audition,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._workstation = workstation
        self._bridge = bridge
        self._audition = audition
        self._coming: _Coming | None = None
        self._kept: OrderedDict[CodedTake, Sound] = OrderedDict()
        bridge.progressed.connect(self._follow)
        audition.sound_changed.connect(self._another_sound)
        audition.speaker.playing_changed.connect(lambda _playing: self.changed.emit())

    @property
    def shown(self) -> CodedTake | None:
        """The take in the waveform; None for a sound from elsewhere."""
        sound = self._audition.sound
        return next((coded for coded, kept in self._kept.items() if kept is sound), None)

    @property
    def coming_state(self) -> JobState | None:
        """Where the take stands that is on its way; None when there is none."""
        return None if self._coming is None else self._coming.state

    def hear(self, coded: CodedTake) -> None:
        """Play a take as soon as its sound is there; what plays now goes on until then."""
        if self._coming is not None and self._coming.coded == coded:
            return
        self.give_up()
        if self.shown == coded:
            if not self._audition.playing:
                self._audition.toggle()
            return
        kept = self._kept.get(coded)
        if kept is not None:
            self._kept.move_to_end(coded)
            self._audition.show_sound(kept)
            return
        try:
            job = self._workstation.resound(coded, self._bridge.hear_progress, save=False)
        except StudioError as error:
            self.failed.emit(error)
            return
        coming = self._coming = _Coming(coded=coded, job=job)
        self._bridge.watch(
            job.future,
            lambda _record: self._arrived(coming),
            partial(self._stopped, coming),
        )
        self.changed.emit()

    def play_or_stop(self, coded: CodedTake | None) -> None:
        """Stop what plays or is on its way; else play this take, or what the waveform has."""
        if self._coming is not None or self._audition.playing:
            self.stop()
        elif coded is None:
            self._audition.toggle()
        else:
            self.hear(coded)

    def stop(self) -> None:
        """Stop all sound."""
        self.give_up()
        self._audition.speaker.stop()

    def give_up(self) -> None:
        """Forget the take that is on its way."""
        coming, self._coming = self._coming, None
        if coming is not None:
            coming.job.cancel()
            self.changed.emit()

    def stored(self, coded: CodedTake, record: SampleRecord) -> None:
        """A take is in the library now, so the sound in the waveform is that of the library."""
        sound = self._kept.get(coded)
        if sound is not None and sound.job_id is not None:
            self._audition.stored(sound.job_id, record)

    def _follow(self, progress: Progress) -> None:
        coming = self._coming
        if coming is not None and coming.job.id == progress.job_id:
            coming.state = progress.state
            self.changed.emit()

    def _arrived(self, coming: _Coming) -> None:
        take = coming.job.take
        if coming is not self._coming or take is None:
            return
        self._coming = None
        clip = take.clip
        sound = Sound.from_job(coming.job.id, take.request, clip.sample_rate, clip.channels)
        sound.complete(clip)
        self._kept[coming.coded] = sound
        self._audition.show_sound(sound)
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        seconds = sum(_seconds(sound) for sound in self._kept.values())
        while len(self._kept) > 1 and seconds > _KEPT_SECONDS:
            seconds -= _seconds(self._kept.popitem(last=False)[1])

    def _stopped(self, coming: _Coming, error: StudioError) -> None:
        if coming is not self._coming:
            return
        self._coming = None
        self.changed.emit()
        if not isinstance(error, CancelledError):
            self.failed.emit(error)

    def _another_sound(self, _sound: Sound | None) -> None:
        self.give_up()
        self.changed.emit()


def _seconds(sound: Sound) -> float:
    return sound.frames / sound.sample_rate

"""The takes that this window asked for.

Owns the jobs from Generate to the library: it asks the workstation, follows their progress, and
lets the audition grow with the one that should be heard. It must not draw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from PySide6.QtCore import QObject, Signal

from studio.core.errors import CancelledError, StudioError
from studio.generation.coded_take import CodedTake
from studio.generation.jobs import FINAL_STATES, JobState, Progress
from studio.generation.remaining import RemainingTime
from studio.generation.request import GenerationRequest
from studio.library.records import SampleRecord
from studio.ui.audition import Audition
from studio.ui.bridge import Bridge
from studio.ui.models import Models
from studio.ui.sound import Sound
from studio.workstation.generate import TakeJob
from studio.workstation.workstation import Workstation

_DEFAULT_RATE = 32_000


@dataclass(kw_only=True, eq=False)
class TakeState:
    """One asked-for take, as the job list shows it.

    Attributes:
        job: The workstation's job.
        heard: It should be played as it comes.
        state: Where it stands.
        done_steps: Codec frames made.
        total_steps: Codec frames needed; 0 while unknown.
        error: Why it failed.
        shown: It has been brought into the waveform.
        remaining_seconds: Time left; None while nothing can be said.
        coded: The same take as it was made before; then only its sound is made.
        record: The library's row, once it is done.
    """

    job: TakeJob
    heard: bool
    state: JobState = "queued"
    done_steps: int = 0
    total_steps: int = 0
    error: StudioError | None = None
    shown: bool = False
    remaining_seconds: float | None = None
    coded: CodedTake | None = None
    record: SampleRecord | None = None
    _remaining: RemainingTime = field(default_factory=RemainingTime, repr=False)

    @property
    def id(self) -> int:
        """Number of the job."""
        return self.job.id

    @property
    def over(self) -> bool:
        """It will not go on."""
        return self.state in FINAL_STATES

    @property
    def share_done(self) -> float:
        """From 0 to 1."""
        return self.done_steps / self.total_steps if self.total_steps else 0.0

    def take_in(self, progress: Progress, now: float | None = None) -> None:
        """Follow one step, seen at `now` on a monotonic clock."""
        self.state = progress.state
        self.error = progress.error
        if progress.total_steps:
            self.done_steps, self.total_steps = progress.done_steps, progress.total_steps
        if progress.state == "running" and self.total_steps:
            self.remaining_seconds = self._remaining.update(self.done_steps, self.total_steps, now)
        else:
            self.remaining_seconds = None


class Takes(QObject):
    """Generates, and follows what was asked.

    Signals:
        added(TakeState): A take was queued.
        changed(TakeState): A take went on.
        stored(SampleRecord, bool): A take is in the library; whether it should be selected.
        failed(StudioError): Nothing could be queued.
        take_failed(TakeState): A take failed; its `error` says why.
        pressed(): Generate was asked for.
    """

    added = Signal(object)
    changed = Signal(object)
    stored = Signal(object, bool)
    failed = Signal(object)
    take_failed = Signal(object)
    pressed = Signal()

    def __init__(
        self,
        workstation: Workstation,
        bridge: Bridge,
        audition: Audition,
        models: Models,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._models = models
        self._workstation = workstation
        self._bridge = bridge
        self._audition = audition
        self._takes: dict[int, TakeState] = {}
        bridge.progressed.connect(self._follow)

    @property
    def all(self) -> list[TakeState]:
        """Every take of this run that is not over, and those that failed."""
        return list(self._takes.values())

    def generate(self, request: GenerationRequest, count: int, *, play: bool) -> bool:
        """Queue takes of `count` seeds; the first is heard as it comes when `play`.

        Returns:
            Whether they were queued; if not, `failed` says why.
        """
        hear = self._bridge.hear_progress
        return self._queue(
            lambda: self._workstation.generate_seeds(request, count, hear), play=play
        )

    def extend(self, sample_id: int, *, play: bool) -> bool:
        """Queue a take that begins with this one and is twice as long; as `generate`."""
        hear = self._bridge.hear_progress
        return self._queue(lambda: [self._workstation.extend(sample_id, listener=hear)], play=play)

    def regenerate(
        self, sample_id: int, from_seconds: float, to_seconds: float | None, *, play: bool
    ) -> bool:
        """Queue this take with one part made anew from another seed; as `generate`.

        Args:
            sample_id: The take; it stays as it is.
            from_seconds: Where the new part begins.
            to_seconds: Where it ends; None is the take's end.
            play: It is heard as it comes.
        """

        def queue() -> list[TakeJob]:
            job = self._workstation.regenerate(
                sample_id,
                from_seconds=from_seconds,
                to_seconds=to_seconds,
                listener=self._bridge.hear_progress,
            )
            return [job]

        return self._queue(queue, play=play)

    def resound(self, takes: Sequence[CodedTake]) -> bool:
        """Queue the sound of takes that were made before, none of them to be played; as `generate`.

        They arrive in the library as any other take.
        """
        hear = self._bridge.hear_progress
        return self._queue(
            lambda: [self._workstation.resound(coded, hear) for coded in takes],
            play=False,
            coded=takes,
        )

    def _queue(
        self,
        queue: Callable[[], Sequence[TakeJob]],
        *,
        play: bool,
        coded: Sequence[CodedTake] = (),
    ) -> bool:
        self.pressed.emit()
        try:
            jobs = queue()
        except StudioError as error:
            self.failed.emit(error)
            return False
        for number, job in enumerate(jobs):
            take = TakeState(
                job=job,
                heard=play and number == 0,
                coded=coded[number] if coded else None,
            )
            self._takes[job.id] = take
            self.added.emit(take)
            self._bridge.watch(
                job.future,
                partial(self._finished, take),
                partial(self._stopped, take),
            )
        return True

    def cancel(self, job_id: int) -> None:
        """Stop a take, or forget one that failed."""
        take = self._takes.get(job_id)
        if take is None:
            return
        if take.over:
            self._forget(take)
        else:
            take.job.cancel()

    def retry(self, take: TakeState) -> None:
        """Ask again for a take that failed."""
        if take.id in self._takes:
            self._forget(take)
        if take.coded is not None:
            self.resound([take.coded])
        else:
            self.generate(take.job.request, 1, play=take.heard)

    def _follow(self, progress: Progress) -> None:
        take = self._takes.get(progress.job_id)
        if take is None or take.over or progress.state in FINAL_STATES:
            return
        take.take_in(progress)
        if progress.chunk is not None:
            self._show_growing(take, progress.chunk.samples.shape[0])
            self._audition.push(take.id, progress.chunk)
        if progress.state == "saving":
            self._complete(take)
        self.changed.emit(take)

    def _show_growing(self, take: TakeState, channels: int) -> None:
        """Bring a take that has begun to sound into the waveform, once."""
        if not take.heard or take.shown:
            return
        take.shown = True
        model = self._models.entry(take.job.request.model)
        rate = model.sample_rate if model else _DEFAULT_RATE
        self._audition.grow(Sound.from_job(take.id, take.job.request, rate, channels))

    def _complete(self, take: TakeState) -> None:
        finished = take.job.take
        if finished is not None:
            self._audition.finish(take.id, finished.clip)

    def _finished(self, take: TakeState, record: SampleRecord | None) -> None:
        self._complete(take)
        take.state, take.record = "done", record
        del self._takes[take.id]
        self.changed.emit(take)
        if record is not None:
            self._audition.stored(take.id, record)
            shown = self._audition.sound
            self.stored.emit(record, shown is not None and shown.job_id == take.id)

    def _stopped(self, take: TakeState, error: StudioError) -> None:
        cancelled = isinstance(error, CancelledError)
        take.state = "cancelled" if cancelled else "failed"
        take.error = None if cancelled else error
        self._audition.abandon(take.id)
        if cancelled:
            del self._takes[take.id]
        self.changed.emit(take)
        if not cancelled:
            self.take_failed.emit(take)

    def _forget(self, take: TakeState) -> None:
        del self._takes[take.id]
        take.state = "cancelled"
        self.changed.emit(take)

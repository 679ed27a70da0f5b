"""The product without its window: everything a person can do, as one object.

Owns the composition: it opens the library, starts the generation worker, reaches the sound card
and the exports folder, and tells subscribers what changed. It contains no Qt, draws nothing and
prints nothing. The window and the command line are thin faces over it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import InputError
from studio.core.paths import Paths
from studio.core.settings import Settings, save_settings
from studio.export.files import export_wav
from studio.generation.coded_take import CodedTake
from studio.generation.engine_child import EngineOptions
from studio.generation.jobs import JobView, Listener
from studio.generation.request import FREE_SEEDS, GenerationRequest, Take
from studio.generation.revision import extended, regenerated
from studio.generation.worker import GenerationWorker
from studio.library.library import Library
from studio.library.records import SampleRecord
from studio.models.hub.download import Licence
from studio.models.shelf.shelf import ModelEntry
from studio.playback.player import Player
from studio.workstation.generate import TakeJob, TakeSaver
from studio.workstation.library_face import LibraryFace
from studio.workstation.models import Models
from studio.workstation.training import TrainingJob, TrainingListener, Trainings
from studio.workstation.training_request import TrainingRequest


class Workstation(LibraryFace):
    """What the window and the command line talk to. Usable as a context manager.

    Threads: call it from one thread (the window's main thread). Futures are resolved, listeners
    called and changes published on its background threads; the window hops over in its bridge.
    Several processes may have a workstation open on the same library.

    Attributes:
        trainings: Models and adapters of the person's own.

    Args:
        paths: The folders of the library; they are created where missing.
        settings: The person's choices.
        worker: Another engine, for tests.

    Raises:
        StorageError: A folder cannot be created.
        LibraryError: The database cannot be used.
    """

    def __init__(
        self, paths: Paths, settings: Settings, *, worker: GenerationWorker | None = None
    ) -> None:
        if settings.exports_dir:
            paths = replace(paths, exports_dir=Path(settings.exports_dir).expanduser())
        paths.create()
        self._paths = paths
        self._settings = settings
        super().__init__(Library.open(paths.data_dir))
        self._worker = worker or GenerationWorker(
            options=EngineOptions(log_file=paths.log_file, models_dir=paths.models_dir)
        )
        self._saver = TakeSaver(self._library, self._changes.publish)
        self._models = Models(paths.models_dir)
        self.trainings = Trainings(paths.models_dir, self._models, log_file=paths.log_file)
        self._player: Player | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- what it stands on ---------------------------------------------------------------------

    @property
    def paths(self) -> Paths:
        """The folders in use; the exports folder of the settings is already in."""
        return self._paths

    @property
    def settings(self) -> Settings:
        """The choices in force."""
        return self._settings

    def update_settings(self, **changes: object) -> Settings:
        """Change some fields of the settings and save them.

        Raises:
            StorageError: The file cannot be written; the new values hold until the end anyway.
        """
        self._settings = replace(self._settings, **changes)  # type: ignore[arg-type] # checked by the dataclass's own field names
        save_settings(self._paths.settings_file, self._settings)
        return self._settings

    @property
    def player(self) -> Player:
        """The sound card, opened at the first use.

        Raises:
            DeviceError: There is no usable sound card; asking again tries again.
        """
        if self._player is None:
            self._player = Player(self._settings.output_device or None)
        return self._player

    # --- generation ----------------------------------------------------------------------------

    def generate(
        self,
        request: GenerationRequest,
        listener: Listener | None = None,
        *,
        save: bool = True,
    ) -> TakeJob:
        """Queue one take; returns at once.

        The job's future gives the library's `SampleRecord` after the take has been written (None
        with `save=False`); `job.take` is the take itself as soon as it exists. A take that could
        not be stored makes the future fail, and `job.take` still has the sound.

        Args:
            request: What to make.
            listener: Told every `Progress`, on a background thread.
            save: Put the take into the library.

        Raises:
            InputError: The request is impossible; nothing was queued.
        """
        return self._saver.submit(self._worker, request, listener, save=save)

    def generate_seeds(
        self, request: GenerationRequest, count: int, listener: Listener | None = None
    ) -> list[TakeJob]:
        """Queue `count` takes of the seeds S, S+1, ... as `generate` does.

        Raises:
            InputError: The request or the count is impossible; nothing was queued.
        """
        requests = request.seeds(count)
        return [self.generate(each, listener) for each in requests]

    def resound(
        self, coded: CodedTake, listener: Listener | None = None, *, save: bool = True
    ) -> TakeJob:
        """Queue the sound of a take that was made before, as those of a seed bank; see `generate`.

        What is to be saved and is in the library already is not made again: the job is done.

        Raises:
            InputError: Its recipe is impossible; nothing was queued.
        """
        if save:
            known = self._library.find_take(
                seed=coded.request.seed,
                recipe_json=coded.request.to_json(),
                codes=coded.codes.array,
            )
            if known is not None:
                return TakeJob.stored(coded.request, known)
        return self._saver.submit(self._worker, coded.request, listener, save=save, coded=coded)

    def extend(
        self,
        sample_id: int,
        *,
        bars: int | None = None,
        duration_seconds: float | None = None,
        seed: int | None = None,
        listener: Listener | None = None,
    ) -> TakeJob:
        """Queue a longer take that begins with a generated sample; see `revision.extended`.

        Raises:
            LibraryError: There is no such sample.
            InputError: It was not generated here, or the length is impossible.
        """
        record, request, codes = self._generated(sample_id)
        longer = extended(
            request,
            codes,
            model_hash=record.model_hash,
            length_seconds=record.frames / record.sample_rate,
            bars=bars,
            duration_seconds=duration_seconds,
            seed=seed,
        )
        return self.generate(longer, listener)

    def regenerate(
        self,
        sample_id: int,
        *,
        from_seconds: float,
        to_seconds: float | None = None,
        seed: int | None = None,
        listener: Listener | None = None,
    ) -> TakeJob:
        """Queue a generated sample with one part made anew; see `revision.regenerated`.

        Args:
            sample_id: The sample; it stays as it is.
            from_seconds: Where the new part begins.
            to_seconds: Where it ends; None is the sample's end.
            seed: Of the new part; None draws one.
            listener: Told every `Progress`.

        Raises:
            LibraryError: There is no such sample.
            InputError: It was not generated here, or there is no such part.
        """
        record, request, codes = self._generated(sample_id)
        part = regenerated(
            request,
            codes,
            model_hash=record.model_hash,
            from_seconds=from_seconds,
            to_seconds=to_seconds,
            seed=secrets.randbelow(FREE_SEEDS) if seed is None else seed,
        )
        return self.generate(part, listener)

    def _generated(
        self, sample_id: int
    ) -> tuple[SampleRecord, GenerationRequest, NDArray[np.int64]]:
        """A generated sample with its recipe and its codes."""
        record = self.get(sample_id)
        request, codes = self.recipe(record), self.codes(sample_id)
        if request is None or codes is None:
            raise InputError(f"{record.name} was not made here and has no codes; choose a take.")
        return record, request, codes

    def save_take(self, take: Take) -> Future[SampleRecord]:
        """Put a take that was made elsewhere (the command line's own engine) into the library."""
        return self._saver.save(take)

    def jobs(self) -> tuple[JobView, ...]:
        """Running and waiting jobs in the order of their turn."""
        return self._worker.jobs()

    def cancel(self, job_id: int) -> None:
        """Take a waiting job off the queue, or stop the running one; unknown ids are ignored."""
        self._worker.cancel(job_id)

    def warm_up(self, model: str | None = None, precision: str | None = None) -> None:
        """Load a model in the background so that the first Generate sounds at once.

        Args:
            model: Name or folder; None takes the settings' model. Faults are kept for Generate.
            precision: In which to load it; None is the usual one.
        """
        self._worker.warm_up(model or self._settings.model, precision)

    # --- models --------------------------------------------------------------------------------

    def models(self) -> tuple[ModelEntry, ...]:
        """The catalogue, on disk or not, and what was added."""
        return self._models.entries()

    def add_model(self, folder: Path, name: str | None = None) -> ModelEntry:
        """Give a model folder a name; takes minutes for one that must be converted.

        Raises:
            ModelError: The folder is no usable model, or the name is not possible.
            StorageError: The list or the conversion cannot be written.
        """
        return self._models.add(folder, name)

    def remove_model(self, name: str) -> None:
        """Forget an added model, or delete a fetched one.

        Raises:
            ModelError: It comes with the program, or is not on this machine.
            StorageError: It cannot be deleted.
        """
        self._models.remove(name)

    def licence_of(self, name: str) -> Future[Licence]:
        """What must be accepted before `download_model`; an unknown name asks the Hub."""
        return self._models.licence_of(name)

    def download_model(
        self,
        name: str,
        accepted_licence: str,
        progress: Callable[[int, int], None] | None = None,
        *,
        cancelled: Callable[[], bool] | None = None,
    ) -> Future[Path]:
        """Fetch a model in the background; see `Models.download`."""
        return self._models.download(name, accepted_licence, progress, cancelled=cancelled)

    def train(
        self, request: TrainingRequest, listener: TrainingListener
    ) -> TrainingJob[ModelEntry]:
        """Train a model, or an adapter for one, in a process of its own; see `Trainings.train`.

        Raises:
            InputError: The request is impossible, or a model of its name exists.
            TrainingError: Another training runs.
            StorageError: The work folder cannot be made.
        """
        return self.trainings.train(request, listener)

    # --- files for a DAW -----------------------------------------------------------------------

    def export_for_drag(self, ids: Sequence[int]) -> list[Path]:
        """Permanent WAV copies under the exports folder, one per sample, in the same order.

        Byte-identical to the library's files, and reused when already there, so calling it at
        the start of a drag is cheap.

        Raises:
            StorageError: The exports folder cannot be written.
            LibraryError: A sample or its file is missing.
        """
        return [
            export_wav(self._library, self._library.get(sample_id), self._paths.exports_dir)
            for sample_id in ids
        ]

    def close(self) -> None:
        """Stop the sound, the engine and the writer. Waiting jobs are cancelled. Idempotent."""
        if self._player is not None:
            self._player.close()
            self._player = None
        self._worker.close()
        self.trainings.close()
        self._models.close()
        self._library.close()

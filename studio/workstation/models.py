"""The models of a library, and what a person does with them.

Owns the downloads that run, and the child process in which a model of another format is
converted, so that neither holds up nor brings down the window. Where models lie is the shelf's
matter.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from studio.core.errors import CancelledError, ModelError, StudioError
from studio.core.storage import shown_path
from studio.models.hub.download import Licence, download, licence_of
from studio.models.measurements import Measurements
from studio.models.shelf.shelf import ModelEntry, ModelShelf

_LOG = logging.getLogger(__name__)
_CLOSE_SECONDS = 2.0
_Result = TypeVar("_Result")


class Models:
    """Finds, adds, removes and fetches models.

    Args:
        folder: Where the shelf keeps its list and its conversions, `Paths.models_dir`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shelf = ModelShelf(folder, on_notice=_LOG.warning)
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def measurements(self) -> Measurements:
        """What is known about this machine and its models."""
        return self._shelf.measurements

    def entries(self) -> tuple[ModelEntry, ...]:
        """The catalogue, on disk or not, and what was added."""
        return self._shelf.models()

    def add(self, folder: Path, name: str | None = None) -> ModelEntry:
        """Add a folder, as `ModelShelf.add` does; a conversion happens in a child process.

        Raises:
            ModelError: The folder is no usable model, or the name is not possible.
            StorageError: The list or the conversion cannot be written.
        """
        folder = Path(folder).expanduser().absolute()
        if self._shelf.must_convert(folder):
            return _in_child(folder, partial(_add, self._folder, folder, name))
        return self._shelf.add(folder, name)

    def remove(self, name: str) -> None:
        """Forget an added model or delete a fetched one, as `ModelShelf.remove` does.

        Raises:
            ModelError: It comes with the program, or is not on this machine.
            StorageError: It cannot be deleted.
        """
        self._shelf.remove(name)

    def licence_of(self, name: str) -> Future[Licence]:
        """The licence of a model; that of an unknown name is read from the Hub."""
        return self._start(partial(licence_of, name))

    def download(
        self,
        name: str,
        accepted_licence: str,
        progress: Callable[[int, int], None] | None = None,
        *,
        cancelled: Callable[[], bool] | None = None,
    ) -> Future[Path]:
        """Fetch a model on a background thread, and convert it where that is needed.

        Args:
            name: As `hub.download` takes it.
            accepted_licence: The name that `licence_of` gave.
            progress: Told (done, total) in bytes, on the background thread.
            cancelled: Asked for every piece that arrives.

        Returns:
            The folder that the engine opens, or the `StudioError` that prevented it.
        """

        def stopped() -> bool:
            return self._closing.is_set() or (cancelled is not None and cancelled())

        def fetch() -> Path:
            folder = download(
                name, accepted_licence=accepted_licence, progress=progress, cancelled=stopped
            )
            if self._shelf.must_convert(folder):
                return _in_child(folder, partial(_resolve, self._folder, name))
            return folder

        return self._start(fetch)

    def close(self) -> None:
        """Stop what is being fetched; the next download goes on from there. Idempotent."""
        self._closing.set()
        for thread in self._threads:
            thread.join(_CLOSE_SECONDS)

    def _start(self, work: Callable[[], _Result]) -> Future[_Result]:
        future: Future[_Result] = Future()
        if self._closing.is_set():
            future.set_exception(CancelledError("The library is closed; nothing is fetched."))
            return future
        future.set_running_or_notify_cancel()
        # A daemon: a server that does not answer must not keep the program from ending.
        thread = threading.Thread(
            target=_settle, args=(future, work), name="studio-models", daemon=True
        )
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()
        return future


def _settle(future: Future[_Result], work: Callable[[], _Result]) -> None:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - it is raised where the future is read
        future.set_exception(error)
    else:
        future.set_result(result)


def _add(shelf_folder: Path, folder: Path, name: str | None) -> ModelEntry:
    return ModelShelf(shelf_folder).add(folder, name)


def _resolve(shelf_folder: Path, name: str) -> Path:
    return ModelShelf(shelf_folder).resolve(name)


def _in_child(folder: Path, work: Callable[[], _Result]) -> _Result:
    """Run work that needs much memory in a process of its own.

    Raises:
        StudioError: As the work raises it.
        ModelError: The process ended without an answer.
    """
    context = multiprocessing.get_context("spawn")
    inbox, outbox = context.Pipe(duplex=False)
    child = context.Process(target=_answer, args=(outbox, work), name="studio-convert", daemon=True)
    with inbox:
        child.start()
        outbox.close()
        outcome: Any = None
        with contextlib.suppress(EOFError):
            outcome = inbox.recv()
    child.join()
    if isinstance(outcome, StudioError):
        raise outcome
    if outcome is None:
        raise ModelError(
            f"The conversion of {shown_path(folder)} stopped before its end; close other programs"
            " to have more memory, and try again."
        )
    answer: _Result = outcome
    return answer


def _answer(outbox: Connection, work: Callable[[], object]) -> None:
    with outbox:
        try:
            outbox.send(work())
        except StudioError as error:
            outbox.send(error)

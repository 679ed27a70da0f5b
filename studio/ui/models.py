"""The models that the window offers, and what is done to them.

Owns the list as it was read last, and the downloads that a person has asked for. It must not
draw, and opens no connection: the workstation does, and only for `ask_licence` and `get`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from studio.core.errors import CancelledError, StudioError
from studio.generation.remaining import RemainingTime
from studio.models.hub.cache import is_repository, snapshot_of
from studio.models.hub.download import Licence
from studio.models.shelf.shelf import ModelEntry
from studio.ui.bridge import Bridge
from studio.ui.model_words import ModelTraits, read_traits
from studio.workstation.workstation import Workstation


@dataclass(kw_only=True, eq=False)
class Download:
    """A model on its way to this computer.

    Attributes:
        name: Of the model.
        done_bytes: Fetched so far.
        total_bytes: Needed altogether; 0 while unknown.
        remaining_seconds: Time left; None while nothing can be said.
        cancelled: Set to stop it.
    """

    name: str
    done_bytes: int = 0
    total_bytes: int = 0
    remaining_seconds: float | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    _remaining: RemainingTime = field(default_factory=RemainingTime, repr=False)

    @property
    def share_done(self) -> float:
        """From 0 to 1."""
        return self.done_bytes / self.total_bytes if self.total_bytes else 0.0

    def take_in(self, done_bytes: int, total_bytes: int) -> None:
        """Follow one step."""
        self.done_bytes, self.total_bytes = done_bytes, total_bytes
        self.remaining_seconds = self._remaining.update(done_bytes, total_bytes)


class Models(QObject):
    """Reads the list of models, and gets, adds and removes.

    Signals:
        changed(): The list was read again.
        download_changed(str): A download began, went on or is over; its model's name.
        added(ModelEntry): A folder is a model now.
        said(str): What was done, for the status line.
        failed(StudioError): It could not be done.
    """

    changed = Signal()
    download_changed = Signal(str)
    added = Signal(object)
    said = Signal(str)
    failed = Signal(object)

    def __init__(
        self, workstation: Workstation, bridge: Bridge, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._workstation = workstation
        self._bridge = bridge
        self._entries: tuple[ModelEntry, ...] = ()
        self._downloads: dict[str, Download] = {}

    # --- the list ------------------------------------------------------------------------------

    @property
    def entries(self) -> tuple[ModelEntry, ...]:
        """Every model that is known, as it was read last; empty before."""
        return self._entries

    @property
    def downloads(self) -> tuple[Download, ...]:
        """What is being fetched now, the oldest first."""
        return tuple(self._downloads.values())

    def read(self) -> None:
        """Look again which models there are."""
        self._bridge.run("query", self._workstation.models, self._take_entries, self.failed.emit)

    def entry(self, name: str) -> ModelEntry | None:
        """A model of the list."""
        return next((entry for entry in self._entries if entry.name == name), None)

    def is_gone(self, name: str) -> bool:
        """Whether a model is surely not on this computer any more."""
        entry = self.entry(name)
        if entry is not None:
            return entry.path is None
        if not self._entries:
            return False
        if is_repository(name):
            return snapshot_of(name) is None
        return not Path(name).is_dir()

    def read_traits(self, name: str, on_known: Callable[[ModelTraits], None]) -> None:
        """Find out what a model listens to; of a broken one nothing is known."""
        entry = self.entry(name)
        self._bridge.run(
            "query",
            lambda: read_traits(name, entry),
            on_known,
            lambda _fault: on_known(ModelTraits()),
        )

    def _take_entries(self, entries: tuple[ModelEntry, ...]) -> None:
        self._entries = tuple(entries)
        self.changed.emit()

    # --- changing it ---------------------------------------------------------------------------

    def add(self, folder: Path) -> None:
        """Take a folder into the list; it stays where it is."""

        def done(entry: ModelEntry) -> None:
            self.said.emit(f"Added the model {entry.name}")
            self.added.emit(entry)
            self.read()

        self.said.emit(f"Reading the model in {folder}...")
        self._bridge.run(
            "models", lambda: self._workstation.add_model(folder), done, self.failed.emit
        )

    def remove(self, name: str) -> None:
        """Forget an added model, or delete one that was fetched."""

        def done(_nothing: object) -> None:
            self.said.emit(f"Removed the model {name}")
            self.read()

        self._bridge.run(
            "models", lambda: self._workstation.remove_model(name), done, self.failed.emit
        )

    def ask_licence(self, name: str, on_known: Callable[[Licence], None]) -> None:
        """Look up under which licence a model is published."""
        self._bridge.watch(self._workstation.licence_of(name), on_known, self.failed.emit)

    def get(self, name: str, accepted_licence: str) -> None:
        """Fetch a model whose licence was accepted; a second call while it comes does nothing."""
        if name in self._downloads:
            return
        download = self._downloads[name] = Download(name=name)

        def went_on(done_bytes: int, total_bytes: int) -> None:
            self._bridge.post(lambda: self._follow(download, done_bytes, total_bytes))

        future = self._workstation.download_model(
            name, accepted_licence, went_on, cancelled=download.cancelled.is_set
        )
        self._bridge.watch(
            future,
            lambda _folder: self._fetched(download),
            lambda error: self._stopped(download, error),
        )
        self.download_changed.emit(name)

    def cancel(self, name: str) -> None:
        """Stop a download; the next one goes on where it was."""
        download = self._downloads.get(name)
        if download is not None:
            download.cancelled.set()

    def close(self) -> None:
        """Stop every download."""
        for download in self._downloads.values():
            download.cancelled.set()

    def _follow(self, download: Download, done_bytes: int, total_bytes: int) -> None:
        if download.name in self._downloads:
            download.take_in(done_bytes, total_bytes)
            self.download_changed.emit(download.name)

    def _fetched(self, download: Download) -> None:
        self._forget(download)
        self.said.emit(f"{download.name} is on this computer now")
        self.read()

    def _stopped(self, download: Download, error: StudioError) -> None:
        self._forget(download)
        if isinstance(error, CancelledError):
            self.said.emit(f"Stopped fetching {download.name}; what has arrived is kept")
        else:
            self.failed.emit(error)

    def _forget(self, download: Download) -> None:
        del self._downloads[download.name]
        self.download_changed.emit(download.name)

"""The only way from other threads into the window.

Owns the hop: whatever futures, listeners and subscribers call on background threads is run on
the main thread in the order it came. Owns also the window's own threads: one queries the library,
one reads sounds, one talks to the player, one looks after the models. It must not draw, and
nothing else in this package may touch a thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import CancelledError as FutureCancelledError
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal, get_args

from PySide6.QtCore import QObject, Qt, Signal

from studio.core.errors import StudioError
from studio.generation.jobs import Progress
from studio.library.records import Change

_LOG = logging.getLogger(__name__)

Lane = Literal["query", "sound", "player", "models"]


class Bridge(QObject):
    """Brings news from background threads to the main thread.

    Signals:
        changed(Change): The library changed.
        progressed(Progress): A job went on.
        failed(StudioError): Something started here failed and nobody else handles it.
        crashed(object): An exception that is a bug.
    """

    changed = Signal(object)
    progressed = Signal(object)
    failed = Signal(object)
    crashed = Signal(object)
    _posted = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._closed = False
        self._lanes: dict[Lane, ThreadPoolExecutor] = {
            lane: ThreadPoolExecutor(1, thread_name_prefix=f"window-{lane}")
            for lane in get_args(Lane)
        }
        self._posted.connect(self._run, Qt.ConnectionType.QueuedConnection)

    def post(self, call: Callable[[], None]) -> None:
        """Run `call` on the main thread soon. Safe from any thread."""
        if self._closed:
            return
        try:
            self._posted.emit(call)
        except RuntimeError:
            _LOG.debug("The window went away before a message arrived")

    def hear_progress(self, progress: Progress) -> None:
        """A listener for `Workstation.generate`."""
        self.post(lambda: self.progressed.emit(progress))

    def hear_change(self, change: Change) -> None:
        """A subscriber for `Workstation.subscribe`."""
        self.post(lambda: self.changed.emit(change))

    def watch(
        self,
        future: Future[Any],
        on_done: Callable[[Any], None] | None = None,
        on_error: Callable[[StudioError], None] | None = None,
    ) -> None:
        """Call back on the main thread when a future is done.

        Args:
            future: Any future.
            on_done: Given its result.
            on_error: Given a `StudioError`; without it the error goes to `failed`. Other
                exceptions go to `crashed`.
        """
        future.add_done_callback(
            lambda done: self.post(lambda: self._settle(done, on_done, on_error))
        )

    def run(
        self,
        lane: Lane,
        work: Callable[[], Any],
        on_done: Callable[[Any], None] | None = None,
        on_error: Callable[[StudioError], None] | None = None,
    ) -> Future[Any]:
        """Run `work` on a background thread and call back as `watch` does.

        Work of one lane runs in order. Cancelling the future drops work that has not begun. After
        `close`, when a timer may still ask, nothing runs and the future is a cancelled one.
        """
        if self._closed:
            dropped: Future[Any] = Future()
            dropped.cancel()
            return dropped
        future: Future[Any] = self._lanes[lane].submit(work)
        self.watch(future, on_done, on_error)
        return future

    def close(self) -> None:
        """Drop what waits and end the threads; later news is ignored."""
        self._closed = True
        for lane in self._lanes.values():
            lane.shutdown(wait=True, cancel_futures=True)

    def _run(self, call: Callable[[], None]) -> None:
        if not self._closed:
            call()

    def _settle(
        self,
        future: Future[Any],
        on_done: Callable[[Any], None] | None,
        on_error: Callable[[StudioError], None] | None,
    ) -> None:
        try:
            result = future.result()
        except FutureCancelledError:
            return
        except StudioError as error:
            (on_error or self.failed.emit)(error)
        except Exception as error:  # noqa: BLE001 # a bug: it is reported, the window lives on
            self.crashed.emit(error)
        else:
            if on_done is not None:
                on_done(result)

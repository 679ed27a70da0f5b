"""Who wants to know that something changed.

Owns the list of subscribers. It neither knows what a change means nor moves it to another
thread: a subscriber is called on the thread that published.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from studio.library.records import Change

_LOG = logging.getLogger(__name__)


class ChangeFanOut:
    """Passes every `Change` on to all subscribers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscribers: list[Callable[[Change], None]] = []

    def subscribe(self, callback: Callable[[Change], None]) -> Callable[[], None]:
        """Call `callback` with every change from now on; the result ends that."""
        with self._lock:
            self._subscribers.append(callback)

        def unsubscribe() -> None:
            with self._lock:
                if callback in self._subscribers:
                    self._subscribers.remove(callback)

        return unsubscribe

    def publish(self, change: Change) -> None:
        """Tell everybody. A subscriber that fails is logged and does not stop the others."""
        with self._lock:
            subscribers = list(self._subscribers)
        for callback in subscribers:
            try:
                callback(change)
            except Exception:  # noqa: BLE001 # one view's bug must not leave the others stale
                _LOG.exception("A subscriber failed on %s", change)

"""Takes of a seed bank leave the window.

Owns the way there: into the library first, as a file that a DAW links to must stay, and then out
as the library's files. The drag itself is `drag_out`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from studio.generation.coded_take import CodedTake
from studio.library.records import SampleRecord
from studio.ui.drag_out import DragOut
from studio.ui.takes import Takes, TakeState


class BankDrag(QObject):
    """Drags takes that are no samples yet."""

    def __init__(self, takes: Takes, drag_out: DragOut, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._takes = takes
        self._drag_out = drag_out
        self._wanted: tuple[CodedTake, ...] = ()
        self._ended: Callable[[], None] = _nobody_waits
        self._records: dict[CodedTake, SampleRecord] = {}
        takes.changed.connect(self._follow)
        takes.take_failed.connect(self._failed)

    def drag(self, source: QWidget, takes: Sequence[CodedTake], ended: Callable[[], None]) -> None:
        """Begin a drag of these takes. Called from every mouse move beyond the drag distance.

        The first call asks for their sound; when it is there, a later one begins the drag.

        Args:
            source: The widget under the mouse.
            takes: The takes.
            ended: Called when the drag is over, or cannot be.
        """
        wanted = tuple(takes)
        if wanted != self._wanted:
            self._wanted, self._records, self._ended = wanted, {}, ended
            if not self._takes.resound(wanted):
                self._end()
            return
        records = [self._records[one] for one in wanted if one in self._records]
        if len(records) == len(wanted):
            self._drag_out.drag(source, records, self._end)

    def _follow(self, take: TakeState) -> None:
        if take.coded in self._wanted and take.record is not None:
            self._records[take.coded] = take.record

    def _failed(self, take: TakeState) -> None:
        if take.coded in self._wanted:
            self._end()

    def _end(self) -> None:
        """Nothing is dragged any more, so that further moves of the mouse ask for nothing."""
        ended, self._ended = self._ended, _nobody_waits
        self._wanted, self._records = (), {}
        ended()


def _nobody_waits() -> None:
    """Between two drags."""

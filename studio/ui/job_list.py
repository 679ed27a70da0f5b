"""The queue of takes that are being made.

Owns one row for each take: state, progress, time left, cancel. It must not generate; it shows
what `Takes` says.
"""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QProgressBar,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from studio.ui.controls import ElidedLabel, dim_label, heading, restyle, tool_button
from studio.ui.facts import STATE_WORDS, count_text, error_line, remaining_text
from studio.ui.keys import key_for
from studio.ui.takes import Takes, TakeState

_STEPS_OF_BAR = 1000


class JobRow(QWidget):
    """One take on its way."""

    def __init__(self, take: TakeState, takes: Takes) -> None:
        super().__init__()
        request = take.job.request
        self.setObjectName(f"job_row:{take.id}")
        self._title = ElidedLabel(request.prompt or "Untitled")
        self._title.setToolTip(request.prompt)
        self._seed = dim_label(f"seed {request.seed}")
        self._state = ElidedLabel()
        self._state.setProperty("dim", True)
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setRange(0, _STEPS_OF_BAR)
        self._cancel = tool_button("close", f"cancel_button:{take.id}", "Cancel this take")
        self._cancel.setFixedSize(22, 22)
        self._cancel.clicked.connect(lambda: takes.cancel(take.id))
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 4, 0, 4)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(3)
        grid.addWidget(self._title, 0, 0)
        grid.addWidget(self._seed, 0, 1)
        grid.addWidget(self._cancel, 0, 2, 2, 1)
        grid.addWidget(self._state, 1, 0, 1, 2)
        grid.addWidget(self._bar, 2, 0, 1, 3)
        grid.setColumnStretch(0, 1)
        self.show_state(take)

    @property
    def state_text(self) -> str:
        """What the row says about the take."""
        return self._state.text()

    def set_leading(self, leading: bool, job_id: int) -> None:
        """The first row's button has the plain name "cancel_button"."""
        self._cancel.setObjectName("cancel_button" if leading else f"cancel_button:{job_id}")

    def show_state(self, take: TakeState) -> None:
        """Follow the take."""
        words = STATE_WORDS[take.state]
        if take.state == "failed" and take.error is not None:
            words = error_line(take.error)
            self._cancel.setToolTip("Remove from the list")
        elif take.state == "running":
            rest = remaining_text(take.remaining_seconds)
            words = f"{words} {take.share_done:.0%}" + (f", {rest}" if rest else "")
        self._state.setText(words)
        self._state.setToolTip(words)
        restyle(self._bar, "state", {"failed": "failed", "saving": "done"}.get(take.state, ""))
        waiting = take.state == "loading"
        self._bar.setRange(0, 0 if waiting else _STEPS_OF_BAR)
        if not waiting:
            done = 1.0 if take.state in ("saving", "done", "failed") else take.share_done
            self._bar.setValue(round(done * _STEPS_OF_BAR))


class JobList(QWidget):
    """Every take that is waiting, running or has failed."""

    def __init__(self, takes: Takes, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("job_list")
        self.setProperty("panel", True)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._takes = takes
        self._rows: dict[int, JobRow] = {}
        self._count = dim_label()
        self._empty = dim_label(
            f"Nothing is being made. Press {key_for('submit_prompt').label} in the prompt, or "
            f"{key_for('generate').label} outside a text field."
        )
        self._empty.setWordWrap(True)
        self._list = QVBoxLayout()
        self._list.setContentsMargins(12, 0, 12, 8)
        self._list.setSpacing(4)
        self._list.addWidget(self._empty)
        self._list.addStretch(1)
        inside = QWidget()
        inside.setLayout(self._list)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setWidget(inside)
        area.viewport().setAutoFillBackground(False)
        inside.setAutoFillBackground(False)
        title = QHBoxLayout()
        title.setContentsMargins(12, 10, 12, 4)
        title.addWidget(heading("Queue"))
        title.addStretch(1)
        title.addWidget(self._count)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(title)
        layout.addWidget(area, 1)
        takes.added.connect(self._add)
        takes.changed.connect(self._change)

    @property
    def rows(self) -> list[JobRow]:
        """The rows from top to bottom."""
        return list(self._rows.values())

    def _add(self, take: TakeState) -> None:
        row = JobRow(take, self._takes)
        self._rows[take.id] = row
        self._list.insertWidget(self._list.count() - 1, row)
        self._refresh()

    def _change(self, take: TakeState) -> None:
        row = self._rows.get(take.id)
        if row is None:
            return
        if take.state in ("done", "cancelled"):
            del self._rows[take.id]
            self._list.removeWidget(row)
            row.hide()
            row.deleteLater()
            self._refresh()
        else:
            row.show_state(take)

    def _refresh(self) -> None:
        for place, (job_id, row) in enumerate(self._rows.items()):
            row.set_leading(place == 0, job_id)
        self._empty.setVisible(not self._rows)
        self._count.setText(count_text(len(self._rows), "take") if self._rows else "")

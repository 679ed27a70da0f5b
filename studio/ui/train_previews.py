"""What a model in training plays, and how near that is to what it was given.

Owns the rows of previews and the overfit meter. It plays nothing: who listens does.
"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from studio.training.workshop.events import PreviewMade
from studio.ui import theme
from studio.ui.controls import ElidedLabel, dim_label, restyle, tool_button

_EMPTY = "Previews stand here as soon as there are any; Play brings one into the waveform."
_METER_HEIGHT = 8


class OverfitMeter(QWidget):
    """How many codes of the last preview its nearest training sound has too.

    The mark is how near training sounds are to each other; a preview beyond it by both measures
    is a copy, give or take.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("train_meter")
        self._preview: PreviewMade | None = None
        self._words = ElidedLabel()
        self._words.setObjectName("train_meter_words")
        self._bar = _Bar()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self._words)
        layout.addWidget(self._bar)
        self.setToolTip(
            "The share of codes that the last preview has in common with its nearest training"
            " sound. The mark is what 95 of 100 training sounds stay below among themselves."
        )
        self.show_preview(None)

    @property
    def text(self) -> str:
        """What it says."""
        return self._words.text()

    def show_preview(self, preview: PreviewMade | None) -> None:
        """Show how near a preview is."""
        self._preview = preview
        words = "Learnt by heart? Shown with the first preview."
        if preview is not None:
            words = (
                f"Learnt by heart? {'Nearly' if preview.copies else 'No'}:"
                f" {preview.code_agreement:.0%} of codes equal, up to"
                f" {preview.usual_agreement:.0%} is usual; nearest {preview.nearest}"
            )
        self._words.setText(words)
        self._words.setToolTip(words)
        restyle(self._words, "state", "error" if preview is not None and preview.copies else None)
        self._bar.show_preview(preview)
        self.setAccessibleName(words)


class _Bar(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(_METER_HEIGHT)
        self._preview: PreviewMade | None = None

    def show_preview(self, preview: PreviewMade | None) -> None:
        self._preview = preview
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Ground, share, mark."""
        painter = QPainter(self)
        area = QRectF(self.rect())
        painter.fillRect(area, QColor(theme.BACKGROUND))
        if self._preview is not None:
            share = min(1.0, max(0.0, self._preview.code_agreement))
            colour = theme.ERROR if self._preview.copies else theme.READY
            painter.fillRect(QRectF(0, 2, area.width() * share, area.height() - 4), QColor(colour))
            mark = area.width() * min(1.0, self._preview.usual_agreement)
            painter.fillRect(QRectF(mark - 1, 0, 2, area.height()), QColor(theme.TEXT))
        painter.end()


class PreviewRow(QWidget):
    """One preview: play, step, words, nearest training sound.

    Signals:
        wanted(): It should be heard.
    """

    wanted = Signal()

    def __init__(self, preview: PreviewMade) -> None:
        super().__init__()
        self.preview = preview
        self.setObjectName(f"train_preview_row:{preview.step}")
        said = f'"{preview.text}"' if preview.text else "without words"
        self.play_button = tool_button(
            "play", f"train_preview_play:{preview.step}", f"Play the preview of step {preview.step}"
        )
        self.play_button.setFixedSize(22, 22)
        self.play_button.clicked.connect(self.wanted)
        step = dim_label(f"step {preview.step:,}")
        step.setFixedWidth(74)
        verdict = dim_label("copy" if preview.copies else "new")
        restyle(verdict, "state", "error" if preview.copies else None)
        verdict.setToolTip(
            f"Nearest: {preview.nearest}, {preview.code_agreement:.0%} of codes equal, log-mel"
            f" distance {preview.mel_distance:.2f} (usual {preview.usual_mel_distance:.2f})"
        )
        text = ElidedLabel(said)
        text.setToolTip(said)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 4, 0)
        row.setSpacing(8)
        row.addWidget(self.play_button)
        row.addWidget(step)
        row.addWidget(text, 1)
        row.addWidget(verdict)


class PreviewList(QScrollArea):
    """The previews of a run, the newest on top.

    Signals:
        play_wanted(Path, str): A file should be heard, and what to call it.
    """

    play_wanted = Signal(Path, str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("train_preview_area")
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.viewport().setAutoFillBackground(False)
        self.rows: list[PreviewRow] = []
        self._empty = dim_label(_EMPTY)
        self._empty.setWordWrap(True)
        inside = QWidget()
        inside.setAutoFillBackground(False)
        self._list = QVBoxLayout(inside)
        self._list.setContentsMargins(0, 0, 0, 0)
        self._list.setSpacing(2)
        self._list.addWidget(self._empty)
        self._list.addStretch(1)
        self.setWidget(inside)

    def sizeHint(self) -> QSize:
        """A few rows."""
        return QSize(320, 112)

    def minimumSizeHint(self) -> QSize:
        """Two rows."""
        return QSize(200, 52)

    def add(self, preview: PreviewMade, name: str) -> None:
        """Show another preview.

        Args:
            preview: The newest.
            name: Of the model, for the waveform's heading.
        """
        row = PreviewRow(preview)
        title = f"{name}, step {preview.step:,}"
        row.wanted.connect(lambda: self.play_wanted.emit(preview.wav, title))
        self.rows.insert(0, row)
        self._list.insertWidget(0, row)
        self._empty.hide()

    def clear(self) -> None:
        """Forget all."""
        for row in self.rows:
            self._list.removeWidget(row)
            row.hide()
            row.deleteLater()
        self.rows = []
        self._empty.show()

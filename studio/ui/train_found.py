"""What is in the folder, and what a training of it would be.

Owns the page that shows a plan. It hears nothing itself.
"""

from __future__ import annotations

from PySide6.QtWidgets import QLabel, QPlainTextEdit, QVBoxLayout, QWidget

from studio.training.workshop.plan import TrainingPlan, spoken_duration
from studio.training.workshop.scan import RIGHTS_NOTICE
from studio.ui.controls import dim_label, restyle

_MOST_LINES = 1_000
_BEFORE = "Scan tells what is in the folder and how long a training will take."
_STALE = "The choices are others now: Scan again for another estimate."


class FoundPage(QWidget):
    """The survey of a folder above, the estimate below."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("train_found_panel")
        notice = dim_label(RIGHTS_NOTICE, "train_rights")
        notice.setWordWrap(True)
        self.text = QPlainTextEdit()
        self.text.setObjectName("train_found_text")
        self.text.setAccessibleName("What is in the folder")
        self.text.setReadOnly(True)
        self.text.setTabChangesFocus(True)
        self.text.setPlaceholderText(_BEFORE)
        self.estimate = QLabel()
        self.estimate.setObjectName("train_estimate")
        self.estimate.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(notice)
        layout.addWidget(self.text, 1)
        layout.addWidget(self.estimate)
        self.estimate.hide()

    def show_plan(self, plan: TrainingPlan) -> None:
        """Show what was heard and what will happen."""
        heard = plan.survey
        lines = heard.lines(most=_MOST_LINES)
        repeats = [f"repeated {path}: the same sound as {first}" for path, first in heard.repeats]
        self.text.setPlainText("\n".join([*lines, *repeats[:_MOST_LINES]]))
        self.estimate.setText("\n".join(estimate_lines(plan)))
        restyle(self.estimate, "dim", None)
        self.estimate.show()

    def grow_stale(self) -> None:
        """Something was chosen otherwise since."""
        if not self.estimate.isHidden():
            self.estimate.setText(_STALE)
            restyle(self.estimate, "dim", True)

    def clear(self) -> None:
        """Another folder."""
        self.text.clear()
        self.estimate.hide()


def estimate_lines(plan: TrainingPlan) -> list[str]:
    """The plan in three or four lines, the time first."""
    parts = [f"{spoken_duration(plan.training_seconds)} training"]
    if plan.tokenising_seconds >= 1:
        parts.insert(0, f"{spoken_duration(plan.tokenising_seconds)} codes")
    if plan.tuning_seconds:
        parts.insert(0, f"{spoken_duration(plan.tuning_seconds)} fitting the codec")
    hears = "no words" if plan.conditioners == "none" else f"{plan.words} words and marks"
    seconds = plan.frames / plan.frame_rate
    lines = [
        f"About {spoken_duration(plan.seconds)}: {', '.join(parts)}.",
        f"{plan.size}: {plan.parameters / 1e6:.1f} million numbers to train, {hears},"
        f" {plan.megabytes:.{0 if plan.megabytes >= 10 else 1}f} MB.",
        f"{plan.total_steps:,} steps of {plan.batch}, {1 / plan.seconds_a_step:.1f} a second on"
        f" {plan.device}; about {plan.segments:,} segments of {seconds:.1f} s in {plan.variants}"
        f" variants, each seen {plan.epochs:.0f} times.",
    ]
    if plan.resumes_at:
        lines.append(f"Goes on from step {plan.resumes_at:,}.")
    return lines

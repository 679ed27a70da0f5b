"""What a measurement of the embedded model's sound gives.

Owns the frozen values of the report and their two ways out. Nothing is measured here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured number and what it is held against.

    Attributes:
        name: What was measured.
        value: The takes', or the codec's.
        wanted: What it must reach, in words; "" where nothing is demanded.
        reached: Whether it does; None where nothing is demanded.
        beside: The same measure of other things, by name.
    """

    name: str
    value: float
    wanted: str = ""
    reached: bool | None = None
    beside: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class VoiceFigure:
    """How often one voice is heard in takes.

    Attributes:
        voice: Caption word.
        asked: Share of the takes asked for it in which it is heard.
        unasked: Share of the other takes in which it is heard.
        balanced_accuracy: How well the classifier hears it in held-out loops; None where there
            were too few of them.
        trusted: Whether that is enough for it to count.
    """

    voice: str
    asked: float
    unasked: float
    balanced_accuracy: float | None
    trusted: bool


@dataclass(frozen=True, kw_only=True)
class HouseReport:
    """Everything that one run found.

    Attributes:
        model: The bundle's name.
        megabytes: Size of its folder.
        figures: In the order they were measured.
        voices: One for each voice that the model knows a word for.
        pictures: Files of spectrograms.
        minutes: How long it took.
    """

    model: str
    megabytes: float
    figures: tuple[Figure, ...]
    voices: tuple[VoiceFigure, ...]
    pictures: tuple[str, ...]
    minutes: float

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def report_lines(report: HouseReport) -> list[str]:
    """The report for a terminal."""
    lines = [f"{report.model}: {report.megabytes:.1f} MB, measured in {report.minutes:.1f} min"]
    for figure in report.figures:
        verdict = {True: "reached", False: "NOT reached", None: ""}[figure.reached]
        wanted = f"  wanted {figure.wanted}: {verdict}" if figure.wanted else ""
        lines.append(f"{figure.name}: {figure.value:g}{wanted}")
        lines += [f"    {name}: {value:g}" for name, value in figure.beside.items()]
    if report.voices:
        lines.append("voice: heard when asked / not asked; the classifier's balanced accuracy")
    for voice in report.voices:
        known = "-" if voice.balanced_accuracy is None else f"{voice.balanced_accuracy:.2f}"
        counts = "" if voice.trusted else "  (not counted)"
        lines.append(f"    {voice.voice}: {voice.asked:.2f} / {voice.unasked:.2f}; {known}{counts}")
    return lines + [f"spectrograms: {file}" for file in report.pictures]

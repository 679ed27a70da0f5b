"""How facts about a sound are worded.

Owns the short texts for tempo, key, length and date that several panels show. Pure functions.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from studio.core.errors import StudioError
from studio.generation.jobs import JobState
from studio.generation.remaining import clock

STATE_WORDS: dict[JobState, str] = {
    "queued": "Waiting",
    "loading": "Loading the model",
    "running": "Generating",
    "saving": "Saving",
    "done": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
}


def tempo_text(tempo_bpm: float | None) -> str:
    """`174` or `92.5`; empty when unknown."""
    if tempo_bpm is None:
        return ""
    return f"{tempo_bpm:.2f}".rstrip("0").rstrip(".")


def length_text(seconds: float) -> str:
    """`2.76 s` below a minute, `1:23.4` above."""
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}:{rest:04.1f}"


def bars_text(bars: int | None) -> str:
    """`1 bar`, `2 bars`; empty when unknown."""
    if bars is None:
        return ""
    return f"{bars} bar" if bars == 1 else f"{bars} bars"


def position_text(frame: int, sample_rate: int, tempo_bpm: float | None) -> str:
    """`2.3.1` (bar, beat, sixteenth) when the tempo is known, else seconds."""
    seconds = frame / sample_rate
    if not tempo_bpm:
        return length_text(seconds)
    sixteenths = int(seconds * tempo_bpm / 15 + 1e-6)
    return f"{sixteenths // 16 + 1}.{sixteenths // 4 % 4 + 1}.{sixteenths % 4 + 1}"


def date_text(created_at: str, now: datetime | None = None) -> str:
    """`14:05` for today, `Yesterday`, `12 Mar`, or `Mar 2025`, in local time."""
    try:
        moment = datetime.fromisoformat(created_at).astimezone()
    except ValueError:
        return created_at
    today = (now or datetime.now().astimezone()).astimezone()
    if moment.date() == today.date():
        return moment.strftime("%H:%M")
    if moment.date() == (today - timedelta(days=1)).date():
        return "Yesterday"
    if moment.year == today.year:
        return f"{moment.day} {moment.strftime('%b')}"
    return moment.strftime("%b %Y")


def exact_date_text(created_at: str) -> str:
    """`12 March 2025, 14:05:09`, in local time."""
    try:
        moment = datetime.fromisoformat(created_at).astimezone()
    except ValueError:
        return created_at
    return f"{moment.day} {moment.strftime('%B %Y, %H:%M:%S')}"


def remaining_text(seconds: float | None) -> str:
    """`about 4 s left`, `about 2:05 left`; empty when unknown."""
    if seconds is None:
        return ""
    return "almost done" if seconds < 1.5 else f"about {clock(seconds)} left"


def size_text(megabytes: float) -> str:
    """`25 MB`, `2.4 GB`, in units of a million and a thousand million bytes."""
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"


def count_text(count: int, noun: str = "sound") -> str:
    """`1 sound`, `1,204 sounds`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def error_line(error: BaseException) -> str:
    """The one line that a person reads about an error."""
    if isinstance(error, StudioError):
        return error.user_message
    return f"{type(error).__name__}: {error}"

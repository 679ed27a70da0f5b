"""What a folder of sounds holds.

Owns the walk through the folder, the list of what is left out and why, the groups of equal and
nearly equal sounds, and the memory of what was heard before. It reads sounds through `listening`
and writes one file: that memory.

Sounds are known by their content: a file without a suffix is taken, a text named `.wav` is not.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from studio.core.errors import AudioFileError, CancelledError, StorageError, TrainingError
from studio.core.storage import one_line, shown_path, write_atomically
from studio.training.workshop.listening import SILENT_PEAK, SoundFacts, listen

RIGHTS_NOTICE = (
    "Train on sounds that you made, or whose owners allow it: a model can give back what it "
    "heard, and sharing it shares that."
)
SHORTEST_SECONDS = 0.02
LEAST_TOTAL_SECONDS = 3.0
_AUDIO_SUFFIXES = frozenset(
    ".wav .wave .aif .aiff .aifc .flac .ogg .oga .opus .mp3 .m4a .aac .wma .caf .w64 .rf64 .au "
    ".snd .sd2 .rex .rx2 .wv .ape .mp2".split()
)
_MOST_FILES = 1_000_000
_NEAR = 0.995
_NEAR_DURATION = 0.02
_COMPARED_AT_ONCE = 512
_REMEMBER_EVERY = 500


@dataclass(frozen=True, kw_only=True)
class Skip:
    """A file that is left out, below the folder, and why."""

    path: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Sound:
    """A file that is trained on.

    Attributes:
        path: Below the folder, with forward slashes.
        facts: What it holds.
        group: Sounds of one group are equal or nearly so, and never on both sides of the split.
    """

    path: str
    facts: SoundFacts
    group: int


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A folder, heard.

    Attributes:
        folder: The folder.
        sounds: Each once, in the order of their paths.
        skipped: Files that are left out; those that nobody would take for sound are only counted.
        other_files: How many of these there are.
        repeats: Path of a file whose sound is in `sounds` under another path, and that path.
        clipped: Paths of sounds with flat tops at full scale.
    """

    folder: Path
    sounds: tuple[Sound, ...]
    skipped: tuple[Skip, ...]
    other_files: int
    repeats: tuple[tuple[str, str], ...]
    clipped: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Of all sounds."""
        return sum(sound.facts.duration_seconds for sound in self.sounds)

    @property
    def near_repeats(self) -> int:
        """Sounds that are nearly one that comes before them."""
        return len(self.sounds) - len({sound.group for sound in self.sounds})

    def lines(self, most: int = 10) -> list[str]:
        """The survey in words; of a long list, the first `most`."""
        lines = [f"{len(self.sounds)} sounds, {_spoken_time(self.seconds)}"]
        silent = sum(s.facts.silent_share * s.facts.duration_seconds for s in self.sounds)
        lines[0] += f", {silent / max(self.seconds, 1e-9):.0%} of it silence"
        if self.repeats:
            lines.append(f"{len(self.repeats)} repeated: taken once each")
        if self.near_repeats:
            lines.append(f"{self.near_repeats} nearly repeated: kept on one side of the split")
        if self.clipped:
            lines.append(f"{len(self.clipped)} clipped, such as {self.clipped[0]}")
        if self.other_files:
            lines.append(f"{self.other_files} other files, not sound")
        lines += [f"skipped {skip.path}: {skip.reason}" for skip in self.skipped[:most]]
        if len(self.skipped) > most:
            lines.append(f"skipped {len(self.skipped) - most} more: scan.json lists them")
        return lines


def survey(
    folder: Path,
    *,
    memory: Path | None = None,
    leave_out: Sequence[Path] = (),
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Survey:
    """Hear every sound below a folder.

    Args:
        folder: The folder.
        memory: Where to remember what was heard; an unchanged file is not heard again.
        leave_out: Folders below it that hold no material.
        progress: Told of files done and files in all.
        cancelled: Asked before each file.

    Raises:
        TrainingError: There is no such folder, or no sound to train on in it.
        CancelledError: `cancelled` said so.
        StorageError: The memory cannot be written.
    """
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise TrainingError(f"{shown_path(folder)} {what}: give a folder of sounds.")
    files = sorted(_files(folder, {path.absolute() for path in leave_out}))
    book = _Memory(memory)
    heard: list[tuple[str, SoundFacts]] = []
    skipped: list[Skip] = []
    others = 0
    for done, file in enumerate(files):
        if cancelled is not None and cancelled():
            book.store()
            raise CancelledError("The scan was cancelled; what was heard is remembered.")
        if progress is not None:
            progress(done, len(files))
        name = file.relative_to(folder).as_posix()
        try:
            facts = book.facts(file, name)
        except AudioFileError as error:
            if file.suffix.lower() in _AUDIO_SUFFIXES:
                reason = error.user_message.replace(shown_path(file), "it")
                skipped.append(Skip(path=one_line(name), reason=reason))
            else:
                others += 1
            continue
        reason = _unusable(facts)
        if reason:
            skipped.append(Skip(path=one_line(name), reason=reason))
        else:
            heard.append((name, facts))
        if done % _REMEMBER_EVERY == _REMEMBER_EVERY - 1:
            book.store()
    if progress is not None:
        progress(len(files), len(files))
    found = _sorted_out(folder, heard, skipped, others)
    book.store(skipped)
    _require_material(found)
    return found


def _files(folder: Path, leave_out: set[Path]) -> Iterator[Path]:
    """Ordinary files; hidden ones, and what lies in hidden folders, are not looked at."""
    count = 0
    for place, folders, names in os.walk(folder):
        here = Path(place)
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and (here / name).absolute() not in leave_out
        ]
        for name in names:
            if name.startswith("."):
                continue
            count += 1
            if count > _MOST_FILES:
                raise TrainingError(
                    f"{shown_path(folder)} holds over a million files: give a folder of sounds."
                )
            yield here / name


def _unusable(facts: SoundFacts) -> str:
    if facts.peak < SILENT_PEAK:
        return "it is silent"
    if facts.duration_seconds < SHORTEST_SECONDS:
        return f"it lasts {1000 * facts.duration_seconds:.0f} ms, too short to be a sound"
    return ""


def _sorted_out(
    folder: Path, heard: list[tuple[str, SoundFacts]], skipped: list[Skip], others: int
) -> Survey:
    first: dict[str, str] = {}
    repeats: list[tuple[str, str]] = []
    kept: list[tuple[str, SoundFacts]] = []
    for name, facts in heard:
        if facts.content_hash in first:
            repeats.append((one_line(name), one_line(first[facts.content_hash])))
        else:
            first[facts.content_hash] = name
            kept.append((name, facts))
    groups = _near_groups([facts for _, facts in kept])
    return Survey(
        folder=folder,
        sounds=tuple(
            Sound(path=name, facts=facts, group=group)
            for (name, facts), group in zip(kept, groups, strict=True)
        ),
        skipped=tuple(skipped),
        other_files=others,
        repeats=tuple(repeats),
        clipped=tuple(one_line(name) for name, facts in kept if facts.clipped_share > 0),
    )


def _near_groups(sounds: Sequence[SoundFacts]) -> list[int]:
    """A number for each sound; nearly equal ones share theirs."""
    leader = list(range(len(sounds)))

    def lead(place: int) -> int:
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = leader[place]
        return place

    if not sounds:
        return []
    shapes = np.stack([facts.shape for facts in sounds])
    lengths = np.array([facts.duration_seconds for facts in sounds])
    for begin in range(0, len(sounds), _COMPARED_AT_ONCE):
        rows = slice(begin, begin + _COMPARED_AT_ONCE)
        alike = shapes[rows] @ shapes.T > _NEAR
        ratio = lengths[rows, None] / lengths[None]
        alike &= np.abs(ratio - 1) < _NEAR_DURATION
        for row, column in np.argwhere(alike):
            a, b = lead(begin + int(row)), lead(int(column))
            leader[max(a, b)] = min(a, b)
    return [lead(place) for place in range(len(sounds))]


def _require_material(found: Survey) -> None:
    where = shown_path(found.folder)
    if not found.sounds:
        if found.skipped:
            raise TrainingError(
                f"None of the {len(found.skipped)} sounds in {where} can be used; the first is "
                f"{found.skipped[0].path}: {found.skipped[0].reason}"
            )
        raise TrainingError(f"{where} holds no sound: put sound files into it.")
    if found.seconds < LEAST_TOTAL_SECONDS:
        raise TrainingError(
            f"{where} holds {found.seconds:.1f} s of sound in all, too little to learn from: add "
            f"sounds until there are {LEAST_TOTAL_SECONDS:g} s."
        )


class _Memory:
    """What was heard of a file of this size and time."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._known: dict[str, Any] = {}
        self._seen: dict[str, Any] = {}
        if file is not None:
            # A damaged memory is an empty one.
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                self._known = dict(json.loads(file.read_text(encoding="utf-8"))["files"])

    def facts(self, path: Path, name: str) -> SoundFacts:
        try:
            state = path.stat()
        except OSError as error:
            raise AudioFileError(
                f"{shown_path(path)} cannot be opened ({error.strerror}): check the disk."
            ) from error
        stamp = [state.st_size, state.st_mtime_ns]
        known = self._known.get(name)
        if isinstance(known, dict) and known.get("stamp") == stamp:
            with contextlib.suppress(TypeError, KeyError):
                facts = SoundFacts.from_dict(known["facts"])
                self._seen[name] = known
                return facts
        facts = listen(path)
        self._seen[name] = {"stamp": stamp, "facts": facts.to_dict()}
        return facts

    def store(self, skipped: Sequence[Skip] = ()) -> None:
        if self._file is None:
            return
        content = {
            "files": self._seen,
            "skipped": [{"path": skip.path, "reason": skip.reason} for skip in skipped],
        }
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"The folder {shown_path(self._file.parent)} cannot be made "
                f"({error.strerror or error}): choose another with --work."
            ) from error
        # A name that is no valid text is kept as escapes.
        write_atomically(self._file, json.dumps(content).encode("utf-8", "backslashreplace"))


def _spoken_time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"

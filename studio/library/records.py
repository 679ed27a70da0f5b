"""The values that cross the library's wall.

Owns the frozen dataclasses that go into the library and come out of it. It knows nothing of
SQL, threads or files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from studio.audio.clip import AudioClip

Origin = Literal["generated", "imported"]
MAX_RATING = 5


@dataclass(frozen=True, kw_only=True)
class SampleRecord:
    """One sound of the library, as it was when it was read.

    Attributes:
        id: Row number; never reused.
        name: What the table shows.
        relative_path: Below the library's folder with `/` for a generated sound; absolute for
            an imported one, which stays where it is. `Library.path` resolves both.
        origin: "generated" here or "imported" in place.
        content_hash: Hex SHA-256 of the file's bytes.
        frames: Length in sample frames.
        sample_rate: Frames a second, in Hz.
        channels: Number of channels.
        tempo_bpm: Quarter notes a minute; None when unknown.
        bars: Whole bars of 4/4 when it is a loop.
        key: Tonic and mode such as "Am", "F#m", "C".
        prompt: The text it was made from.
        model: Name of the model that made it.
        model_hash: Fingerprint of that model.
        seed: Key of the sampling noise.
        recipe_json: The whole request as JSON.
        favourite: Marked by the user.
        rating: 0 (none) to 5.
        tags: Normalised, sorted.
        created_at: ISO 8601 in UTC, when it entered the library.
        missing: The file was not there when it was last looked for.
        deleted_at: ISO 8601 in UTC when it lies in the bin, else None.
    """

    id: int
    name: str
    relative_path: str
    origin: Origin
    content_hash: str
    frames: int
    sample_rate: int
    channels: int
    tempo_bpm: float | None = None
    bars: int | None = None
    key: str | None = None
    prompt: str | None = None
    model: str | None = None
    model_hash: str | None = None
    seed: int | None = None
    recipe_json: str | None = None
    favourite: bool = False
    rating: int = 0
    tags: tuple[str, ...] = ()
    created_at: str = ""
    missing: bool = False
    deleted_at: str | None = None

    @property
    def duration_seconds(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate


@dataclass(frozen=True, kw_only=True, eq=False)
class NewSample:
    """A finished take on its way into the library.

    Attributes:
        clip: The sound; written as WAV.
        name: Shown in the table; "" takes a short one from the prompt.
        codes: Codec tokens [K, T] (K codebooks, T codec frames), or None.
        subtype: Sample format of the WAV file, as `studio.audio.files.write_wav` names it.
        tempo_bpm: Quarter notes a minute, a fact.
        bars: Whole bars of 4/4.
        key: Tonic and mode such as "Am".
        prompt: The text it was made from.
        model: Name of the model.
        model_hash: Fingerprint of the model.
        seed: Key of the sampling noise.
        recipe_json: The whole request as JSON.
        tags: Tags to start with.
    """

    clip: AudioClip
    name: str = ""
    codes: NDArray[np.int64] | None = None
    subtype: str = "PCM_24"
    tempo_bpm: float | None = None
    bars: int | None = None
    key: str | None = None
    prompt: str | None = None
    model: str | None = None
    model_hash: str | None = None
    seed: int | None = None
    recipe_json: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a write changed; every view refreshes these ids only.

    Attributes:
        kind: Always "samples" so far.
        ids: Sounds that were added or changed and are in the library.
        removed: Sounds that left it (to the bin, or for good).
        label: What happened, for the undo text; "" when it cannot be undone.
        everything: Another program wrote, so it is not known which: refresh all.
    """

    kind: Literal["samples"] = "samples"
    ids: tuple[int, ...] = ()
    removed: tuple[int, ...] = ()
    label: str = ""
    everything: bool = False

    def __bool__(self) -> bool:
        """Whether anything changed."""
        return bool(self.ids or self.removed or self.everything)


@dataclass(frozen=True, kw_only=True)
class ImportFacts:
    """What somebody knows about a file that is being imported; None means unknown."""

    tempo_bpm: float | None = None
    bars: int | None = None
    key: str | None = None


@dataclass(frozen=True, kw_only=True)
class SkippedFile:
    """A file that was not imported.

    Attributes:
        path: The file.
        reason: One line.
    """

    path: Path
    reason: str


@dataclass(frozen=True, kw_only=True)
class ImportReport(Change):
    """What an import did: a `Change` whose `ids` came in, were found again, or left the bin.

    Attributes:
        duplicates: Files whose bytes the library already has, and the sound that has them.
        skipped: Files that are not usable, with the reason.
    """

    duplicates: Mapping[Path, int] = field(default_factory=dict)
    skipped: tuple[SkippedFile, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """What `Library.check` found; every entry is one line.

    Attributes:
        samples: Number of sounds looked at, the bin included.
        missing_files: Sounds whose file is not there.
        orphans: Files under the library's `samples` folder that no sound names.
        hash_mismatches: Sounds whose file has other bytes than when it came in (deep check).
        leftovers: Temporary files of programs that are no longer running.
        database_faults: What SQLite's own integrity checks say.
    """

    samples: int
    missing_files: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()
    hash_mismatches: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    database_faults: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """Every finding, one line each."""
        return (
            self.database_faults
            + self.missing_files
            + self.hash_mismatches
            + self.orphans
            + self.leftovers
        )

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.problems

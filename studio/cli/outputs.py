"""Where takes are written outside the library.

Owns the flags that name files, numbered names that never overwrite, and the checks before a long
render. How a WAV is written is `audio`'s.
"""

from __future__ import annotations

import argparse
import math
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from studio.audio.clip import AudioClip
from studio.core.errors import InputError, StorageError
from studio.editing.loops import close_loop, loop_frames
from studio.generation.request import Take

MIN_SAMPLE_RATE = 8_000
MAX_SAMPLE_RATE = 192_000
CODES_SUFFIX = ".npz"
_MAX_NUMBER = 999_999
_LONGEST_PREFIX = 200
# Longer than the response of any filter that changes the rate.
_WRAPPED_SECONDS = 0.25


def add_output_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that say which files are written."""
    target = parser.add_mutually_exclusive_group()
    target.add_argument("--output", type=Path, metavar="F", help="WAV file to write")
    target.add_argument(
        "--output-dir", type=Path, metavar="D", help="folder for numbered WAV files"
    )
    parser.add_argument(
        "--prefix", default="take", metavar="P", help="start of the numbered names (take)"
    )
    parser.add_argument(
        "--sample-rate", type=int, metavar="HZ", help="rate of the written file, 8000 to 192000"
    )
    parser.add_argument("--codes", action="store_true", help="write NAME.npz beside each WAV too")


@dataclass(frozen=True, kw_only=True)
class Written:
    """What was written of a take.

    Attributes:
        path: The WAV file.
        codes: The file of codes beside it, if it was asked for.
        clip: The sound that is in the WAV file.
    """

    path: Path
    codes: Path | None
    clip: AudioClip


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where each take of a run is written.

    Attributes:
        file: The one WAV file, or None.
        folder: The folder of numbered files, or None.
        prefix: Start of their names.
        sample_rate: Rate of the written files; None keeps the model's.
        codes: Whether codes are written beside them.
    """

    file: Path | None
    folder: Path | None
    prefix: str
    sample_rate: int | None
    codes: bool

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Self:
        """As the flags say."""
        return cls(
            file=arguments.output,
            folder=arguments.output_dir,
            prefix=arguments.prefix,
            sample_rate=arguments.sample_rate,
            codes=arguments.codes,
        )

    @property
    def named(self) -> bool:
        """Whether there is any file to write."""
        return self.file is not None or self.folder is not None

    def check(self, takes: int) -> None:
        """Find out before rendering whether the files can be written.

        Raises:
            InputError: The flags do not fit each other, or the number of takes.
            StorageError: They cannot be written there.
        """
        rate = self.sample_rate
        if rate is not None and not MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE:
            raise InputError(
                f"The sample rate must be from {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz, "
                f"not {rate}."
            )
        if not self.named:
            for flag, given in (("--sample-rate", rate is not None), ("--codes", self.codes)):
                if given:
                    raise InputError(
                        f"{flag} is about a written file; add --output or --output-dir."
                    )
        if self.file is not None:
            if takes > 1:
                raise InputError(
                    f"--output names one file, not {takes}; use --output-dir and --prefix instead."
                )
            check_output(self.file)
            if self.codes:
                self._check_codes_beside(self.file)
        elif self.folder is not None:
            check_folder(self.folder, self.prefix)

    def write(self, take: Take, facts: dict[str, str]) -> Written | None:
        """Write a take's files, each whole or not at all; None where none is named.

        Args:
            take: The take.
            facts: Stored beside the codes.

        Raises:
            StorageError: One cannot be written.
        """
        if not self.named:
            return None
        clip = at_rate(take, self.sample_rate or take.clip.sample_rate)
        if self.file is not None:
            path = self.file
            clip.save(path)
        else:
            assert self.folder is not None  # named
            path = write_new(self.folder, self.prefix, clip)
        codes = None
        if self.codes:
            from studio.models.codes import save_codes

            codes = path.with_suffix(CODES_SUFFIX)
            save_codes(codes, take.codes, **facts)
        return Written(path=path, codes=codes, clip=clip)

    def _check_codes_beside(self, file: Path) -> None:
        beside = file.with_suffix(CODES_SUFFIX)
        if beside == file:
            raise InputError(f"{file} is the name of the codes; name the WAV file otherwise.")
        check_output(beside)


def at_rate(take: Take, sample_rate: int) -> AudioClip:
    """A take's sound at another rate; a loop stays exact and keeps its seam.

    Args:
        take: The take.
        sample_rate: In Hz.
    """
    from studio.audio.resample import resample
    from studio.generation.planning import SEAM_FADE_SECONDS

    clip = take.clip
    if take.bars is None or take.tempo_bpm is None or clip.sample_rate == sample_rate:
        return resample(clip, sample_rate)
    # What lies around a loop is the loop. The pad is a whole number of frames at both rates.
    step = clip.sample_rate // math.gcd(clip.sample_rate, sample_rate)
    pad = step * math.ceil(_WRAPPED_SECONDS * clip.sample_rate / step)
    around = np.pad(clip.samples, ((0, 0), (pad, pad)), mode="wrap")
    wrapped = resample(AudioClip(samples=around, sample_rate=clip.sample_rate), sample_rate)
    start = pad * sample_rate // clip.sample_rate
    frames = loop_frames(take.tempo_bpm, take.bars, sample_rate)
    # The nearest whole frame is another moment at each rate; the head takes up the difference.
    fade_frames = round(SEAM_FADE_SECONDS * sample_rate)
    looped = close_loop(wrapped.samples[:, start:], frames, fade_frames)
    return AudioClip(samples=looped, sample_rate=sample_rate)


def check_output(path: Path) -> None:
    """Find out before rendering whether a file can be written there.

    Raises:
        StorageError: It cannot.
    """
    try:
        if path.is_dir():
            raise StorageError(f"{path} is a folder; give the name of a file in it.")
        if not path.parent.is_dir():
            raise StorageError(f"The folder {path.parent} does not exist; create it first.")
    except (OSError, ValueError) as error:
        raise StorageError(f"{str(path)!r:.120} cannot be a file; choose another name.") from error
    if not os.access(path.parent, os.W_OK):
        raise StorageError(f"The folder {path.parent} cannot be written; choose another one.")


def check_folder(folder: Path, prefix: str) -> None:
    """Find out before rendering whether numbered files can be written; makes nothing.

    Raises:
        InputError: The prefix is no part of a file name.
        StorageError: The folder cannot be made or written.
    """
    unusable = not prefix or prefix.startswith(".") or any(each in prefix for each in "/\\\0")
    if unusable or len(os.fsencode(prefix)) > _LONGEST_PREFIX:
        raise InputError(
            f"The prefix {prefix!r:.80} cannot start a file name; use some letters and digits."
        )
    above = folder.absolute()
    try:
        while not above.exists() and above != above.parent:
            above = above.parent
        usable = above.is_dir() and os.access(above, os.W_OK)
    except (OSError, ValueError) as error:
        raise _no_folder(folder, error) from error
    if not usable and above == folder.absolute():
        raise StorageError(f"{folder} is no folder that can be written; choose another one.")
    if not usable:
        raise StorageError(f"Cannot create the folder {folder} in {above}; choose another one.")


def numbered_path(folder: Path, prefix: str, number: int) -> Path:
    """The path of one numbered file; the folder is made where missing.

    Raises:
        StorageError: The folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _no_folder(folder, error) from error
    path = folder / f"{prefix}_{number:04d}.wav"
    check_output(path)
    return path


def _no_folder(folder: Path, error: OSError | ValueError) -> StorageError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    return StorageError(f"Cannot create the folder {folder} ({reason}); choose another one.")


def write_new(folder: Path, prefix: str, clip: AudioClip) -> Path:
    """Write a clip under the next free number, whole or not at all, over no existing file.

    Returns:
        The file.

    Raises:
        StorageError: It cannot be written.
    """
    first = _first_free(folder, prefix)
    part = folder / f".{prefix}-{secrets.token_hex(8)}.wav"
    try:
        _save_under(part, numbered_path(folder, prefix, first), clip)
        for number in range(first, _MAX_NUMBER):
            path = numbered_path(folder, prefix, number)
            if _claim(part, path):
                return path
    finally:
        part.unlink(missing_ok=True)
    raise StorageError(f"{folder} has no free number left for {prefix}; use another prefix.")


def _save_under(part: Path, shown: Path, clip: AudioClip) -> None:
    """Save a clip as `part`; a fault names the file that the person waits for."""
    try:
        clip.save(part)
    except StorageError as error:
        raise StorageError(error.user_message.replace(part.name, shown.name)) from error


def _first_free(folder: Path, prefix: str) -> int:
    """One more than the highest number in use, so that a gap does not mix two sessions."""
    numbers = (
        path.stem[len(prefix) + 1 :]
        for path in folder.glob("*")
        if path.name.startswith(f"{prefix}_") and path.suffix in {".wav", CODES_SUFFIX}
    )
    return 1 + max((int(text) for text in numbers if text.isdecimal()), default=0)


def _claim(part: Path, path: Path) -> bool:
    """Give the finished file its name, unless somebody has it."""
    try:
        path.hardlink_to(part)
    except FileExistsError:
        return False
    except OSError:  # a disk without hard links, such as FAT
        if path.exists():
            return False
        part.replace(path)
    return True

"""Sound files in and out.

Owns reading any file that libsndfile knows, as untrusted input, and the door to writing WAV. It
does not resample and keeps no state. Every fault is an `AudioFileError` (the sound) or a
`StorageError` (the place to write to) of one line.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from studio.audio.clip import AudioClip
from studio.audio.wav import encode_wav
from studio.core.errors import AudioFileError
from studio.core.storage import one_line, shown_path

_MOST_CHANNELS: Final = 32
_SAMPLE_RATES: Final = (1_000, 768_000)
_LOUDEST_SAMPLE: Final = 1e4
_BLOCK_SAMPLES: Final = 1 << 20
_UNKNOWN_CHUNK_BYTES: Final = (0, 0x7FFFFFFF, 0xFFFFFFFF)
_LONGEST_TAG: Final = 500


@dataclass(frozen=True, kw_only=True)
class AudioInfo:
    """What a sound file says about itself.

    Attributes:
        frames: Number of sample frames.
        sample_rate: Frames a second, in Hz.
        channels: Number of channels.
        duration_seconds: Length in seconds.
    """

    frames: int
    sample_rate: int
    channels: int
    duration_seconds: float


@dataclass(frozen=True, kw_only=True, eq=False)
class AudioStream:
    """A sound file that is read piece by piece.

    Attributes:
        info: What the file says about itself.
        tags: Its own words, such as "title" and "genre"; only those that are not empty.
        blocks: The sound, once, float32 [channels, n]; raises `AudioFileError` where the file is
            damaged.
    """

    info: AudioInfo
    tags: Mapping[str, str]
    blocks: Iterator[NDArray[np.float32]]


@contextlib.contextmanager
def stream_audio(path: str | os.PathLike[str]) -> Iterator[AudioStream]:
    """A sound file of any length, never held whole.

    Raises:
        AudioFileError: The file cannot be read as sound.
    """
    path = Path(path)
    with _opened(path) as file:
        yield AudioStream(
            info=_info(file), tags=_tags(file), blocks=_blocks(path, file, file.frames)
        )


def probe(path: str | os.PathLike[str]) -> AudioInfo:
    """The length and shape of a sound file, from its header alone.

    Raises:
        AudioFileError: The file cannot be read as sound.
    """
    with _opened(Path(path)) as file:
        return _info(file)


def read_audio(path: str | os.PathLike[str], *, max_seconds: float = 3600.0) -> AudioClip:
    """A whole sound file (WAV, AIFF, FLAC, Ogg, MP3 and whatever else libsndfile reads).

    Memory is used as sound really arrives, whatever length the header claims. A WAV, AIFF or
    FLAC that ends before its stated length is refused; MP3 and Ogg state none and are read as
    far as they go.

    Args:
        path: The file.
        max_seconds: Longest sound to accept.

    Returns:
        The sound at the file's own rate and channel count.

    Raises:
        AudioFileError: The file is missing, unreadable, not sound, damaged, or too long.
    """
    path = Path(path)
    with _opened(path) as file:
        duration_seconds = file.frames / file.samplerate
        if duration_seconds > max_seconds:
            raise AudioFileError(
                f"{shown_path(path)} lasts {duration_seconds:.0f} s; up to {max_seconds:.0f} s "
                "can be read: cut it into shorter files."
            )
        try:
            samples = np.empty((file.channels, file.frames), dtype=np.float32)
        except MemoryError as error:
            raise AudioFileError(
                f"{shown_path(path)} needs more memory than there is: cut it into shorter files."
            ) from error
        done = _fill(path, file, samples)
    if done < samples.shape[1]:
        raise AudioFileError(
            f"{shown_path(path)} ends after {done} of its {samples.shape[1]} frames: "
            "it is cut short, copy or export it again."
        )
    return AudioClip(samples=samples, sample_rate=file.samplerate)


def write_wav(path: str | os.PathLike[str], clip: AudioClip, *, subtype: str = "PCM_24") -> None:
    """Write the clip as WAV; equal clips give equal bytes.

    The file appears whole or not at all, replaces an older one of that name, and is on the disk
    when this returns.

    Args:
        path: Where to; its folder must exist.
        clip: The sound. What is louder than full scale is clipped in integer formats.
        subtype: `PCM_24`, `PCM_16` or `FLOAT`.

    Raises:
        AudioFileError: The sound cannot be expressed as WAV.
        StorageError: The file cannot be written there.
    """
    clip.save(path, subtype=subtype)


def wav_bytes(clip: AudioClip, subtype: str = "PCM_24") -> bytes:
    """The bytes that `write_wav` would write.

    Raises:
        AudioFileError: The sound cannot be expressed as WAV.
    """
    return encode_wav(clip.samples, clip.sample_rate, subtype)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:
    """The file, opened by libsndfile and found plausible."""
    shown = shown_path(path)
    try:
        _require_whole_file(path)
        # A name that is not valid text is passed on as the bytes it is.
        name = str(path) if os.name == "nt" else os.fsencode(path)
        file = soundfile.SoundFile(name)
    except FileNotFoundError as error:
        raise AudioFileError(f"{shown} does not exist: check the name and folder.") from error
    except PermissionError as error:
        raise AudioFileError(
            f"{shown} may not be read: change its permissions or copy it elsewhere."
        ) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise AudioFileError(
            f"{shown} cannot be opened ({one_line(reason)}): check the name and the disk."
        ) from error
    except (soundfile.SoundFileError, TypeError) as error:
        raise AudioFileError(
            f"{shown} is not a sound file that can be read, or is damaged: "
            "convert it to WAV or FLAC."
        ) from error
    with file:
        if file.format == "RAW":  # libsndfile's guess from the name of a file without a header
            raise AudioFileError(f"{shown} is not a sound file: convert it to WAV or FLAC.")
        if not 1 <= file.channels <= _MOST_CHANNELS:
            raise AudioFileError(
                f"{shown} has {file.channels} channels, more than the {_MOST_CHANNELS} that can "
                "be read: export it as stereo."
            )
        if not _SAMPLE_RATES[0] <= file.samplerate <= _SAMPLE_RATES[1]:
            raise AudioFileError(
                f"{shown} has a sample rate of {file.samplerate} Hz: export it at 44100 or 48000."
            )
        if file.frames <= 0:
            raise AudioFileError(f"{shown} holds no sound: export it again.")
        yield file


def _info(file: soundfile.SoundFile) -> AudioInfo:
    return AudioInfo(
        frames=file.frames,
        sample_rate=file.samplerate,
        channels=file.channels,
        duration_seconds=file.frames / file.samplerate,
    )


def _tags(file: soundfile.SoundFile) -> dict[str, str]:
    given = file.copy_metadata()
    return {name: one_line(text)[:_LONGEST_TAG] for name, text in given.items() if text.strip()}


def _fill(path: Path, file: soundfile.SoundFile, samples: NDArray[np.float32]) -> int:
    """Read into `samples` [channels, frames] and return how many frames there were."""
    done = 0
    for block in _blocks(path, file, samples.shape[1]):
        samples[:, done : done + block.shape[1]] = block
        done += block.shape[1]
    return done


def _blocks(path: Path, file: soundfile.SoundFile, frames: int) -> Iterator[NDArray[np.float32]]:
    """Up to `frames` frames from where the file stands, float32 [channels, n] each."""
    block_frames = max(1, _BLOCK_SAMPLES // file.channels)
    done = 0
    while done < frames:
        try:
            block = file.read(min(block_frames, frames - done), dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, OSError) as error:
            raise AudioFileError(
                f"{shown_path(path)} is damaged after {done / file.samplerate:.1f} s: "
                "copy or export it again."
            ) from error
        if not len(block):
            return
        if not np.isfinite(block).all() or np.abs(block).max() > _LOUDEST_SAMPLE:
            raise AudioFileError(
                f"{shown_path(path)} holds samples that are not sound (NaN, infinite or huge): "
                "export it again."
            )
        yield block.T
        done += len(block)


def _require_whole_file(path: Path) -> None:
    """Refuse what libsndfile would block on or silently read less of.

    libsndfile shortens a WAV or AIFF that ends inside its sound data to what is there, so the
    data chunk's stated size is compared with the file's here.
    """
    facts = path.stat()
    if stat.S_ISDIR(facts.st_mode):
        raise AudioFileError(f"{shown_path(path)} is a folder: choose a sound file in it.")
    if not stat.S_ISREG(facts.st_mode):
        raise AudioFileError(f"{shown_path(path)} is not an ordinary file: choose a sound file.")
    if facts.st_size == 0:
        raise AudioFileError(f"{shown_path(path)} is empty (0 bytes): copy or export it again.")
    with path.open("rb") as file:
        missing = _missing_sound_bytes(file, facts.st_size)
    if missing > 0:
        raise AudioFileError(
            f"{shown_path(path)} is cut short, {missing} bytes of its sound are missing: "
            "copy or export it again."
        )


def _missing_sound_bytes(file: BinaryIO, file_bytes: int) -> int:
    """How far the sound data of a RIFF/WAVE or FORM/AIFF file reaches past its end.

    Programs that stream leave the size unknown; such files count as whole.
    """
    head = file.read(12)
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        layout, sound = "<4sI", b"data"
    elif head[:4] == b"FORM" and head[8:] in (b"AIFF", b"AIFC"):
        layout, sound = ">4sI", b"SSND"
    else:
        return 0
    position = 12
    while position + 8 <= file_bytes:
        file.seek(position)
        name, size = struct.unpack(layout, file.read(8))
        position += 8
        if name == sound:
            return 0 if size in _UNKNOWN_CHUNK_BYTES else position + int(size) - file_bytes
        position += size + size % 2
    return 0

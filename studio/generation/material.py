"""Sounds that a take follows or goes on from.

Owns the way from an audio file or clip to what a model takes in: a melody's pitch classes, or a
codec's tokens. It plans nothing and decodes nothing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from studio.audio.clip import AudioClip
from studio.audio.files import read_audio
from studio.audio.resample import resample
from studio.core.errors import AudioFileError, InputError
from studio.editing.stretch import time_stretch
from studio.generation.request import (
    MAX_DURATION_SECONDS,
    MAX_MELODY_FRAMES,
    MIN_DURATION_SECONDS,
    GenerationRequest,
)
from studio.models import chroma
from studio.models.backend import MusicBackend
from studio.models.codes import CodeSequence

_DIGITS = "0123456789ab"


def melody_of(clip: AudioClip) -> str:
    """The melody of a sound, as `GenerationRequest.melody` holds it.

    Raises:
        InputError: The sound is empty, or holds values that are not numbers.
    """
    mono = resample(
        AudioClip(samples=clip.mono(), sample_rate=clip.sample_rate), chroma.SAMPLE_RATE
    )
    pitch_classes = chroma.pitch_classes(mono.samples[0])
    return "".join(_DIGITS[each] for each in pitch_classes[:MAX_MELODY_FRAMES])


def pitch_classes_of(melody: str) -> NDArray[np.int8]:
    """The inverse form: int8 [F], 0 is C."""
    return np.array([_DIGITS.index(digit) for digit in melody], dtype=np.int8)


def encode_clip(backend: MusicBackend, clip: AudioClip, *, speed: float = 1.0) -> CodeSequence:
    """The codes of a sound at any rate and channel count.

    Args:
        backend: The model.
        clip: The sound.
        speed: At which the codes' sound will be played: it is slowed down by as much.

    Raises:
        InputError: It is empty, or holds values that are not numbers.
    """
    if not clip.frames or not np.isfinite(clip.samples).all():
        raise InputError("The sound is empty or holds values that are not numbers.")
    info = backend.info
    clip = _with_channels(resample(clip, info.sample_rate), info.channels)
    samples = clip.samples
    if speed != 1.0:
        samples = time_stretch(samples, info.sample_rate, 1 / speed)
    return CodeSequence.from_array(backend.encode(samples[None])[0])


def read_sound(path: str) -> AudioClip:
    """A sound file that a take follows.

    Raises:
        AudioFileError: It is missing, damaged, no sound, too short or too long; the message names
            the file.
    """
    clip = read_audio(path, max_seconds=MAX_DURATION_SECONDS)
    if clip.duration_seconds < MIN_DURATION_SECONDS:
        raise AudioFileError(
            f"{path} lasts {clip.duration_seconds:.3f} s; at least {MIN_DURATION_SECONDS:g} s are "
            "needed: choose another sound."
        )
    if not np.isfinite(clip.samples).all():
        raise AudioFileError(f"{path} holds values that are not numbers; export it again.")
    return clip


def with_melody(request: GenerationRequest) -> GenerationRequest:
    """The request with the melody of its file filled in.

    Raises:
        AudioFileError: See `read_sound`.
    """
    if request.melody is not None or request.melody_file is None:
        return request
    return replace(request, melody=melody_of(read_sound(request.melody_file)))


def with_source(
    request: GenerationRequest, backend: MusicBackend, speed: float
) -> GenerationRequest:
    """The request with the codes of the sound that it goes on from filled in.

    Args:
        request: What is asked.
        backend: The model that will make it.
        speed: At which the take will be played.

    Raises:
        AudioFileError: See `read_sound`.
    """
    if request.source is not None or request.continue_file is None:
        return request
    clip = last_part(read_sound(request.continue_file), request.continue_seconds)
    return replace(
        request,
        source=encode_clip(backend, clip, speed=speed),
        from_seconds=clip.duration_seconds,
    )


def last_part(clip: AudioClip, seconds: float | None) -> AudioClip:
    """The end of a sound; all of it when it is shorter, or for None."""
    if seconds is None:
        return clip
    frames = max(1, round(seconds * clip.sample_rate))
    return AudioClip(samples=clip.samples[:, -frames:], sample_rate=clip.sample_rate)


def _with_channels(clip: AudioClip, channels: int) -> AudioClip:
    if clip.channels == channels:
        return clip
    mono = clip.mono()
    return AudioClip(samples=np.tile(mono, (channels, 1)), sample_rate=clip.sample_rate)

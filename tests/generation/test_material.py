from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.audio.clip import AudioClip
from studio.core.errors import AudioFileError, InputError
from studio.generation.material import (
    encode_clip,
    last_part,
    melody_of,
    pitch_classes_of,
    read_sound,
    with_melody,
)
from studio.generation.request import GenerationRequest
from tests.generation.conftest import ToneBackend


def notes(*frequencies: float, sample_rate: int = 44_100) -> AudioClip:
    """One second of each, stereo."""
    time = np.arange(sample_rate) / sample_rate
    line = np.concatenate([0.4 * np.sin(2 * np.pi * f * time) for f in frequencies])
    return AudioClip(samples=np.stack([line, line]).astype(np.float32), sample_rate=sample_rate)


def test_a_melody_is_written_as_one_digit_a_frame() -> None:
    melody = melody_of(notes(440.0, 261.63, 493.88))
    per_second = 32_000 / 4096
    assert [melody[round((second + 0.5) * per_second)] for second in range(3)] == ["9", "0", "b"]
    assert abs(len(melody) - 3 * per_second) < 2
    assert pitch_classes_of("09b").tolist() == [0, 9, 11]


def test_a_melody_file_is_read_once(tmp_path: Path) -> None:
    notes(440.0).save(tmp_path / "a.wav")
    request = GenerationRequest(prompt="", melody_file=str(tmp_path / "a.wav"))
    known = with_melody(request)
    assert known.melody is not None
    assert set(known.melody) == {"9"}
    (tmp_path / "a.wav").unlink()
    assert with_melody(known) is known
    with pytest.raises(AudioFileError, match=r"a\.wav"):
        with_melody(request)


def test_a_sound_of_any_rate_and_channels_becomes_codes(backend: ToneBackend) -> None:
    assert encode_clip(backend, notes(440.0)).frames == 50
    assert encode_clip(backend, notes(440.0), speed=0.5).frames == 25
    for broken in (np.zeros((1, 0)), np.full((1, 900), np.nan)):
        with pytest.raises(InputError, match="empty or holds"):
            encode_clip(backend, AudioClip(samples=broken, sample_rate=8000))


def test_the_last_part_of_a_sound() -> None:
    clip = AudioClip(samples=np.arange(100, dtype=np.float32), sample_rate=10)
    assert last_part(clip, None) is clip
    assert last_part(clip, 2.0).samples[0].tolist() == list(range(80, 100))
    assert last_part(clip, 99.0).frames == 100


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "is empty"),
        (b"RIFF no sound at all", "sound"),
        (None, "missing|does not exist|no such"),
    ],
)
def test_a_file_that_is_no_sound_is_named(
    tmp_path: Path, content: bytes | None, cause: str
) -> None:
    file = tmp_path / "x.wav"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(AudioFileError, match=f"(?i)x.wav.*({cause})") as caught:
        read_sound(str(file))
    assert "\n" not in caught.value.user_message


def test_a_sound_too_short_or_too_long_is_named(tmp_path: Path) -> None:
    AudioClip(samples=np.zeros(700, dtype=np.float32), sample_rate=8000).save(tmp_path / "s.wav")
    with pytest.raises(AudioFileError, match=r"s\.wav lasts 0\.087 s"):
        read_sound(str(tmp_path / "s.wav"))
    hour = AudioClip(samples=np.zeros(3600 * 8000, dtype=np.float32), sample_rate=8000)
    hour.save(tmp_path / "hour.wav")
    with pytest.raises(AudioFileError, match=r"hour\.wav lasts 3600 s; up to 600 s"):
        read_sound(str(tmp_path / "hour.wav"))

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from studio.core.errors import AudioFileError, CancelledError, TrainingError
from studio.training.workshop import scan
from studio.training.workshop.listening import listen
from studio.training.workshop.scan import survey
from tests.training.workshop.conftest import RATE, tone, write


def test_sounds_are_known_by_their_content(sounds: Path) -> None:
    (sounds / "pads" / "warm_0.wav").rename(sounds / "pads" / "no suffix at all")
    (sounds / "words.wav").write_text("not a sound")
    (sounds / "readme.txt").write_text("nor this")
    (sounds / ".hidden.wav").write_text("nor looked at")
    found = survey(sounds)
    assert len(found.sounds) == 12
    assert "pads/no suffix at all" in {sound.path for sound in found.sounds}
    assert [skip.path for skip in found.skipped] == ["words.wav"]
    assert "not a sound file" in found.skipped[0].reason
    assert found.other_files == 1


def test_equal_sounds_are_taken_once_whatever_their_format(sounds: Path) -> None:
    samples, rate = soundfile.read(sounds / "pads" / "warm_0.wav", dtype="int16")
    soundfile.write(sounds / "pads" / "warm_0_again.flac", samples, rate)
    found = survey(sounds)
    assert len(found.sounds) == 12
    assert found.repeats == (("pads/warm_0_again.flac", "pads/warm_0.wav"),)


def test_nearly_equal_sounds_share_a_group(sounds: Path) -> None:
    rng = np.random.default_rng(0)
    noise = 0.0005 * rng.standard_normal(round(0.7 * RATE)).astype(np.float32)
    write(sounds / "quieter.wav", 0.6 * tone(110, 0.7) + noise)
    found = survey(sounds)
    groups = {sound.path: sound.group for sound in found.sounds}
    assert groups["quieter.wav"] == groups["pads/warm_0.wav"]
    assert len(set(groups.values())) == 12
    assert found.near_repeats == 1


def test_what_is_silent_or_too_short_is_listed_and_what_clips_is_named(sounds: Path) -> None:
    write(sounds / "nothing.wav", np.zeros(RATE, dtype=np.float32))
    write(sounds / "click.wav", tone(500, 0.01))
    write(sounds / "loud.wav", np.clip(8 * tone(200, 0.5), -1, 1))
    found = survey(sounds)
    reasons = {skip.path: skip.reason for skip in found.skipped}
    assert reasons["nothing.wav"] == "it is silent"
    assert "10 ms" in reasons["click.wav"]
    assert found.clipped == ("loud.wav",)
    assert any("clipped" in line for line in found.lines())


def test_a_folder_without_sound_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="does not exist"):
        survey(tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(TrainingError, match="holds no sound"):
        survey(empty)
    (empty / "a.wav").write_bytes(b"junk")
    with pytest.raises(TrainingError, match=r"None of the 1 sounds .* a\.wav: it is not a sound"):
        survey(empty)
    with pytest.raises(TrainingError, match="is a file"):
        survey(empty / "a.wav")


def test_a_tenth_of_a_second_is_too_little(tmp_path: Path) -> None:
    write(tmp_path / "only" / "blip.wav", tone(500, 0.1))
    with pytest.raises(TrainingError, match=r"0\.1 s of sound in all") as caught:
        survey(tmp_path / "only")
    assert "\n" not in caught.value.user_message


def test_a_thousand_corrupted_files_are_listed_and_the_rest_is_used(sounds: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(1000):
        head = b"RIFF\xff\xff\x00\x00WAVEfmt " if number % 2 else b"fLaC"
        (sounds / f"broken_{number:04}.wav").write_bytes(head + rng.bytes(200))
    found = survey(sounds)
    assert len(found.sounds) == 12
    assert len(found.skipped) == 1000
    assert len(found.lines()) < 20
    assert "990 more" in found.lines()[-1]


def test_an_unchanged_file_is_not_heard_again(
    sounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = tmp_path / "work" / "scan.json"
    first = survey(sounds, memory=memory)
    heard: list[str] = []

    def listened(path: Path) -> object:
        heard.append(path.name)
        return listen(path)

    monkeypatch.setattr(scan, "listen", listened)
    assert survey(sounds, memory=memory) == first
    assert heard == []
    write(sounds / "pads" / "warm_0.wav", tone(97, 0.9))
    survey(sounds, memory=memory)
    assert heard == ["warm_0.wav"]
    memory.write_text("{")
    survey(sounds, memory=memory)
    assert len(heard) == 13


def test_a_scan_stops_when_asked(sounds: Path, tmp_path: Path) -> None:
    memory = tmp_path / "scan.json"
    asked = iter([False, False, True])
    with pytest.raises(CancelledError):
        survey(sounds, memory=memory, cancelled=lambda: next(asked))
    assert memory.exists()


def test_the_memory_for_a_long_sound_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    piece = (0.3 * np.random.default_rng(0).standard_normal(8_000 * 10)).astype(np.float32)
    with soundfile.SoundFile(path, "w", samplerate=8_000, channels=1) as file:
        for _ in range(120):
            file.write(piece)
    tracemalloc.start()
    facts = listen(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert facts.duration_seconds == 1200
    assert peak < 64e6


def test_a_sound_that_dies_away_is_told_from_one_that_goes_on(tmp_path: Path) -> None:
    assert listen(write(tmp_path / "hit.wav", tone(400, 0.5, decay=20))).decays
    assert not listen(write(tmp_path / "pad.wav", tone(400, 0.5))).decays


def test_a_sound_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, np.random.default_rng(0).standard_normal(RATE) * 0.1, RATE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioFileError):
        listen(path)

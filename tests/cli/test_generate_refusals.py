"""`studio generate` refuses what cannot be made, in one line and before anything is made."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from studio.generation.request import GenerationRequest
from tests.cli.conftest import write_tone


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--bpm", "1000"), "tempo must be from 60 to 200 bpm, not 1000"),
        (("--bpm", "nan"), "tempo must be from 60 to 200 bpm, not nan"),
        (("--bars", "0"), "bars must be a whole number from 1 to 64, not 0"),
        (("--key", "H"), "key 'H' is not known"),
        (("--duration", "-1"), "duration must be from 0.1 to 600 seconds"),
        (("--bars", "2", "--duration", "2"), "one length only"),
        (("--count", "0"), "count must be a whole number from 1"),
        (("--count", "2", "--output", "x.wav"), "--output-dir"),
        (("--no-library",), "Nothing would be kept"),
        (("--output", "/no/such/folder/x.wav"), "/no/such/folder does not exist"),
        (("--output", "/"), "is a folder"),
        (("--output-dir", "/dev/null/x"), "Cannot create the folder"),
        (("--output-dir", "takes", "--prefix", "../x"), "prefix '../x'"),
        (("--bars", "-2"), "bars must be a whole number from 1 to 64, not -2"),
        (("--max-steps", "-5"), "max steps must be a whole number from 1"),
        (("--negative", "x" * 100_000), "negative prompt must be text of at most 2000"),
        (("--batch", "0"), "--batch must be 1 or more"),
        (("--sample-rate", "1", "--output", "x.wav"), "from 8000 to 192000 Hz, not 1"),
        (("--sample-rate", "48000"), "--sample-rate is about a written file"),
        (("--codes",), "--codes is about a written file"),
        (("--melody", "missing.wav"), "missing.wav"),
        (("--continue", "missing.wav"), "missing.wav"),
        (("--continue-seconds", "1"), "need a sound to continue"),
        (("--continue", "missing.wav", "--continue-seconds", "-1"), "seconds to continue from"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_nothing_is_rendered(
    studio: Any,
    tones: list[GenerationRequest],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    assert studio("generate", "--prompt", "dub", *arguments) == 1
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert tones == []
    assert files(tmp_path / "cwd") == []


@pytest.fixture(scope="module")
def bad_sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of what cannot be followed."""
    folder = tmp_path_factory.mktemp("sounds")
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("la la la", encoding="utf-8")
    write_tone(folder / "short.wav", 0.01)
    whole = write_tone(folder / "cut.wav").read_bytes()
    (folder / "cut.wav").write_bytes(whole[:4_000])
    # Eight hours in mono, 8 bit, 8 kHz: a hole in the file, so that it takes no room.
    frames = 8 * 3600 * 8_000
    sizes = (36 + frames, b"WAVEfmt ", 16, 1, 1, 8_000, 8_000, 1, 8, b"data", frames)
    with (folder / "long.wav").open("wb") as file:
        file.write(struct.pack("<4sI8sIHHIIHH4sI", b"RIFF", *sizes))
        file.truncate(44 + frames)
    return folder


@pytest.mark.parametrize("flag", ["--melody", "--continue"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("empty.wav", "empty.wav"),
        ("text.wav", "text.wav"),
        ("cut.wav", "cut.wav"),
        ("short.wav", "at least 0.1 s are needed"),
        ("long.wav", "lasts 28800 s; up to 600 s"),
        (".", ""),
        ("missing.wav", "missing.wav"),
        ("a\nb.wav", "a?b.wav"),
    ],
)
def test_a_sound_that_cannot_be_followed_is_one_line_and_nothing_is_made(
    studio: Any,
    tones: list[GenerationRequest],
    bad_sounds: Path,
    data_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    flag: str,
    name: str,
    message: str,
) -> None:
    target = ("--output-dir", tmp_path / "out", "--no-library")
    assert studio("generate", "--prompt", "dub", flag, bad_sounds / name, *target) == 1
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert tones == []
    assert not (tmp_path / "out").exists()
    assert not data_dir.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"", "has no prompt"),
        (b"\0\1\2", "is no text"),
        (b"dub\n" + b"x" * 100_000, "line 2: The prompt must be text of at most 2000"),
        (b"dub\ntechno\n900 bpm", "line 3: The tempo in the prompt must be from 60 to 200"),
        (b"dub\n" * 6_000, "are too many; 10000 takes"),
    ],
)
def test_a_file_of_prompts_that_is_none_is_one_line(
    studio: Any,
    tones: list[GenerationRequest],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
    message: str,
) -> None:
    file = tmp_path / "prompts.txt"
    if content is not None:
        file.write_bytes(content)
    assert studio("generate", "--from-file", file, "--count", 2) == 1
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert tones == []


def test_a_prompt_of_a_hundred_thousand_characters_is_one_line(
    studio: Any, tones: list[GenerationRequest], capsys: pytest.CaptureFixture[str]
) -> None:
    assert studio("generate", "--prompt", "x" * 100_000) == 1
    err = capsys.readouterr().err
    assert err == "studio: The prompt must be text of at most 2000 characters.\n"


def test_a_model_without_melody_refuses_one(
    studio: Any, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "x.wav"
    melody = ("--melody", write_tone(tmp_path / "tone.wav"), "--no-library", "--output", output)
    assert studio("generate", "--prompt", "dub", "--model", tiny_bundle, *melody) == 1
    err = capsys.readouterr().err
    assert "follows no melody" in err
    assert err.count("\n") == 1
    assert not output.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--prompt",),
        ("--prompt", "x", "--bars", "two"),
        ("--prompt", "x", "--colour", "red"),
        ("--prompt", "x", "--from-file", "y"),
        ("--prompt", "x", "--output", "y", "--output-dir", "z"),
    ],
)
def test_wrong_usage_is_status_2(
    studio: Any, tones: list[GenerationRequest], arguments: tuple[str, ...]
) -> None:
    assert studio("generate", *arguments) == 2
    assert tones == []

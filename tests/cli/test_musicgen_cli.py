from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studio.cli.musicgen_cli import main
from studio.generation.request import GenerationRequest


@pytest.fixture(autouse=True)
def _own_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def test_the_known_flags_do_what_they_do_elsewhere(
    tones: list[GenerationRequest], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "x.wav"
    flags = ("--prompt", "lo-fi", "--model", "house", "--max-steps", "500", "--output")
    assert main([*flags, str(output)]) == 0
    assert output.is_file()
    assert (tones[0].prompt, tones[0].model, tones[0].max_steps) == ("lo-fi", "house", 500)
    assert capsys.readouterr().out == f"{output}\n"


def test_files_are_numbered_and_never_overwritten(
    tones: list[GenerationRequest], tmp_path: Path
) -> None:
    for _ in range(3):
        assert main(["--prompt", "lo-fi", "--output-dir", str(tmp_path), "--prefix", "beat"]) == 0
    names = sorted(path.name for path in tmp_path.glob("*.wav"))
    assert names == ["beat_0001.wav", "beat_0002.wav", "beat_0003.wav"]


def test_the_other_flags_of_generate_are_there_too(
    tones: list[GenerationRequest], tmp_path: Path
) -> None:
    flags = ["--prompt", "lo-fi", "--bpm", "90", "--negative", "drums", "--count", "2"]
    assert main([*flags, "--no-library", "--output-dir", str(tmp_path), "--codes"]) == 0
    assert [(asked.tempo_bpm, asked.negative) for asked in tones] == [(90.0, "drums")] * 2
    assert len(list(tmp_path.glob("*.npz"))) == 2


@pytest.mark.parametrize("arguments", [[], ["--prompt", "x", "--colour", "red"], ["generate"]])
def test_other_flags_are_wrong_usage(
    tones: list[GenerationRequest], arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert "musicgen-cli" in capsys.readouterr().err
    assert tones == []


def test_a_fault_is_one_line(capsys: pytest.CaptureFixture[str], tones: Any) -> None:
    assert main(["--prompt", "x", "--max-steps", "0"]) == 1
    assert capsys.readouterr().err.count("\n") == 1

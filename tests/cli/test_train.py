"""`studio train`: what it says, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from studio.audio.clip import AudioClip
from studio.audio.files import probe

Studio = Callable[..., int]
MOMENT = (
    "--size", "nano", "--steps", "2", "--context", "0.4", "--batch", "2", "--variants", "1",
    "--preview-every", "2", "--measure-every", "1", "--precision", "float32", "--device", "cpu",
    "--held-out", "0.3", "--threads", "1",
)  # fmt: skip


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    folder = tmp_path / "sounds"
    folder.mkdir()
    time = np.arange(20_000) / 32_000
    for number, name in enumerate(("low", "warm", "bright", "thin", "high", "odd")):
        tone = 0.5 * np.sin(2 * np.pi * 150 * (number + 1) * time).astype(np.float32)
        AudioClip(samples=tone, sample_rate=32_000).save(folder / f"{name}_tone.wav")
    (folder / "broken.wav").write_bytes(b"junk")
    return folder


@pytest.fixture(autouse=True)
def _as_polite_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is not the command's own."""
    monkeypatch.setattr("os.nice", lambda step: step)


def test_a_folder_becomes_a_model_that_generate_plays(
    studio: Studio,
    sounds: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bundle = tmp_path / "bundle"
    assert studio("train", sounds, "--out", bundle, "--codec", tiny_bundle, *MOMENT) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [str(bundle)]
    assert "Train on sounds that you made" in said.err
    assert "skipped broken.wav: it is not a sound file" in said.err
    assert "unigram baseline" in said.err
    assert "nearest " in said.err
    assert all(line.startswith("studio: ") for line in said.err.splitlines())
    take = tmp_path / "take.wav"
    asked = ("--prompt", "warm tone", "--duration", "0.3", "--seed", "1", "--no-library")
    assert studio("generate", "--model", bundle, *asked, "--output", take) == 0
    assert probe(take).frames == 9600


def test_events_are_json_objects(
    studio: Studio,
    sounds: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = (sounds, "--out", tmp_path / "b", "--codec", tiny_bundle, *MOMENT, "--json")
    assert studio("train", *arguments) == 0
    said = capsys.readouterr()
    events = [json.loads(line) for line in said.out.splitlines()]
    assert said.err == ""
    names = [event["event"] for event in events]
    assert names[-1] == "Finished"
    assert names.count("StepDone") == 2
    planned = events[names.index("Planned")]
    assert planned["sounds"] == 6
    assert planned["skipped"][0][0] == "broken.wav"
    assert events[-1]["bundle"] == str(tmp_path / "b")


def test_a_plan_trains_nothing(
    studio: Studio,
    sounds: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ("train", sounds, "--out", tmp_path / "b", "--codec", tiny_bundle, *MOMENT)
    assert studio(*arguments, "--plan") == 0
    assert "2 steps of 2" in capsys.readouterr().out
    assert not (tmp_path / "b").exists()
    assert studio(*arguments, "--plan", "--json") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["total_steps"] == 2


def test_every_size_is_measured_beside_musicgen_small(
    studio: Studio,
    tiny_bundle: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from studio.training.workshop import sizes, speed_table

    few = {"nano": sizes.SIZES["nano"]}
    monkeypatch.setattr(sizes, "SIZES", few)
    monkeypatch.setattr(speed_table, "measure_playing", lambda bundle, seconds: (0.5, 400.0, 8.0))
    assert studio("train", "--sizes", "--codec", tiny_bundle, *MOMENT) == 0
    title, nano, small = capsys.readouterr().out.splitlines()
    assert title.split()[0] == "size"
    assert nano.split()[0] == "nano"
    assert nano.split()[-1] == "8.0"
    assert small.split()[0] == "facebook/musicgen-small"
    assert small.split()[-4:] == ["-", "-", "-", "-"]
    assert studio("train", "--sizes", "--codec", tiny_bundle, *MOMENT, "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["name"] for row in rows] == ["nano", "facebook/musicgen-small"]
    assert rows[0]["times_real_time"] == 8.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Give a folder of sounds and --out"),
        (("nowhere", "--out", "b"), "does not exist"),
        (("nowhere", "--out", "b", "--codec", "no-such-model"), "no-such-model"),
        (("nowhere", "--out", "b", "--codec", "facebook/encodec_32khz"), "encodec_32khz"),
        (("nowhere", "--out", "b", "--minutes", "0"), "Minutes must be between"),
    ],
)
def test_what_cannot_be_is_one_line(
    studio: Studio,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert studio("train", *arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line

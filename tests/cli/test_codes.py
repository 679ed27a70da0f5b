"""`studio codes` with a small real model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.audio.clip import AudioClip
from studio.audio.files import read_audio
from studio.models.codes import load_codes, save_codes

Made = tuple[Path, Path]


def tone(path: Path, sample_rate: int = 44_100, channels: int = 2) -> Path:
    time = np.arange(sample_rate // 2) / sample_rate
    samples = np.tile(0.5 * np.sin(2 * np.pi * 220 * time), (channels, 1))
    AudioClip(samples=samples, sample_rate=sample_rate).save(path)
    return path


def test_a_sound_becomes_codes_and_sound_again(
    studio: Any, tiny_bundle: Path, tmp_path: Path, data_dir: Path, rows: Any
) -> None:
    """Half a second in stereo at 44.1 kHz: 25 codec frames, and as many of 640 in mono."""
    codes, sound = tmp_path / "x.npz", tmp_path / "x.wav"
    source = tone(tmp_path / "tone.wav")
    assert studio(
        "codes", "encode", source, "--output", codes, "--model", tiny_bundle, "--json"
    ) == 0  # fmt: skip
    (row,) = rows()
    assert (row["path"], row["codebooks"], row["frames"]) == (str(codes), 4, 25)
    assert studio("codes", "decode", codes, "--output", sound) == 0
    clip = read_audio(sound)
    assert (clip.frames, clip.sample_rate, clip.channels) == (16_000, 32_000, 1)
    assert not data_dir.exists()


def test_the_codes_of_a_sample_are_those_that_generate_wrote(
    studio: Any, made_take: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported = tmp_path / "exported.npz"
    assert studio("codes", "export", 1, "--output", exported) == 0
    assert capsys.readouterr().out == f"{exported}\n"
    with np.load(exported) as one, np.load(made_take[1]) as other:
        assert sorted(one.files) == ["codes", "model", "model_hash", "recipe", "seconds"]
        for name in one.files:
            assert np.array_equal(one[name], other[name]), name


@pytest.fixture
def damaged(tmp_path: Path) -> dict[str, Path]:
    """Files that cannot be decoded, by what is wrong with them."""
    codes = np.zeros((4, 10), dtype=np.int64)
    files = {
        name: tmp_path / f"{name}.npz"
        for name in ("zero", "text", "cut", "nobody", "hash", "books", "high")
    }
    files["zero"].touch()
    files["text"].write_text("no codes", encoding="utf-8")
    save_codes(files["cut"], codes, model="house")
    files["cut"].write_bytes(files["cut"].read_bytes()[:200])
    save_codes(files["nobody"], codes)
    save_codes(files["hash"], codes, model="house", model_hash="ab")
    save_codes(files["books"], codes[:3])
    save_codes(files["high"], codes + 64)
    return files


@pytest.mark.parametrize(
    ("name", "named", "message"),
    [
        ("zero", False, "no file of codes"),
        ("text", False, "no file of codes"),
        ("cut", False, "cut.npz"),
        ("missing", False, "cannot be read"),
        ("nobody", False, "does not say whose codes it holds"),
        ("hash", False, "codes of another house"),
        ("books", True, "must be [batch, 4, frames]"),
        ("high", True, "from 0 to 63"),
    ],
)
def test_what_cannot_be_decoded_is_one_line(
    studio: Any,
    tiny_bundle: Path,
    damaged: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    named: bool,
    message: str,
) -> None:
    output = tmp_path / "x.wav"
    file = damaged.get(name, tmp_path / "missing.npz")
    model = ("--model", tiny_bundle) if named else ()
    assert studio("codes", "decode", file, "--output", output, *model) == 1
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not output.exists()


@pytest.mark.parametrize("name", ["missing.wav", "empty.wav", "text.wav", "."])
def test_what_is_no_sound_is_one_line(
    studio: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("la la la", encoding="utf-8")
    output = tmp_path / "x.npz"
    assert studio("codes", "encode", tmp_path / name, "--output", output) == 1
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert not output.exists()


def test_a_place_that_cannot_be_written_is_told_first(
    studio: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for action in (("encode", "x.wav"), ("decode", "x.npz"), ("export", 1)):
        assert studio("codes", *action, "--output", tmp_path / "missing" / "x") == 1
        assert "missing does not exist" in capsys.readouterr().err


def test_the_codes_that_extend_needs_are_in_no_encoded_sound(
    studio: Any, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = tmp_path / "x.npz"
    source = tone(tmp_path / "tone.wav", 32_000, 1)
    assert studio("codes", "encode", source, "--output", codes, "--model", tiny_bundle) == 0
    assert load_codes(codes).frames == 25
    capsys.readouterr()
    assert studio("extend", codes, "--no-library", "--output", tmp_path / "y.wav") == 1
    assert "holds codes without a recipe" in capsys.readouterr().err

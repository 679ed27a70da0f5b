"""`studio regenerate` with a small real model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.audio.files import read_audio
from studio.library.library import Library
from studio.models.codes import load_codes

Made = tuple[Path, Path]


def test_only_the_part_is_new(
    studio: Any, made_take: Made, data_dir: Path, tmp_path: Path, rows: Any
) -> None:
    new = tmp_path / "new.wav"
    asked = ("--from", 0.5, "--to", 1, "--seed", 9)
    assert studio("regenerate", 1, *asked, "--output", new, "--codes", "--json") == 0
    (row,) = rows()
    assert (row["id"], row["seed"], row["frames"]) == (2, 9, 64_000)
    assert (row["from_seconds"], row["to_seconds"]) == (0.5, 1.0)
    before, after = load_codes(made_take[1]).array, load_codes(new.with_suffix(".npz")).array
    changed = np.nonzero((before != after).any(axis=0))[0]
    frames_a_second = before.shape[1] / 2.24
    assert changed.size > 10
    assert changed[0] / frames_a_second >= 0.48
    assert changed[-1] / frames_a_second <= 1.02
    one, other = read_audio(made_take[0]).samples, read_audio(new).samples
    # The first 10 ms are blended with what comes after the loop's end.
    assert np.allclose(one[:, 320:10_000], other[:, 320:10_000], atol=1e-5)
    assert not np.allclose(one[:, 20_000:30_000], other[:, 20_000:30_000], atol=0.05)


def test_a_file_of_codes_gives_the_same_as_the_sample(
    studio: Any, made_take: Made, data_dir: Path, tmp_path: Path
) -> None:
    outputs = [tmp_path / "file.wav", tmp_path / "library.wav"]
    for source, output in zip((made_take[1], 1), outputs, strict=True):
        asked = ("--from", 1.5, "--seed", 9, "--no-library", "--output", output)
        assert studio("regenerate", source, *asked) == 0
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    with Library.open(data_dir) as library:
        assert library.count() == 1


def test_without_a_seed_each_is_new(studio: Any, made_take: Made, rows: Any) -> None:
    for _ in range(2):
        assert studio("regenerate", 1, "--from", 1.8, "--json") == 0
    seeds = [row["seed"] for row in rows()]
    assert len({7, *seeds}) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("999", "--from", "0"), "999"),
        (("1", "--from", "2.5"), "--from 2.5 is outside the take, which lasts 2.00 s"),
        (("1", "--from", "0", "--to", "7"), "--to 7 is outside the take"),
        (("1", "--from", "1", "--to", "0.5"), "must end after its start"),
        (("1", "--from", "-1"), "start of the new part must be from 0"),
        (("1", "--from", "nan"), "start of the new part"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    studio: Any,
    made_take: Made,
    data_dir: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    assert studio("regenerate", *arguments) == 1
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    with Library.open(data_dir) as library:
        assert library.count() == 1


@pytest.mark.parametrize("arguments", [("1",), ("1", "--from"), ("--from", "0")])
def test_wrong_usage_is_status_2(studio: Any, arguments: tuple[str, ...]) -> None:
    assert studio("regenerate", *arguments) == 2

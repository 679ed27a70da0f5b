"""`studio extend` with a small real model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.audio.files import read_audio
from studio.library.library import Library
from studio.models.codes import load_codes

Made = tuple[Path, Path]


def test_a_sample_goes_on_from_its_codes(
    studio: Any, made_take: Made, data_dir: Path, tmp_path: Path, rows: Any
) -> None:
    """The first bar is kept, and the library has both."""
    longer = tmp_path / "longer.wav"
    assert studio("extend", 1, "--bars", 2, "--output", longer, "--codes", "--json") == 0
    (row,) = rows()
    assert (row["id"], row["bars"], row["frames"]) == (2, 2, 2 * 64_000)
    assert (row["seed"], row["from_seconds"], row["to_seconds"]) == (7, 2.0, None)
    before, after = load_codes(made_take[1]).array, load_codes(longer.with_suffix(".npz")).array
    kept = round(2.0 * before.shape[1] / 2.24)
    assert np.array_equal(before[:, :kept], after[:, :kept])
    assert after.shape[1] > before.shape[1]
    assert row["codes"] == str(longer.with_suffix(".npz"))
    with Library.open(data_dir) as library:
        assert library.count() == 2
        assert library.check(deep=True).ok


def test_a_file_of_codes_goes_on_without_a_library(
    studio: Any, made_take: Made, data_dir: Path, tmp_path: Path
) -> None:
    from_file, from_library = tmp_path / "file.wav", tmp_path / "library.wav"
    asked = ("--duration", 2.5, "--no-library", "--output")
    assert studio("extend", made_take[1], *asked, from_file) == 0
    assert studio("extend", 1, *asked, from_library) == 0
    assert read_audio(from_file).frames == 80_000
    assert from_file.read_bytes() == from_library.read_bytes()
    with Library.open(data_dir) as library:
        assert library.count() == 1


def test_without_a_length_a_loop_is_doubled_and_count_gives_more_seeds(
    studio: Any, made_take: Made, rows: Any
) -> None:
    assert studio("extend", 1, "--seed", 20, "--count", 2, "--json") == 0
    assert [(row["bars"], row["seed"]) for row in rows()] == [(2, 20), (2, 21)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("999",), "999"),
        (("1", "--bars", "1"), "1 bars already"),
        (("1", "--duration", "-3"), "3 s"),
        (("1", "--duration", "1e9"), "from 0.1 to 600"),
        (("1", "--batch", "0"), "--batch must be 1"),
        (("missing.npz",), "missing.npz cannot be read"),
        (("1", "--output", "/no/such/folder/x.wav"), "/no/such/folder does not exist"),
        (("1", "--no-library"), "Nothing would be kept"),
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
    assert studio("extend", *arguments) == 1
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    with Library.open(data_dir) as library:
        assert library.count() == 1


def test_an_imported_sample_has_nothing_to_go_on_from(
    studio: Any, made_take: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    assert studio("library", "import", made_take[0].with_name("imported.wav")) == 0
    capsys.readouterr()
    for verb in (("extend", 2), ("regenerate", 2, "--from", 0), ("codes", "export", 2)):
        output = ("--output", "x.npz") if verb[0] == "codes" else ()
        assert studio(*verb, *output) == 1
        err = capsys.readouterr().err
        assert "was imported and has no codes" in err
        assert err.count("\n") == 1


def test_a_model_that_has_changed_is_refused(
    studio: Any, made_take: Made, own_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = own_bundle / "generation_config.json"
    config.write_text(config.read_text("utf-8").replace("0.8", "0.9"), encoding="utf-8")
    assert studio("extend", 1) == 1
    err = capsys.readouterr().err
    assert "has changed since it made the codes to keep" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [(), ("1", "--bars", "2", "--duration", "3"), ("1", "2")])
def test_wrong_usage_is_status_2(studio: Any, arguments: tuple[str, ...]) -> None:
    assert studio("extend", *arguments) == 2

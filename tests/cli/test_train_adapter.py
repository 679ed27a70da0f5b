"""`studio train --adapter`: an adapter from a folder, used by its folder at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studio.models.adapters import open_adapter
from tests.cli.conftest import write_tone


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    folder = tmp_path / "sounds"
    folder.mkdir()
    for number in range(4):
        write_tone(folder / f"tone {number}.wav", seconds=0.5 + 0.2 * number)
    return folder


def test_a_folder_becomes_an_adapter_that_a_take_uses(
    studio: Any,
    sounds: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "toned"
    flags = ["--adapter", "--base", tiny_bundle, "--rank", 2, "--layers", "v,fc1", "--out", out]
    run = ["--steps", 2, "--batch", 2, "--preview-every", 0, "--threads", 1]
    assert studio("train", sounds, *flags, *run, "--held-out", 0.3) == 0
    told, err = capsys.readouterr()
    assert told.strip() == str(out)
    assert "an adapter of rank 2" in err
    assert "with the adapter" in err
    adapter = open_adapter(out)
    assert (adapter.rank, adapter.base) == (2, str(tiny_bundle))
    assert {name.rpartition(".")[2] for name in adapter.changes} == {"v_proj", "fc1"}
    wav = tmp_path / "x.wav"
    take = ["--prompt", "dub", "--max-steps", 5, "--no-library", "--output", wav, "--json"]
    assert studio("generate", "--model", tiny_bundle, "--adapter", f"{out}:0.5", *take) == 0
    assert json.loads(capsys.readouterr().out)["adapters"] == [[str(out), 0.5]]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--rank", "4"], "--rank is for an adapter; add --adapter"),
        (["--base", "house"], "--base is for an adapter"),
        (["--adapter", "--codec", "somewhere"], "keeps its base's codec; leave --codec out"),
        (["--adapter", "--tune-codec", "3"], "keeps its base's codec; leave --tune-codec out"),
        (["--adapter", "--rank", "0"], "rank must be from 1"),
        (["--adapter", "--layers", "q,mlp"], "not 'mlp'"),
        (["--adapter", "--base", "nothing"], "There is no model 'nothing'"),
    ],
)
def test_flags_that_make_no_sense_are_refused(
    studio: Any,
    sounds: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    words: str,
) -> None:
    assert studio("train", sounds, "--out", tmp_path / "out", *flags) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()

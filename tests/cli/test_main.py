from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from studio.cli.main import VERBS, build_parser, guarded, run
from studio.core.errors import InputError
from studio.core.version import __version__


def test_no_verb_opens_the_window_of_the_data_folder(tmp_path: Path) -> None:
    opened: list[Path | None] = []

    def open_window(data_dir: Path | None) -> int:
        opened.append(data_dir)
        return 7

    assert run([], open_window=open_window) == 7
    assert run(["--data-dir", str(tmp_path)], open_window=open_window) == 7
    assert opened == [None, tmp_path]


@pytest.mark.parametrize("arguments", [["--help"], ["generate", "--help"], ["--version"]])
def test_help_is_no_fault(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments, open_window=lambda data_dir: 1) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["sing"], ["--colour"], ["library"], ["models", "x"]])
def test_an_unknown_verb_or_flag_is_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments, open_window=lambda data_dir: 0) == 2
    assert "usage" in capsys.readouterr().err


def test_a_fault_is_one_line_whatever_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise InputError("two\nlines  of it")

    assert guarded(fail) == 1
    assert capsys.readouterr().err == "studio: two lines of it\n"


def test_the_version_is_the_products(capsys: pytest.CaptureFixture[str]) -> None:
    run(["--version"], open_window=lambda data_dir: 1)
    assert capsys.readouterr().out == f"studio {__version__}\n"


def test_every_verb_has_a_help_line() -> None:
    text = build_parser().format_help()
    verbs = [verb.__name__.rpartition(".")[2].replace("_", "-") for verb in VERBS]
    assert {"generate", "extend", "regenerate", "codes", "library", "models"} <= set(verbs)
    for verb in verbs:
        assert re.search(rf"^    {verb} +\w", text, flags=re.MULTILINE), verb


@pytest.mark.parametrize(
    "arguments", [["--help"], ["generate", "--help"], ["generate", "--prompt", "x", "--bpm", "1"]]
)
def test_neither_torch_nor_qt_is_loaded_for_nothing(
    arguments: list[str], repository: Path, tmp_path: Path
) -> None:
    script = (
        "import sys\n"
        "from studio.__main__ import main\n"
        f"main({['--data-dir', str(tmp_path / 'x'), *arguments]!r})\n"
        "heavy = {'torch', 'PySide6', 'sounddevice', 'tokenizers'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=repository
    )
    assert ended.returncode == 0, ended.stderr


def test_train_house_declares_its_flags_when_it_is_used(studio: Any) -> None:
    assert studio("train-house") == 2
    assert studio("train-house", "--out", "x", "--work", "y", "--codec-minutes", "0") == 1

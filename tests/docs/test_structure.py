"""The shape of the source: what the linters cannot see."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

LONGEST_FILE = 500
# A model that reads from top to bottom in one file may be longer.
LONGEST_MODEL_FILE = 600


@pytest.fixture
def sources(repository: Path) -> list[Path]:
    """Every module of the product."""
    return sorted((repository / "studio").rglob("*.py"))


def test_every_module_opens_by_saying_what_it_is(sources: list[Path], repository: Path) -> None:
    silent = [
        str(path.relative_to(repository))
        for path in sources
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_no_file_grows_out_of_hand(sources: list[Path], repository: Path) -> None:
    lengths = {
        path.relative_to(repository).as_posix(): path.read_text(encoding="utf-8").count("\n")
        for path in sources
    }
    too_long = {
        name: length
        for name, length in lengths.items()
        if length > (LONGEST_MODEL_FILE if "_backend/" in name else LONGEST_FILE)
    }
    assert too_long == {}


def test_no_file_has_a_name_that_says_nothing(sources: list[Path]) -> None:
    nothing = {"utils", "util", "helpers", "helper", "manager", "misc", "common"}
    assert [path for path in sources if nothing & {*path.parts, path.stem}] == []


def test_every_package_says_that_it_is_one(repository: Path) -> None:
    folders = {path.parent for path in (repository / "studio").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_tests_mirror_the_package(repository: Path) -> None:
    packages = {
        path.parent.relative_to(repository / "studio").parts[0]
        for path in (repository / "studio").rglob("*.py")
        if path.parent != repository / "studio"
    }
    of_their_own = {"packaging", "docs", "end_to_end", "embedded_model"}
    folders = {path.name for path in (repository / "tests").iterdir() if path.is_dir()}
    assert packages - folders == set()
    assert folders - packages - of_their_own - {"__pycache__"} == set()


def test_the_root_holds_nothing_unforeseen(repository: Path) -> None:
    foreseen = {
        ".ci", ".git", ".gitignore", "LICENSE", "README.md", "docs", "packaging",
        "pyproject.toml", "resources", "studio", "tests",
    }  # fmt: skip
    ignored = {
        line.strip("/\n")
        for line in (repository / ".gitignore").read_text(encoding="utf-8").splitlines()
    }
    found = {path.name for path in repository.iterdir()}
    assert found - foreseen - ignored - {"shared"} == set()


def test_the_contracts_name_every_package(repository: Path) -> None:
    """A package forgotten in a list of a contract would be free to import anything."""
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {
        f"studio.{path.stem}"
        for path in (repository / "studio").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    } - {"studio.__init__"}
    allowed = {
        "torch": {"studio.benchmark", "studio.training"},
        "mlx": {"studio.benchmark"},
        "soundfile": {"studio.audio"},
        "sqlite3": {"studio.library"},
        "sounddevice": {"studio.playback"},
        "PySide6": {"studio.ui"},
    }
    contracts = project["tool"]["importlinter"]["contracts"]
    for forbidden, users in allowed.items():
        (contract,) = [
            contract for contract in contracts if forbidden in contract.get("forbidden_modules", [])
        ]
        assert set(contract["source_modules"]) == packages - users

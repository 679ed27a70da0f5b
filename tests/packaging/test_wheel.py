from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, unpacked as an installer would."""
    repository = Path(__file__).resolve().parents[2]
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=repository,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("seedcrate-*.whl")
    site = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def test_the_wheel_carries_every_module_and_resource(installed: Path, repository: Path) -> None:
    for source in ("studio", "resources"):
        target = installed / "studio" / ("_resources" if source == "resources" else "")
        expected = {
            path.relative_to(repository / source)
            for path in (repository / source).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        found = {path.relative_to(target) for path in target.rglob("*") if path.is_file()}
        assert expected
        assert expected <= found


def test_the_wheel_carries_nothing_else(installed: Path) -> None:
    top = {path.name for path in installed.iterdir()}
    assert {name for name in top if not name.startswith("seedcrate-")} == {"studio"}


def test_an_installed_program_finds_its_own_resources(installed: Path, tmp_path: Path) -> None:
    program = "from studio.core.paths import resources_dir; print(resources_dir())"
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(result.stdout.strip()) == installed / "studio" / "_resources"


def test_the_wheel_installs_both_commands(installed: Path) -> None:
    (scripts,) = installed.glob("seedcrate-*.dist-info/entry_points.txt")
    text = scripts.read_text(encoding="utf-8")
    assert "studio = studio." in text
    assert "musicgen-cli = studio." in text

from __future__ import annotations

import os
from pathlib import Path

import pytest

from studio.core.errors import StorageError
from studio.core.paths import Paths, default_paths, resources_dir


def test_a_data_dir_holds_everything_including_exports(tmp_path: Path) -> None:
    paths = default_paths(tmp_path)
    everything = [
        paths.database,
        paths.samples,
        paths.log_file,
        paths.settings_file,
        paths.lock_file,
        paths.exports_dir,
    ]
    assert all(path.is_relative_to(tmp_path) for path in everything)
    assert len(set(everything)) == len(everything)


def test_exports_go_to_the_music_folder_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_MUSIC_DIR", raising=False)
    paths = default_paths()
    assert paths.exports_dir.parts[-2:] == ("Seedcrate", "Exports")
    assert not paths.exports_dir.is_relative_to(paths.data_dir)


def test_a_relative_data_dir_does_not_depend_on_a_later_change_of_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_paths(Path("mine")).data_dir == tmp_path / "mine"


def test_a_tilde_is_the_home_folder() -> None:
    assert default_paths(Path("~/mine")).data_dir == Path.home() / "mine"


def test_create_makes_the_data_folders_and_no_exports_folder(paths: Paths) -> None:
    paths.create()
    paths.create()
    assert paths.samples.is_dir()
    assert not paths.exports_dir.exists()


def test_a_data_dir_below_a_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="--data-dir") as caught:
        default_paths(tmp_path / "file" / "library").create()
    assert str(tmp_path / "file" / "library") in caught.value.user_message
    assert "\n" not in caught.value.user_message


def test_resources_of_a_checkout_lie_beside_the_package(tmp_path: Path) -> None:
    package = tmp_path / "studio"
    (tmp_path / "resources").mkdir()
    (tmp_path / "pyproject.toml").write_text("")
    assert resources_dir(package) == tmp_path / "resources"


def test_resources_of_a_wheel_lie_inside_the_package(tmp_path: Path) -> None:
    package = tmp_path / "studio"
    (package / "_resources").mkdir(parents=True)
    (tmp_path / "resources").mkdir()
    assert resources_dir(package) == package / "_resources"


def test_a_stranger_s_resources_folder_beside_an_installed_package_is_not_ours(
    tmp_path: Path,
) -> None:
    (tmp_path / "resources").mkdir()
    with pytest.raises(StorageError, match="install Seedcrate again"):
        resources_dir(tmp_path / "studio")


def test_the_data_folder_follows_the_system_s_convention(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    expected = tmp_path / "seedcrate" if os.name == "posix" else default_paths().data_dir
    assert default_paths().data_dir == expected

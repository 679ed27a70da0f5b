from __future__ import annotations

import os
import sys
import types
from pathlib import Path

import pytest

from studio.core.errors import ModelError, StorageError
from studio.models.bundle import open_bundle
from studio.models.shelf.shelf import ModelShelf
from tests.models.shelf.cached import store


def test_an_audiocraft_folder_is_converted_once(
    audiocraft: Path, conversions: list[Path], tmp_path: Path
) -> None:
    notices: list[str] = []
    shelf = ModelShelf(tmp_path / "models", on_notice=notices.append)
    first = shelf.resolve(audiocraft)
    assert first.is_relative_to(tmp_path / "models" / "converted")
    assert open_bundle(first)
    assert shelf.resolve(str(audiocraft)) == first
    assert conversions == [audiocraft]
    assert len(notices) == 1
    assert str(audiocraft) in notices[0]


def test_a_converted_model_keeps_its_name(
    audiocraft: Path, conversions: list[Path], shelf: ModelShelf, cache: Path
) -> None:
    assert open_bundle(shelf.resolve(audiocraft)).name == "exported"
    snapshot = store(cache, "someone/model", "state_dict.bin")
    bundle = shelf.resolve("someone/model")
    assert bundle != snapshot
    assert open_bundle(bundle).name == "someone/model"


def test_a_newer_download_replaces_the_conversion_and_removing_deletes_it(
    conversions: list[Path], shelf: ModelShelf, cache: Path
) -> None:
    old = store(cache, "someone/model", "state_dict.bin")
    first = shelf.resolve("someone/model")
    old.rename(old.with_name("def5678"))
    (old.parent.parent / "refs" / "main").write_text("def5678")
    second = shelf.resolve("someone/model")
    assert len(conversions) == 2
    assert not first.exists()
    (old.parent.parent / "refs" / "main").unlink()
    shelf.remove("someone/model")
    assert not second.exists()
    assert not old.parent.exists()


def test_a_changed_folder_is_converted_again_and_the_old_result_deleted(
    audiocraft: Path, conversions: list[Path], shelf: ModelShelf
) -> None:
    first = shelf.resolve(audiocraft)
    os.utime(audiocraft / "state_dict.bin", ns=(1, 1))
    second = shelf.resolve(audiocraft)
    assert first != second
    assert not first.exists()
    assert len(conversions) == 2


def test_a_conversion_that_lost_a_file_is_made_again(
    audiocraft: Path, conversions: list[Path], shelf: ModelShelf
) -> None:
    first = shelf.resolve(audiocraft)
    (first / "model.safetensors").unlink()
    assert shelf.resolve(audiocraft) == first
    assert open_bundle(first)


def test_half_a_conversion_of_a_killed_process_is_swept(
    audiocraft: Path, conversions: list[Path], shelf: ModelShelf, tmp_path: Path
) -> None:
    half = tmp_path / "models" / "converted" / "0123456789abcdef.part"
    (half / "model").mkdir(parents=True)
    (half / "model" / "model.safetensors").write_bytes(b"half")
    shelf.resolve(audiocraft)
    assert not half.exists()


def test_a_missing_part_leaves_nothing_and_says_how_to_get_it(
    audiocraft: Path, conversions: list[Path], shelf: ModelShelf, tmp_path: Path, cache: Path
) -> None:
    (audiocraft / "state_dict.bin").write_bytes(b"needs t5")
    with pytest.raises(ModelError, match='"studio models get t5-base"'):
        shelf.add(audiocraft)
    assert [p.name for p in (tmp_path / "models" / "converted").iterdir()] == [".lock"]
    store(cache, "google-t5/t5-base")
    assert shelf.add(audiocraft, "mine").path == audiocraft


def test_a_part_cached_by_older_tools_is_found(cache: Path, shelf: ModelShelf) -> None:
    folder = store(cache, "t5-base")
    assert shelf.find_part("t5-base") == folder


@pytest.mark.parametrize("name", ["../../secrets", "/etc", "t5-11b", "x\ny"])
def test_a_part_is_never_looked_up_as_a_path(name: str, shelf: ModelShelf) -> None:
    with pytest.raises(ModelError) as caught:
        shelf.find_part(name)
    assert "\n" not in caught.value.user_message


def test_removing_deletes_the_conversion_but_not_the_folder(
    audiocraft: Path, conversions: list[Path], shelf: ModelShelf
) -> None:
    shelf.add(audiocraft, "one")
    shelf.add(audiocraft, "two")
    made = shelf.resolve("one")
    shelf.remove("one")
    assert made.exists()
    shelf.remove("two")
    assert not made.exists()
    assert (audiocraft / "state_dict.bin").is_file()


def test_a_full_disk_names_the_model(
    audiocraft: Path, shelf: ModelShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def convert_audiocraft(folder: Path, target: Path, **rest: object) -> None:
        raise OSError(28, "No space left on device")

    module = types.ModuleType("audiocraft")
    module.convert_audiocraft = convert_audiocraft
    monkeypatch.setitem(sys.modules, "studio.models.torch_backend.audiocraft.convert", module)
    with pytest.raises(StorageError, match="No space left"):
        shelf.resolve(audiocraft)


def test_a_shelf_without_a_folder_says_what_to_do(audiocraft: Path) -> None:
    with pytest.raises(ModelError, match="studio models add"):
        ModelShelf(None).resolve(audiocraft)

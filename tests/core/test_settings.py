from __future__ import annotations

import json
import math
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.core.errors import StorageError
from studio.core.settings import Settings, load_settings, save_settings

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def test_a_missing_file_gives_the_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "settings.json") == Settings()


def test_what_was_saved_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "settings.json"
    changed = replace(Settings(), prompt='näive "dub" \n', tempo_bpm=90.5, loop=False, bars=8)
    save_settings(path, changed)
    assert load_settings(path) == changed
    assert [file.name for file in path.parent.iterdir()] == ["settings.json"]


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe{}", b"", b"[" * 100_000])
def test_an_unreadable_file_is_kept_aside_with_a_notice(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    notices: list[str] = []
    assert load_settings(path, on_notice=notices.append) == Settings()
    assert (tmp_path / "settings.json.broken").read_bytes() == content
    assert not path.exists()
    assert len(notices) == 1
    assert "settings.json.broken" in notices[0]


def test_a_value_of_the_wrong_type_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"bars": "four", "loop": 1, "tempo_bpm": 120, "prompt": "dub"}))
    notices: list[str] = []
    assert load_settings(path, on_notice=notices.append) == replace(
        Settings(), tempo_bpm=120, prompt="dub"
    )
    assert len(notices) == 2
    assert path.exists()


def test_a_number_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"tempo_bpm": NaN, "volume_db": -Infinity}')
    assert load_settings(path) == Settings()


def test_a_key_of_a_newer_version_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"hologram": true, "bars": 4}')
    assert load_settings(path).bars == 4


@given(values=st.dictionaries(st.sampled_from([f.name for f in fields(Settings)]), _JSON))
def test_any_json_object_gives_settings_of_the_right_types(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
) -> None:
    path = tmp_path_factory.mktemp("settings") / "settings.json"
    path.write_text(json.dumps(values))
    loaded = load_settings(path)
    for name, value in asdict(loaded).items():
        default = getattr(Settings(), name)
        assert isinstance(value, (int, float) if isinstance(default, float) else type(default))
        assert not (isinstance(value, float) and math.isnan(value))


def test_a_folder_that_cannot_be_written_is_named_and_the_old_file_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(StorageError, match="the old ones are kept"):
        save_settings(tmp_path / "file" / "settings.json", Settings())
    assert (tmp_path / "file").read_text() == "kept"


def test_a_failed_write_leaves_the_old_settings_and_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "settings.json"
    save_settings(path, replace(Settings(), bars=8))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="the disk is full"):
        save_settings(path, Settings())
    assert load_settings(path).bars == 8
    assert [file.name for file in tmp_path.iterdir()] == ["settings.json"]


def test_a_settings_path_that_is_a_folder_is_a_one_line_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="Cannot read the settings"):
        load_settings(tmp_path)

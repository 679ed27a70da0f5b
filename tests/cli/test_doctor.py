from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from studio.core.errors import DeviceError
from studio.core.paths import default_paths
from studio.core.settings import Settings, save_settings
from studio.playback.player import Player


@pytest.fixture
def healthy(data_dir: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library with a usable model, on a machine without a sound card."""

    def no_card(player: Player, sample_rate: int) -> None:
        raise DeviceError("No sound card was found.")

    monkeypatch.setattr(Player, "prepare", no_card)
    settings_file = default_paths(data_dir).settings_file
    save_settings(settings_file, Settings(model=str(tiny_bundle)))


def report(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    said = capsys.readouterr()
    assert said.err == ""
    (line,) = said.out.splitlines()
    return dict(json.loads(line))


@pytest.mark.usefixtures("healthy")
def test_everything_is_named_and_a_missing_sound_card_is_a_note(
    studio: Any, capsys: pytest.CaptureFixture[str], data_dir: Path, tiny_bundle: Path
) -> None:
    assert studio("doctor", "--json") == 0
    found = report(capsys)
    states = {name: finding["state"] for name, finding in found.items()}
    assert states.pop("sound card") == "note"
    assert set(states.values()) == {"ok"}
    assert "torch" in found["packages"]["text"]
    assert str(tiny_bundle) in found["model"]["text"]
    assert str(data_dir) in found["folders"]["text"]
    assert studio("doctor") == 0
    assert "sound card  No sound card was found." in capsys.readouterr().out


@pytest.mark.usefixtures("healthy")
def test_a_broken_model_is_a_fault(
    studio: Any, capsys: pytest.CaptureFixture[str], data_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    settings_file = default_paths(data_dir).settings_file
    save_settings(settings_file, Settings(model=str(tmp_path / "empty")))
    assert studio("doctor", "--json") == 1
    model = report(capsys)["model"]
    assert model["state"] == "fault"
    assert "config.json" in model["text"]


@pytest.mark.usefixtures("healthy")
def test_an_orphan_in_the_library_is_a_fault(
    studio: Any, capsys: pytest.CaptureFixture[str], data_dir: Path
) -> None:
    orphan = data_dir / "samples" / "orphan.wav"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"x")
    assert studio("doctor", "--json") == 1
    assert "orphan.wav" in report(capsys)["library"]["text"]

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from studio.core.errors import DeviceError
from studio.core.paths import default_paths
from studio.core.settings import Settings, save_settings
from studio.models import accelerators
from studio.models.bundle import open_bundle
from studio.models.native_backend import gang
from studio.models.native_backend.precision import processor_name
from studio.models.selection import load_backend
from studio.models.shelf.shelf import ModelShelf
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
    assert "numba" in found["packages"]["text"]
    assert str(tiny_bundle) in found["model"]["text"]
    assert str(data_dir) in found["folders"]["text"]
    assert studio("doctor") == 0
    assert "sound card  No sound card was found." in capsys.readouterr().out


@pytest.mark.usefixtures("healthy")
def test_nothing_is_measured_only_to_look(
    studio: Any, capsys: pytest.CaptureFixture[str], data_dir: Path
) -> None:
    assert studio("doctor", "--json") == 0
    found = report(capsys)
    assert found["backend"]["text"] == (
        "native; 1 thread; the precision is found out when the model is loaded for the first time"
    )
    assert found["measured"]["text"] == "nothing yet"
    assert not (data_dir / "models" / "measurements.json").exists()


@pytest.mark.usefixtures("healthy")
def test_what_was_measured_is_told_with_what_was_picked_by_it(
    studio: Any, capsys: pytest.CaptureFixture[str], data_dir: Path, tiny_bundle: Path
) -> None:
    shelf = ModelShelf(data_dir / "models")
    picked = load_backend(tiny_bundle, digest=shelf.digest, measurements=shelf.measurements)
    shelf.measurements.of("seconds a step of a trial", lambda: {"int8": 0.00912, "int4": 0.0075})
    assert studio("doctor", "--json") == 0
    found = report(capsys)
    assert found["backend"]["text"] == (
        f"native; 1 thread, {picked.info.precision}: the fastest that costs at most"
        " 0.01 nats a code"
    )
    lost, trial = found["measured"]["text"].splitlines()
    assert lost.startswith(f"nats lost by {picked.info.fingerprint} in ")
    assert trial == "milliseconds a step of a trial: int8 9.12, int4 7.5"
    assert studio("doctor") == 0
    lines = capsys.readouterr().out.splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("ok    measured    nats"))
    assert lines[place + 1] == f"{'':<18}{trial}"


@pytest.mark.usefixtures("healthy")
def test_where_there_is_a_choice_the_backend_that_was_faster_is_told(
    studio: Any,
    capsys: pytest.CaptureFixture[str],
    data_dir: Path,
    tiny_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accelerators, "possible_backends", lambda: ("native", "torch"))
    monkeypatch.setattr(gang, "SMALL_PARAMETERS", 0)
    assert studio("doctor", "--json") == 0
    assert report(capsys)["backend"]["text"] == (
        "native or torch; which is found out when the model is loaded for the first time"
    )
    shelf = ModelShelf(data_dir / "models")
    fingerprint = open_bundle(tiny_bundle, digest=shelf.digest).fingerprint
    question = f"seconds a step of {fingerprint} by native, torch"
    shelf.measurements.of(question, lambda: {"native": 0.02, "torch": 0.001})
    assert studio("doctor", "--json") == 0
    text = report(capsys)["backend"]["text"]
    assert text == "torch, the fastest of native, torch"


@pytest.mark.usefixtures("healthy")
def test_the_processor_is_named_with_what_its_speed_depends_on(
    studio: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert studio("doctor", "--json") == 0
    text = report(capsys)["processor"]["text"]
    assert f"{os.cpu_count()} threads" in text
    assert processor_name() in text


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

from __future__ import annotations

from pathlib import Path

import pytest

from studio.models import speeds
from studio.models.speeds import Speeds

MEASURED = {"float32": 0.25, "int8": 0.125}


def never() -> dict[str, float]:
    raise AssertionError("known already")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "models" / "speeds.json"


def test_what_was_measured_is_known_to_the_next_run(file: Path) -> None:
    assert Speeds(file).of("small", "this", lambda: MEASURED) == MEASURED
    assert Speeds(file).of("small", "this", never) == MEASURED
    assert Speeds(file).known() == {"small on this": MEASURED}


def test_another_model_or_machine_is_measured_anew(file: Path) -> None:
    Speeds(file).of("small", "this", lambda: MEASURED)
    for model, machine in (("small", "that"), ("large", "this")):
        assert Speeds(file).of(model, machine, lambda: {"float32": 1.0}) == {"float32": 1.0}
    assert len(Speeds(file).known()) == 3


@pytest.mark.parametrize(
    "text",
    ["", "[]", "[" * 100_000, "\x00", '{"small on this": {"int8": "fast"}}',
     '{"small on this": {"int8": -1.0}}', '{"small on this": {"int8": NaN}}',
     '{"small on this": {}}', '{"small on this": [1.0]}'],
)  # fmt: skip
def test_a_damaged_file_is_begun_anew(file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text)
    assert Speeds(file).of("small", "this", lambda: MEASURED) == MEASURED
    assert Speeds(file).of("small", "this", never) == MEASURED


def test_measurements_are_bounded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speeds, "MAX_ENTRIES", 2)
    for name in "abc":
        Speeds(file).of(name, "this", lambda: MEASURED)
    assert list(Speeds(file).known()) == ["b on this", "c on this"]


def test_without_a_place_nothing_is_kept(tmp_path: Path) -> None:
    assert Speeds(None).of("small", "this", lambda: MEASURED) == MEASURED
    (tmp_path / "models").write_text("a file")
    assert Speeds(tmp_path / "models" / "speeds.json").of("a", "b", lambda: MEASURED) == MEASURED
    assert Speeds(None).known() == {}

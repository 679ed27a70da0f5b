from __future__ import annotations

from pathlib import Path

import pytest

from studio.models import measurements
from studio.models.measurements import Measurements

MEASURED = {"float32": 0.25, "int8": 0.125}


def never() -> dict[str, float]:
    raise AssertionError("known already")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "models" / "measurements.json"


def test_what_was_measured_is_known_to_the_next_run(file: Path) -> None:
    assert Measurements(file).of("small on this", lambda: MEASURED) == MEASURED
    assert Measurements(file).of("small on this", never) == MEASURED
    assert Measurements(file).known() == {"small on this": MEASURED}


def test_another_model_or_machine_is_measured_anew(file: Path) -> None:
    Measurements(file).of("small on this", lambda: MEASURED)
    for model, machine in (("small", "that"), ("large", "this")):
        assert Measurements(file).of(f"{model} on {machine}", lambda: {"float32": 1.0}) == {
            "float32": 1.0
        }
    assert len(Measurements(file).known()) == 3


@pytest.mark.parametrize(
    "text",
    ["", "[]", "[" * 100_000, "\x00", '{"small on this": {"int8": "fast"}}',
     '{"small on this": {"int8": -1.0}}', '{"small on this": {"int8": NaN}}',
     '{"small on this": {}}', '{"small on this": [1.0]}'],
)  # fmt: skip
def test_a_damaged_file_is_begun_anew(file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text)
    assert Measurements(file).of("small on this", lambda: MEASURED) == MEASURED
    assert Measurements(file).of("small on this", never) == MEASURED


def test_measurements_are_bounded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurements, "MAX_ENTRIES", 2)
    for name in "abc":
        Measurements(file).of(f"{name} on this", lambda: MEASURED)
    assert list(Measurements(file).known()) == ["b on this", "c on this"]


def test_without_a_library_nothing_is_kept(tmp_path: Path) -> None:
    assert Measurements(None).of("small on this", lambda: MEASURED) == MEASURED
    absent = tmp_path / "library"
    Measurements(absent / "models" / "measurements.json").of("a on b", lambda: MEASURED)
    assert not absent.exists()
    (tmp_path / "models").write_text("a file")
    assert (
        Measurements(tmp_path / "models" / "measurements.json").of("a on b", lambda: MEASURED)
        == MEASURED
    )
    assert Measurements(None).known() == {}


def test_a_noted_answer_replaces_an_older_one(file: Path) -> None:
    Measurements(file).note("how fast", {"a": 1.0})
    Measurements(file).note("how far", {"a": 5.0})
    Measurements(file).note("how fast", {"a": 2.0})
    assert Measurements(file).known() == {"how far": {"a": 5.0}, "how fast": {"a": 2.0}}

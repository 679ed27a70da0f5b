"""`studio bench house`: what it passes on and what it refuses; the measuring has its own tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studio.benchmark.house import measuring
from studio.benchmark.house.figures import Figure, HouseReport

Studio = Callable[..., int]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the measuring was asked for; it answers at once."""
    given: dict[str, Any] = {}

    def measured(folder: Path, plan: object, tell: object, **more: object) -> HouseReport:
        given.update(folder=folder, plan=plan, **more)
        figure = Figure(name="tempo", value=1.0, wanted=">= 0.98", reached=True, beside={"n": 0.0})
        return HouseReport(
            model="house", megabytes=1.0, figures=(figure,), voices=(), pictures=(), minutes=0.1
        )

    monkeypatch.setattr(measuring, "measure_house", measured)
    return given


def test_the_embedded_model_is_measured_when_none_is_named(
    studio: Studio, asked: dict[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert studio("bench", "house", "--json", "--quick", "--spectrograms", tmp_path) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["figures"][0]["name"] == "tempo"
    assert asked["folder"].name == "house"
    assert asked["plan"] == measuring.HousePlan.quick()
    assert asked["pictures"] == tmp_path
    assert asked["training"] is None
    assert asked["earlier"] is None


def test_an_earlier_edition_is_measured_beside(
    studio: Studio, asked: dict[str, Any], repository: Path
) -> None:
    assert studio("bench", "house", "--earlier", "house") == 0
    assert asked["earlier"] == repository / "resources" / "models" / "house"


def test_a_person_reads_lines(
    studio: Studio, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert studio("bench", "house") == 0
    said = capsys.readouterr().out
    assert "tempo: 1  wanted >= 0.98: reached" in said
    assert asked["plan"] == measuring.HousePlan()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (("house", "--random", "small"), "leave out --random"),
        (("--training", "somewhere"), "--training belongs to studio bench house"),
        (("speed", "--spectrograms", "there"), "--spectrograms belongs to studio bench house"),
        (("speed", "--earlier", "house"), "--earlier belongs to studio bench house"),
        (("house", "--earlier", "polka"), "polka"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(
    studio: Studio, capsys: pytest.CaptureFixture[str], wrong: tuple[str, ...], words: str
) -> None:
    assert studio("bench", *wrong) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line

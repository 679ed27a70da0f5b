"""docs/house-model.md holds what `studio bench house --json` said, to the digit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def docs() -> Path:
    return Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def page(docs: Path) -> str:
    return (docs / "house-model.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def report(docs: Path) -> dict[str, Any]:
    """The report that the page is about."""
    values: dict[str, Any] = json.loads((docs / "house-model.json").read_text(encoding="utf-8"))
    return values


def figure_row(figure: dict[str, Any]) -> str:
    """A measured figure as the page shows it."""
    verdict = {True: "yes", False: "**no**", None: ""}[figure["reached"]]
    beside = "; ".join(f"{name} {value:g}" for name, value in figure["beside"].items())
    cells = (figure["name"], f"**{figure['value']:g}**", figure["wanted"], verdict, beside)
    return f"| {' | '.join(cells)} |"


def voice_row(voice: dict[str, Any]) -> str:
    """A voice as the page shows it."""
    known = voice["balanced_accuracy"]
    accuracy = "" if known is None else f"{known:g}"
    counts = "" if voice["trusted"] else " (not counted)"
    return f"| {voice['voice']}{counts} | {voice['asked']:g} | {voice['unasked']:g} | {accuracy} |"


def bank_row(bank: dict[str, Any]) -> str:
    """A seed bank as the page shows it."""
    return (
        f"| {bank['genre']} | {bank['made']} | {bank['on_tempo']} | {bank['in_key']} of"
        f" {bank['keys_asked']} | {bank['kept']} | {bank['kept_distance']:g} |"
        f" {bank['made_distance']:g} | {bank['fresh_distance']:g} |"
    )


def test_every_figure_is_on_the_page(page: str, report: dict[str, Any]) -> None:
    rows = [figure_row(figure) for figure in report["figures"]]
    rows += [voice_row(voice) for voice in report["voices"]]
    assert [row for row in rows if row not in page] == []
    assert f"{report['megabytes']:g} MB" in page


def test_every_bank_is_on_the_page(page: str, docs: Path) -> None:
    lines = (docs / "seed-banks.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [bank_row(json.loads(line)) for line in lines]
    assert rows
    assert [row for row in rows if row not in page] == []


def test_its_pictures_are_there(page: str, docs: Path) -> None:
    pictures = sorted(docs.glob("images/house-*.png"))
    assert pictures
    assert all(f"images/{picture.name}" in page for picture in pictures)

"""The window's page lists every key and mouse gesture, and the window has no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.ui.keys import KEYS, MOUSE, Key


@pytest.fixture(scope="module")
def text() -> str:
    page = Path(__file__).resolve().parents[2] / "docs" / "window.md"
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize("key", KEYS, ids=[key.action for key in KEYS])
def test_a_key_is_listed_with_its_meaning(text: str, key: Key) -> None:
    rows = [line for line in text.splitlines() if key.meaning in line]
    assert rows
    assert any(key.label in row.replace("`", "") for row in rows)


@pytest.mark.parametrize("gesture", MOUSE, ids=[" ".join(gesture[:2]) for gesture in MOUSE])
def test_a_gesture_is_listed_with_its_meaning(text: str, gesture: tuple[str, str, str]) -> None:
    _, gesture_name, meaning = gesture
    rows = [line for line in text.splitlines() if meaning in line]
    assert any(gesture_name in row for row in rows)

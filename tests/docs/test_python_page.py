"""The Python page's examples run, and its table is complete."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import soundfile

from studio.generation.musicgen import MusicGen, Options

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"
EXAMPLES = re.findall(r"^```python\n(.+?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=[str(n) for n in range(len(EXAMPLES))])
def test_an_example_runs(example: str, things: Path) -> None:
    names: dict[str, Any] = {}
    exec(compile(example, str(PAGE), "exec"), names)  # the page is ours
    for written in things.glob("*.wav"):
        assert soundfile.info(written).frames > 0


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 12


def test_every_option_is_listed() -> None:
    text = PAGE.read_text(encoding="utf-8")
    start = text.index("| option | |")
    table = text[start : text.index("\n\n", start)]
    assert set(re.findall(r"^\| (`.+?) \|", table, re.MULTILINE))
    first_cells = "".join(re.findall(r"^\| (`.+?) \| ", table, re.MULTILINE))
    assert set(re.findall(r"`(\w+)`", first_cells)) == set(Options.__annotations__)


def test_every_public_method_is_mentioned() -> None:
    text = PAGE.read_text(encoding="utf-8")
    public = {
        name for name, value in vars(MusicGen).items() if callable(value) and name[0] != "_"
    } | {"from_pretrained"}
    assert {name for name in public if name not in text} == set()

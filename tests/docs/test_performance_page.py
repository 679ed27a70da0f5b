"""The performance page's commands are understood, and its neighbours lead to it."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest

from studio.benchmark.published import PUBLISHED
from studio.benchmark.result import Report
from studio.benchmark.run import PARTS, RIVALS
from studio.cli.main import build_parser


@pytest.fixture(scope="module")
def text() -> str:
    page = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
    return page.read_text(encoding="utf-8")


def test_every_command_is_understood(text: str) -> None:
    commands = re.findall(r"^(studio bench.*)$", text, flags=re.MULTILINE)
    assert commands
    parser = build_parser()
    for command in commands:
        assert parser.parse_args(shlex.split(command)[1:]).verb == "bench"


def test_every_table_stands_below_the_command_that_made_it(text: str) -> None:
    blocks = re.findall(r"^```\n(.+?)^```", text, flags=re.MULTILINE | re.DOTALL)
    measured = [block for block in blocks if " million parameters; " in block]
    assert measured
    assert all(block.startswith("studio bench") for block in measured)


def test_the_command_line_page_lists_what_can_be_asked_for(repository: Path) -> None:
    page = (repository / "docs" / "command-line.md").read_text(encoding="utf-8")
    start = page.index("## studio bench")
    section = page[start : page.index("\n## ", start)]
    for name in (*PUBLISHED, *PARTS, *RIVALS):
        assert f"`{name}`" in section
    (keys,) = re.findall(r"one object: `([^`]+)`", section)
    assert keys.split() == [field.name for field in fields(Report)]

from __future__ import annotations

import re

import numpy as np
import pytest

from studio.cli.progress import ProgressBar
from studio.generation.request import Chunk


def chunk(done: int, total: int) -> Chunk:
    samples = np.zeros((1, 1), dtype=np.float32)
    return Chunk(start_frame=0, samples=samples, done_steps=done, total_steps=total)


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that the bar sees, in its only place."""
    now = [100.0]
    monkeypatch.setattr("studio.cli.progress.time.monotonic", lambda: now[0])
    return now


def drawn(capsys: pytest.CaptureFixture[str]) -> list[str]:
    said = capsys.readouterr()
    assert said.out == ""
    return [line for line in said.err.split("\r\x1b[K") if line]


def test_nothing_is_drawn_where_stderr_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar(1, "seed 7") as bar:
        bar.show(0, chunk(50, 100))
    assert capsys.readouterr().err == ""


def test_one_take_has_its_part_and_the_time_that_is_left(
    capsys: pytest.CaptureFixture[str], seconds: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with ProgressBar(1, "seed 7") as bar:
        for done in (10, 20, 30, 40):
            bar.show(0, chunk(done, 100))
            seconds[0] += 1.0
    lines = drawn(capsys)
    assert lines[0].endswith("loading")
    assert lines[-1].startswith("seed 7 [############")
    assert lines[-1].endswith(" 40%, 6 s left")


def test_the_bar_is_over_all_takes_of_the_batch_and_of_the_run(
    capsys: pytest.CaptureFixture[str], seconds: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight takes, four at once, 10 s for each four: honest at every step."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with ProgressBar(8, "") as bar:
        for first in (0, 4):
            for done in range(10, 101, 10):
                seconds[0] += 1.0
                for place in range(first, first + 4):
                    bar.show(place, chunk(done, 100))
    shown = drawn(capsys)
    found = [
        re.search(r"takes? ([\d-]+) of 8 \[.+\] +(\d+)%, (\d+) s left", line) for line in shown
    ]
    told = [(match[1], int(match[2]), int(match[3])) for match in found if match]
    parts = [part for _, part, _ in told]
    assert parts == sorted(parts)
    assert {which for which, *_ in told} >= {"1-4", "5-8"}
    assert len(told) > 10
    for _, part, left in told:
        assert left == pytest.approx(20 * (1 - part / 100), abs=2.5)


def test_it_ends_with_an_empty_line_and_makes_room_for_messages(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with ProgressBar(1, "seed 7") as bar:
        bar.say("Converting.")
        bar.show(0, chunk(1, 2))
    err = capsys.readouterr().err
    assert "loading\r\x1b[Kstudio: Converting.\n\r\x1b[Kseed 7 [" in err
    assert err.endswith("\r\x1b[K")


def test_it_is_not_drawn_for_every_step(
    capsys: pytest.CaptureFixture[str], seconds: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with ProgressBar(1, "seed 7") as bar:
        for done in range(1, 1001):
            seconds[0] += 0.001
            bar.show(0, chunk(done, 1000))
    lines = drawn(capsys)
    assert 15 <= len(lines) <= 25
    assert "100%" in lines[-1]

"""Killed at any moment, the program has lost no finished take and left nothing behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.program import Studio

pytestmark = pytest.mark.end_to_end

COUNT = 300


def generate_and_kill(studio: Studio, seed: int, after_seconds: float) -> list[dict[str, Any]]:
    """Begin a run of takes, kill it `after_seconds` after its first take; what it said until then.

    A take is finished when the program has told of it on stdout.
    """
    process = studio.start(
        *("generate", "--prompt", "120 bpm techno loop", "--bpm", "180", "--bars", "1"),
        *("--seed", str(seed), "--count", str(COUNT), "--json", "--model", studio.model),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first, "The first take did not come."
    time.sleep(after_seconds)
    os.killpg(process.pid, signal.SIGKILL)
    rest, _ = process.communicate(timeout=60)
    lines = [first, *(line for line in rest.splitlines(keepends=True) if line.endswith("\n"))]
    return [json.loads(line) for line in lines]


def check_nothing_is_lost(studio: Studio, told: list[dict[str, Any]]) -> None:
    check = studio.run("library", "check", "--deep", "--json")
    assert check.returncode == 0, check.stdout + check.stderr
    rows = {row["path"]: row for row in studio.rows()}
    for take in told:
        assert take["path"] in rows
    for path in rows:
        assert Path(path).is_file()
    files = {str(path) for path in (studio.data_dir / "samples").rglob("*") if path.is_file()}
    assert {file for file in files if file.endswith(".wav")} == set(rows)
    assert not [file for file in files if ".incoming" in file and file.endswith(".wav")]


def run_of_kills(studio: Studio, kills: int, report: Callable[[dict[str, Any]], None]) -> None:
    moments = random.Random(2)
    told: list[dict[str, Any]] = []
    for number in range(kills):
        told += generate_and_kill(studio, 1_000 * number, moments.uniform(0.0, 1.5))
        check_nothing_is_lost(studio, told)
    report({"kills": kills, "takes_told": len(told), "takes_kept": len(studio.rows())})


def test_a_few_kills_lose_no_finished_take(
    studio: Studio, report: Callable[[dict[str, Any]], None]
) -> None:
    run_of_kills(studio, 4, report)


@pytest.mark.slow
def test_twenty_kills_lose_no_finished_take(
    studio: Studio, report: Callable[[dict[str, Any]], None]
) -> None:
    run_of_kills(studio, 20, report)

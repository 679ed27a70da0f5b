from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studio.benchmark.fresh import FreshTake, measure_process
from studio.core.errors import ModelError


def take(folder: Path) -> FreshTake:
    return FreshTake(
        folder=folder, models_dir=None, backend="torch", precision="float32", frames=25
    )


def test_a_fault_in_the_process_is_raised_here(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json"):
        measure_process("torch float32", take(tmp_path), 1)


def test_every_run_counts(tiny_folder: Path) -> None:
    figure = measure_process("torch float32", take(tiny_folder), 2)
    spread = figure.cold_start_seconds
    assert 0 < spread.low < spread.median < spread.high


def test_an_interrupt_leaves_neither_a_folder_nor_a_traceback(
    tmp_path: Path, repository: Path
) -> None:
    program = subprocess.Popen(
        [sys.executable, "-m", "studio", "bench", "--random", "house", "--part", "process"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=repository,
        env={**os.environ, "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    assert program.stderr is not None
    said = []
    while not said or "fresh process" not in said[-1]:
        said.append(program.stderr.readline())
    time.sleep(0.5)  # its child is still importing
    os.killpg(program.pid, signal.SIGINT)
    _, rest = program.communicate(timeout=60)
    assert program.returncode == 130
    assert rest == "studio: Interrupted; what was finished is kept.\n"
    assert list(tmp_path.glob("studio-bench-*")) == []

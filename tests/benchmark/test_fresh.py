from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studio.benchmark import fresh
from studio.benchmark.fresh import FreshTake, measure_process
from studio.core.errors import ModelError


def take(folder: Path) -> FreshTake:
    return FreshTake(
        folder=folder, models_dir=None, backend="native", precision="float32", frames=25
    )


def test_a_fault_in_the_process_is_raised_here(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json"):
        measure_process("native float32", take(tmp_path), 1)


def test_every_run_counts(tiny_folder: Path) -> None:
    figure = measure_process("native float32", take(tiny_folder), 2)
    spread = figure.cold_start_seconds
    assert 0 < spread.low < spread.median < spread.high


def test_the_first_run_does_not_count(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, runs = fresh._run, []

    def counted(one: FreshTake) -> fresh._Run:
        runs.append(run(one))
        return runs[-1]

    monkeypatch.setattr(fresh, "_run", counted)
    figure = measure_process("native float32", take(tiny_folder), 1)
    assert len(runs) == 2
    assert figure.start_seconds.median == runs[1].start


def test_what_the_process_imports_is_not_the_benchmarks(repository: Path) -> None:
    """Otherwise it would be charged for libraries that the product does without."""
    program = (
        "import sys, studio.benchmark.fresh, studio.benchmark.asking;"
        "print([name for name in ('torch', 'numba', 'mlx') if name in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=repository, capture_output=True, text=True, check=True
    )
    assert ended.stdout == "[]\n"


def test_an_interrupt_waits_until_the_process_has_started() -> None:
    reached = []

    def start() -> None:
        with fresh._deaf_to_interrupts():
            os.kill(os.getpid(), signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            reached.append("the end")

    with pytest.raises(KeyboardInterrupt):
        start()
    assert reached == ["the end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


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

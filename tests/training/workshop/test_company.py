"""Two processes on this machine take the course of one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from studio.core.errors import TrainingError
from studio.training.workshop.checkpoint import CURVE
from studio.training.workshop.company import joined
from studio.training.workshop.session import WorkshopSession
from tests.training.workshop.conftest import Settings

SCRIPT = """
import json, sys, torch
from pathlib import Path
torch.set_num_threads(1)
from studio.training.workshop.session import WorkshopSession
from studio.training.workshop.settings import TrainingSettings
values = json.loads(sys.argv[1])
for name in ("folder", "out", "codec"):
    values[name] = Path(values[name])
WorkshopSession(TrainingSettings(**values)).run()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def losses(work: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (work / CURVE).read_text().splitlines()]


def test_two_processes_take_the_course_of_one(
    settings: Settings, tmp_path: Path, repository: Path
) -> None:
    """An odd batch is shared too, one segment more to the first."""
    alone = settings(out=tmp_path / "alone", batch=3)
    WorkshopSession(alone).run()
    shared = settings(out=tmp_path / "shared", batch=3)
    values = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in vars(shared).items()
    }
    common = {
        **os.environ,
        "PYTHONPATH": str(repository),
        "OMP_NUM_THREADS": "1",
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, json.dumps(values)],
            env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    assert [process.wait(timeout=100) for process in processes] == [0, 0]
    assert (shared.out / "model.safetensors").is_file()
    one, two = losses(alone.work_folder), losses(shared.work_folder)
    assert len(one) == len(two)
    for first, second in zip(one, two, strict=True):
        assert first.keys() == second.keys()
        for name in ("nats", "held_out_nats"):
            assert first.get(name, 0) == pytest.approx(second.get(name, 0), abs=2e-4)


def test_without_a_graphics_card_cuda_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(TrainingError, match="no CUDA device"), joined("cuda"):
        pass


def test_alone_nothing_is_exchanged() -> None:
    with joined("cpu") as company:
        numbers = torch.ones(3)
        company.add_up([numbers])
        assert torch.equal(numbers, torch.ones(3))
        assert company.told("yes") == "yes"
        assert company.leads

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch

from studio.core.errors import StorageError
from studio.training.workshop.checkpoint import (
    CURRENT,
    CURVE,
    Curve,
    load_best,
    load_checkpoint,
    save_best,
    save_checkpoint,
)


def state(step: int) -> dict[str, object]:
    return {"step": step, "network": {"w": torch.full((100,), float(step))}}


def test_the_last_state_comes_back(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path) == (None, "")
    for step in (1, 2):
        save_checkpoint(tmp_path, state(step))
    loaded, fault = load_checkpoint(tmp_path)
    assert loaded is not None
    assert (loaded["step"], fault) == (2, "")
    assert torch.equal(loaded["network"]["w"], torch.full((100,), 2.0))


@pytest.mark.parametrize("kept", [0, 10, 300])
def test_a_damaged_state_gives_way_to_the_one_before(tmp_path: Path, kept: int) -> None:
    for step in (1, 2):
        save_checkpoint(tmp_path, state(step))
    file = tmp_path / CURRENT
    file.write_bytes(file.read_bytes()[:kept])
    loaded, fault = load_checkpoint(tmp_path)
    assert loaded is not None
    assert loaded["step"] == 1
    assert "damaged" in fault


def test_a_full_disk_keeps_the_last_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, state(1))

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="disk is full"):
        save_checkpoint(tmp_path, state(2))
    loaded, _ = load_checkpoint(tmp_path)
    assert loaded is not None
    assert loaded["step"] == 1
    assert [file.name for file in tmp_path.iterdir()] == [CURRENT]


def test_a_kill_before_the_new_name_is_given_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two renames the state before stands under its second name alone."""
    save_checkpoint(tmp_path, state(1))
    replace = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if self.name.endswith(".part"):
            raise SystemExit
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(SystemExit):
        save_checkpoint(tmp_path, state(2))
    loaded, _ = load_checkpoint(tmp_path)
    assert loaded is not None
    assert loaded["step"] == 1


def test_a_checkpoint_runs_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"step": 1, "network": Evil()}, tmp_path / CURRENT)
    loaded, fault = load_checkpoint(tmp_path)
    assert loaded is None
    assert "damaged" in fault
    assert not (tmp_path / "ran").exists()


def test_the_best_weights_come_back(tmp_path: Path) -> None:
    assert load_best(tmp_path) is None
    save_best(tmp_path, {"w": torch.ones(3)})
    best = load_best(tmp_path)
    assert best is not None
    assert torch.equal(best["w"], torch.ones(3))


def test_a_curve_goes_on_where_the_checkpoint_was(tmp_path: Path) -> None:
    curve = Curve(tmp_path, keep_until=0)
    for step in range(1, 6):
        curve.add(step=step, nats=1 / step)
    with (tmp_path / CURVE).open("a") as stream:
        stream.write('{"step": 6, "na')
    curve = Curve(tmp_path, keep_until=3)
    curve.add(step=4, nats=9.0)
    lines = (tmp_path / CURVE).read_text().splitlines()
    assert len(lines) == 4
    assert lines[-1] == '{"step": 4, "nats": 9.0}'
    Curve(tmp_path, keep_until=0)
    assert (tmp_path / CURVE).read_text() == ""

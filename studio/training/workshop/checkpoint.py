"""The state of a run on disk.

Owns the checkpoint and the one before it, the weights that were best so far, and the curve of
losses. Every file is whole or not there: a kill while one is written leaves the one before.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from studio.core.errors import StorageError
from studio.core.storage import shown_path, sync_folder, write_atomically

CURRENT, PREVIOUS, BEST = "checkpoint.pt", "checkpoint-previous.pt", "best.pt"
CURVE = "losses.jsonl"


def save_checkpoint(work: Path, state: dict[str, Any]) -> None:
    """Store a state; the one stored before it stays beside it.

    Raises:
        StorageError: It cannot be written; what was stored before is untouched.
    """

    def keep_previous() -> None:
        if (work / CURRENT).exists():
            (work / CURRENT).replace(work / PREVIOUS)

    save_state(work / CURRENT, state, before=keep_previous)


def save_best(work: Path, weights: dict[str, Tensor]) -> None:
    """Store the weights that were best so far.

    Raises:
        StorageError: They cannot be written.
    """
    save_state(work / BEST, {"weights": weights})


def load_checkpoint(work: Path) -> tuple[dict[str, Any] | None, str]:
    """The last state that can be read, None without one; and what was wrong with a later one."""
    fault = ""
    for name in (CURRENT, PREVIOUS):
        state, fault_here = _load(work / name)
        if state is not None:
            return state, fault
        fault = fault or fault_here
    return None, fault


def load_best(work: Path) -> dict[str, Tensor] | None:
    """The weights that were best so far, None without any."""
    state = load_state(work / BEST)
    return None if state is None else state["weights"]


def load_state(file: Path) -> dict[str, Any] | None:
    """What `save_state` stored; None where there is nothing, or nothing that can be read."""
    return _load(file)[0]


def save_state(file: Path, state: dict[str, Any], before: Callable[[], None] | None = None) -> None:
    """Store tensors and plain values under a name, whole or not at all.

    Args:
        file: The file.
        state: What to store.
        before: Called when all is written, before it takes its name.

    Raises:
        StorageError: It cannot be written.
    """
    part = file.with_name(f".{file.name}.part")
    try:
        with part.open("wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
        if before is not None:
            before()
        part.replace(file)
        sync_folder(file.parent)
    except (OSError, RuntimeError) as error:
        part.unlink(missing_ok=True)
        raise StorageError(_fault(file, error)) from error


class Curve:
    """The losses of every step, one JSON object a line; a run that goes on rewrites its end."""

    def __init__(self, work: Path, *, keep_until: int) -> None:
        """Go on after step `keep_until`; later lines are made again."""
        self._file = work / CURVE
        kept = []
        if keep_until and self._file.exists():
            for line in self._file.read_text(encoding="utf-8").splitlines():
                try:
                    if json.loads(line)["step"] <= keep_until:
                        kept.append(line)
                except (ValueError, KeyError, TypeError):
                    break  # a kill can leave half a line, the last
        write_atomically(self._file, "".join(line + "\n" for line in kept).encode())

    def add(self, **figures: object) -> None:
        """Append a line.

        Raises:
            StorageError: It cannot be written.
        """
        try:
            with self._file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(figures) + "\n")
        except OSError as error:
            raise StorageError(_fault(self._file, error)) from error


def _fault(file: Path, error: OSError | RuntimeError) -> str:
    # torch reports a failed write as a RuntimeError that lost the system's reason.
    full = not isinstance(error, OSError) or error.errno in (errno.ENOSPC, errno.EDQUOT)
    reason = "the disk is full" if full else str(error.args[-1])
    return (
        f"{shown_path(file)} was not written, {reason}: free some space and give the same command "
        "again; the last checkpoint is kept."
    )


def _load(file: Path) -> tuple[dict[str, Any] | None, str]:
    if not file.exists():
        return None, ""
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - what a damaged file can raise is listed nowhere
        return None, f"{shown_path(file)} is damaged ({type(error).__name__})"
    return (state, "") if isinstance(state, dict) else (None, f"{shown_path(file)} is damaged")

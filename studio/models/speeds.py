"""How fast this machine runs a model in each precision, measured once.

Owns a small file of measurements, each valid for one machine and one shape of model. It is a
cache: a damaged file is begun anew, and a folder that cannot be written costs time only. It
measures nothing itself.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

from studio.core.errors import StorageError
from studio.core.storage import write_atomically

MAX_ENTRIES = 200
_MAX_FILE_BYTES = 2**20


class Speeds:
    """Remembers measurements.

    Args:
        file: Where; its folder is made when the first one is kept. None remembers nothing.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def of(
        self, model: str, machine: str, measure: Callable[[], Mapping[str, float]]
    ) -> Mapping[str, float]:
        """Seconds of a decoder's step in each precision.

        Args:
            model: The model's shape.
            machine: The machine, and what computes on it.
            measure: Finds them out, when nobody has yet.
        """
        key = f"{model} on {machine}"
        known = self.known()
        if key in known:
            return known[key]
        measured = dict(measure())
        self._keep({**known, key: measured})
        return measured

    def known(self) -> dict[str, dict[str, float]]:
        """Every measurement: "shape on machine" to seconds by precision."""
        if self._file is None:
            return {}
        try:
            if self._file.stat().st_size > _MAX_FILE_BYTES:
                return {}
            stored = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(stored, dict):
            return {}
        return {key: entry for key, entry in stored.items() if _is_entry(entry)}

    def _keep(self, measurements: Mapping[str, Mapping[str, float]]) -> None:
        if self._file is None:
            return
        newest = dict(list(measurements.items())[-MAX_ENTRIES:])
        with contextlib.suppress(OSError, StorageError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._file, json.dumps(newest, indent=1).encode())


def _is_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and bool(entry)
        and all(
            isinstance(seconds, float) and math.isfinite(seconds) and seconds > 0
            for seconds in entry.values()
        )
    )

"""What was found out about this machine and its models, measured once.

Owns a small file of measurements. It is a cache: a damaged file is begun anew, and a folder that
cannot be written costs time only; where there is no library, none is made. It measures nothing
itself.
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


class Measurements:
    """Remembers measurements.

    Args:
        file: Where; its folder is made when the first one is kept. None remembers nothing.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file

    def of(self, question: str, measure: Callable[[], Mapping[str, float]]) -> Mapping[str, float]:
        """The answer to a question, one number for each of several candidates.

        Args:
            question: Everything that the answer depends on, in words.
            measure: Finds it out, when nobody has yet.
        """
        known = self.known()
        if question in known:
            return known[question]
        measured = dict(measure())
        self._keep({**known, question: measured})
        return measured

    def note(self, question: str, answer: Mapping[str, float]) -> None:
        """Remember an answer that was found out otherwise, in place of an older one."""
        others = {key: entry for key, entry in self.known().items() if key != question}
        self._keep({**others, question: dict(answer)})

    def known(self) -> dict[str, dict[str, float]]:
        """Every answer by its question."""
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
            self._file.parent.mkdir(exist_ok=True)
            write_atomically(self._file, json.dumps(newest, indent=1).encode())


def _is_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and bool(entry)
        and all(
            isinstance(number, float) and math.isfinite(number) and number >= 0
            for number in entry.values()
        )
    )

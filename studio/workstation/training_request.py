"""What is asked of a training, as a value that can be kept.

Owns the request, the rule for names, and its file in the work folder. It reads no sound and
imports no torch: the settings of a run are made from it in the child.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from studio.core.errors import InputError, TrainingError
from studio.core.storage import one_line, write_atomically
from studio.models.catalog import HOUSE
from studio.training.workshop.settings import Conditioners

REQUEST_FILE = "request.json"
_NAME = re.compile(r"\w[\w +-]{0,58}\w|\w")


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """A model, or an adapter for one, from a folder of sounds.

    Attributes:
        folder: The sounds, with all folders below it.
        name: Of the model that comes out; it is listed under it.
        base: Name or folder of the model that an adapter is trained for; None trains a model of
            its own.
        size: A name in `sizes.SIZES`; without meaning for an adapter.
        conditioners: What the model listens to, as in `TrainingSettings`.
        codec: Name or folder of the model whose codec is taken; an adapter keeps its base's.
        tune_codec_minutes: How long a copy of the codec is first fitted to the folder.
        rank: Of an adapter.
        minutes: How long to train.
        steps: How many steps instead.
        context_seconds: Length of a segment.
        batch: Segments a step.
        measure_every: Steps between measurements of held-out loss.
        preview_every: Steps between previews; 0 makes none.
        seed: Decides first weights, split and order.
        fresh: Forget a run of the same name that was stopped.
    """

    folder: Path
    name: str
    base: str | None = None
    size: str = "micro"
    conditioners: Conditioners = "auto"
    codec: str = HOUSE
    tune_codec_minutes: float = 0.0
    rank: int = 8
    minutes: float = 15.0
    steps: int | None = None
    context_seconds: float = 5.0
    batch: int = 8
    measure_every: int = 50
    preview_every: int = 250
    seed: int = 0
    fresh: bool = False

    def checked(self) -> Self:
        """The request itself, if its name and folder make sense; the rest is checked later.

        Raises:
            InputError: They do not.
        """
        if not str(self.folder).strip() or str(self.folder) == ".":
            raise InputError("Choose a folder of sounds first.")
        if not _NAME.fullmatch(self.name):
            raise InputError(
                f"{one_line(self.name)!r:.80} cannot be the name of a model; use letters, digits,"
                " spaces, - and +."
            )
        return self

    def keep(self, work: Path) -> None:
        """Write it into the work folder, for `kept_request`.

        Raises:
            StorageError: It cannot be written.
        """
        values = {**asdict(self), "folder": str(self.folder), "fresh": False}
        write_atomically(work / REQUEST_FILE, json.dumps(values, indent=1).encode())


def kept_request(work: Path) -> TrainingRequest | None:
    """The request of a run that was not finished; None without one that can be read."""
    try:
        values: Any = json.loads((work / REQUEST_FILE).read_text(encoding="utf-8"))
        known = {field.name for field in fields(TrainingRequest)}
        chosen = {name: value for name, value in values.items() if name in known}
        request = TrainingRequest(**{**chosen, "folder": Path(chosen["folder"])})
        return request.checked() if request.name == work.name else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, InputError, TrainingError):
        return None

"""The list of models that a person has added.

Owns its file: written whole, changed by one process at a time, and left alone when it is damaged.
It knows nothing of the models' own files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from studio.core.errors import ModelError
from studio.core.file_lock import held
from studio.core.storage import one_line, shown_path, write_atomically
from studio.models.catalog import ModelKind

_VERSION = 1
_MAX_BYTES = 2**20
_KINDS = ("text", "melody", "unconditional", "adapter")


@dataclass(frozen=True, kw_only=True)
class AddedModel:
    """One line of the list: a folder, and the facts read when it was added.

    Attributes:
        folder: Absolute path of the person's folder.
        size_megabytes: Of its weights, in units of a million bytes.
        sample_rate: In Hz; 0 for an adapter.
        channels: 1 is mono; 0 for an adapter.
        codebooks: Codes of one frame, over all channels; 0 for an adapter.
        kind: "text", "melody", "unconditional" or "adapter".
        base: The model that an adapter was made for, as far as it says; else "".
    """

    folder: str
    size_megabytes: int
    sample_rate: int
    channels: int
    codebooks: int
    kind: ModelKind
    base: str = ""


class Registry:
    """The list in one file.

    Args:
        file: The JSON file; made with the first model, in a folder that is made too.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> dict[str, AddedModel]:
        """The models by name, none before the first was added.

        Raises:
            ModelError: The file is damaged; it is left as it is.
        """
        try:
            if self._file.stat().st_size > _MAX_BYTES:
                raise self._fault("it is too large")
            stored = json.loads(self._file.read_text(encoding="utf-8"))
            return {str(name): _model(facts) for name, facts in stored["models"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            raise self._fault(str(error)) from error

    @contextmanager
    def changing(self) -> Iterator[dict[str, AddedModel]]:
        """The models by name, to be changed in place; stored when the block ends well.

        Raises:
            ModelError: The file is damaged; it is left as it is.
            StorageError: It cannot be written; the old one is kept.
        """
        with held(self._file.with_name(".models.lock")):
            models = self.read()
            yield models
            listed = {name: asdict(models[name]) for name in sorted(models)}
            text = json.dumps({"version": _VERSION, "models": listed}, indent=2) + "\n"
            write_atomically(self._file, text.encode())

    def _fault(self, reason: str) -> ModelError:
        return ModelError(
            f"The list of added models {shown_path(self._file)} is not usable"
            f' ({one_line(reason):.120}); delete it and add them again with "studio models add".'
        )


def _model(stored: dict[str, Any]) -> AddedModel:
    # Lists from before there were adapters name no base.
    facts = {"base": ""} | stored
    model = AddedModel(**{field.name: facts[field.name] for field in fields(AddedModel)})
    numbers = (model.size_megabytes, model.sample_rate, model.channels, model.codebooks)
    whole = all(type(number) is int for number in numbers)
    text = type(model.folder) is str and type(model.base) is str
    if not text or not whole or model.kind not in _KINDS:
        raise ValueError("a model's facts are of another type")
    return model

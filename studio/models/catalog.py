"""Which models there are and where they lie.

Owns the names of known models and the way from a name to a folder. It never downloads: models
other than the embedded one are found where Hugging Face's own tools have put them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from studio.core.errors import ModelError
from studio.core.paths import resources_dir

HOUSE = "house"
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class KnownModel:
    """One entry of the catalogue.

    Attributes:
        name: What a person types.
        licence: SPDX name of the licence of its weights.
        size_megabytes: Of its weights on disk.
        sample_rate: In Hz.
        channels: 1 is mono.
        embedded: Whether it comes with the program.
    """

    name: str
    licence: str
    size_megabytes: int
    sample_rate: int = 32_000
    channels: int = 1
    embedded: bool = False


_KNOWN = (
    KnownModel(name=HOUSE, licence="MIT", size_megabytes=25, embedded=True),
    KnownModel(name="facebook/musicgen-small", licence="CC-BY-NC-4.0", size_megabytes=2_400),
    KnownModel(name="facebook/musicgen-medium", licence="CC-BY-NC-4.0", size_megabytes=8_000),
    KnownModel(name="facebook/musicgen-large", licence="CC-BY-NC-4.0", size_megabytes=13_700),
)


def known_models() -> tuple[KnownModel, ...]:
    """Every model with a name, the embedded one first."""
    return _KNOWN


def resolve_model(name_or_folder: str | Path) -> Path:
    """The folder of a model.

    Args:
        name_or_folder: A name in the catalogue, the `owner/name` of any model in the local
            Hugging Face cache, or a bundle folder.

    Raises:
        ModelError: There is no such model on this machine.
    """
    name = str(name_or_folder)
    if name == HOUSE:
        return resources_dir() / "models" / HOUSE
    folder = Path(name).expanduser()
    if name and folder.is_dir():
        return folder
    if _REPOSITORY.fullmatch(name):
        cached = _cached_snapshot(name)
        if cached is not None:
            return cached
        if any(model.name == name for model in _KNOWN):
            raise ModelError(
                f"The model {name} is not on this machine; fetch it with"
                f' "huggingface-cli download {name}" or choose "{HOUSE}".'
            )
    names = ", ".join(model.name for model in _KNOWN)
    raise ModelError(
        f"There is no model {name!r:.200}; choose {names}, or a folder with a config.json."
    )


def _cached_snapshot(repository: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None

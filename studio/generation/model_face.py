"""Models for scripts: `from studio import list_models, get_model, add_model`.

Owns these three functions over the person's own shelf of models. Only `get_model` opens a
connection, and only when it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from studio.core.errors import ModelError
from studio.core.paths import default_paths
from studio.models.hub.download import download, licence_of
from studio.models.shelf.shelf import ModelEntry, ModelShelf


def list_models() -> tuple[ModelEntry, ...]:
    """Every model of the catalogue, on this machine or not, and those that were added."""
    return _shelf().models()


def add_model(folder: str | Path, name: str | None = None) -> ModelEntry:
    """Give a model folder a name that `MusicGen.from_pretrained` and the window know.

    Args:
        folder: In Hugging Face's or audiocraft's format; it stays where it is.
        name: What to call it; None takes the folder's own name.

    Raises:
        ModelError: The folder is no usable model, or the name is not possible.
        StorageError: The list or the conversion cannot be written.
    """
    return _shelf().add(Path(folder), name)


def get_model(
    name: str,
    *,
    accept_licence: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Download a model into Hugging Face's cache, going on where an earlier try ended.

    Args:
        name: A name of the catalogue, or any `owner/name` of the family.
        accept_licence: The name of its licence, once you have read and accepted it; without it
            the error says which one that is.
        progress: Told (done, total) in bytes.

    Returns:
        The folder that `MusicGen.from_pretrained(name)` will open.

    Raises:
        ModelError: The licence was not accepted, there is no such model, or the Hub cannot be
            reached.
        StorageError: There is no room.
    """
    licence = licence_of(name)
    if accept_licence is None:
        raise ModelError(
            f"{name} is published under the licence {licence.name}, see {licence.url}; pass"
            f" accept_licence={licence.name!r} to accept it."
        )
    download(name, accepted_licence=accept_licence, progress=progress)
    return _shelf().resolve(name)


def _shelf() -> ModelShelf:
    return ModelShelf(default_paths().models_dir)

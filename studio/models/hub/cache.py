"""The folders where Hugging Face's tools keep what they downloaded.

Owns the layout of that cache (one folder for each repository with `refs`, `snapshots` and `blobs`)
and the rules by which a folder counts as a complete model. It imports no library of the Hub and
opens no connection.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from studio.core.errors import ModelError, StorageError
from studio.core.storage import shown_path

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{7,64}", re.ASCII)
MAIN = "main"
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
PICKLE = "pytorch_model.bin"
PICKLE_INDEX = "pytorch_model.bin.index.json"
AUDIOCRAFT_STATE = "state_dict.bin"
AUDIOCRAFT_CODEC = "compression_state_dict.bin"
_MAX_INDEX_BYTES = 32 * 2**20


def hub_cache() -> Path:
    """The cache in use, found as Hugging Face's tools find it.

    Each of `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`, `HF_HOME` and `XDG_CACHE_HOME` counts, in this
    order; without any it is `~/.cache/huggingface/hub`.
    """
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(variable):
            return _folder(os.environ[variable])
    if os.environ.get("HF_HOME"):
        return _folder(os.environ["HF_HOME"]) / "hub"
    caches = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return _folder(caches) / "huggingface" / "hub"


def _folder(text: str) -> Path:
    return Path(os.path.expandvars(text)).expanduser()


def is_repository(name: str) -> bool:
    """Whether a name has the form `owner/name`, so that it can neither lead out of the cache."""
    return REPOSITORY.fullmatch(name) is not None and ".." not in name and "--" not in name


def repository_folder(repository: str) -> Path:
    """Where everything of a repository lies.

    Raises:
        ModelError: The name is not `owner/name`.
    """
    if not is_repository(repository):
        raise ModelError(f"{repository!r:.120} is not the owner/name of a model.")
    return hub_cache() / f"models--{repository.replace('/', '--')}"


def snapshot_of(repository: str) -> Path | None:
    """The complete model of a repository that was downloaded last, None when there is none."""
    if not is_repository(repository):
        return None
    return _main_snapshot(repository_folder(repository))


def ownerless_snapshot_of(name: str) -> Path | None:
    """The same for a repository such as "t5-base", cached before it had an owner."""
    if "--" in name or not is_repository(f"owner/{name}"):
        return None
    return _main_snapshot(hub_cache() / f"models--{name}")


def _main_snapshot(folder: Path) -> Path | None:
    try:
        commit = (folder / "refs" / MAIN).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    if COMMIT.fullmatch(commit) is None:
        return None
    snapshot = folder / "snapshots" / commit
    return snapshot if holds_model(snapshot) else None


def holds_model(folder: Path) -> bool:
    """Whether every weight file of a model is in a folder, in any format; quick."""
    if holds_bundle(folder) or (folder / AUDIOCRAFT_STATE).is_file():
        return True
    return (folder / CONFIG).is_file() and _holds_weights(folder, PICKLE, PICKLE_INDEX)


def holds_bundle(folder: Path) -> bool:
    """Whether a folder has the Hugging Face layout: a configuration and all safetensors files."""
    return (folder / CONFIG).is_file() and _holds_weights(folder, WEIGHTS, WEIGHTS_INDEX)


def _holds_weights(folder: Path, whole: str, index: str) -> bool:
    if (folder / whole).is_file():
        return True
    shards = shard_names(folder / index)
    return bool(shards) and all((folder / name).is_file() for name in shards)


def shard_names(index: Path) -> tuple[str, ...]:
    """The files that an index of weights names, all plain names; empty for an unusable index."""
    try:
        if index.stat().st_size > _MAX_INDEX_BYTES:
            return ()
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        names = sorted(set(places))
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return ()
    plain = all(isinstance(name, str) and Path(name).name == name for name in names)
    return tuple(names) if plain else ()


def forget_repository(repository: str) -> bool:
    """Delete a repository from the cache.

    Returns:
        Whether there was anything to delete.

    Raises:
        ModelError: The name is not `owner/name`.
        StorageError: It cannot be deleted.
    """
    folder = repository_folder(repository)
    if not folder.is_dir():
        return False
    try:
        # Without its refs a half-deleted repository is not found any more.
        shutil.rmtree(folder / "refs", ignore_errors=True)
        shutil.rmtree(folder)
    except OSError as error:
        raise StorageError(
            f"{shown_path(folder)} was not deleted ({error.strerror or error}): close what uses it"
            " and try again."
        ) from error
    return True

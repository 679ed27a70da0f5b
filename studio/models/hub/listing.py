"""What the Hub says about a repository, and what of it is needed.

Owns reading that answer, which nobody vouches for, and the choice between a repository's formats.
It asks nothing itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from studio.core.errors import ModelError
from studio.core.storage import one_line
from studio.models.hub.cache import (
    AUDIOCRAFT_CODEC,
    AUDIOCRAFT_STATE,
    COMMIT,
    PICKLE,
    PICKLE_INDEX,
    WEIGHTS_INDEX,
)
from studio.models.hub.transfer import HubFile

NOT_STATED = "not stated"
_WEIGHTS = "model.safetensors"
_DESCRIPTIONS = (
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "prompting.json",
    "tokenizer.json",
)
_CHECKSUM = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_PLAIN_NAME = re.compile(r"\w[\w.-]{0,200}", re.ASCII)
_MAX_FILE_BYTES = 2**40
_MAX_LICENCE_CHARACTERS = 80


@dataclass(frozen=True, kw_only=True)
class Repository:
    """The newest version of a repository.

    Attributes:
        name: Its `owner/name`.
        commit: Of the version, in hex.
        licence: What its card states, or "not stated".
        files: By name; those in folders are left out, no model needs them.
    """

    name: str
    commit: str
    licence: str
    files: Mapping[str, HubFile]


def read_answer(name: str, answer: Any) -> Repository:
    """The repository that the answer of `/api/models/NAME/revision/main?blobs=true` describes.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: It is no such answer.
    """
    commit = answer["sha"]
    if not COMMIT.fullmatch(commit):
        raise ValueError("no commit")
    files = [_file(entry) for entry in answer["siblings"]]
    return Repository(
        name=name,
        commit=commit,
        licence=_stated_licence(answer.get("cardData")),
        files={file.name: file for file in files if file is not None},
    )


def choose_files(repository: Repository, shards: tuple[str, ...] = ()) -> list[HubFile]:
    """The files that a model needs: safetensors, else audiocraft's, else a pickle.

    Args:
        repository: Where from.
        shards: The weight files that its index names, once that was read.

    Raises:
        ModelError: There are no weights that can be used.
    """
    files = repository.files
    index = index_of(repository)
    if index is not None:
        lacking = [shard for shard in shards if shard not in files]
        if lacking:
            raise ModelError(f"{repository.name} lacks its file {one_line(lacking[0])!r:.80}.")
        return _present(files, *_DESCRIPTIONS, index.name, *shards)
    if _WEIGHTS in files:
        return _present(files, *_DESCRIPTIONS, _WEIGHTS)
    if AUDIOCRAFT_STATE in files:
        return _present(files, AUDIOCRAFT_STATE, AUDIOCRAFT_CODEC)
    if PICKLE in files:
        return _present(files, *_DESCRIPTIONS, PICKLE)
    raise ModelError(
        f"{repository.name} has no {_WEIGHTS} and no {AUDIOCRAFT_STATE}, so it is no model"
        " that can be used; choose another."
    )


def index_of(repository: Repository) -> HubFile | None:
    """The index of weights that lie in several files; None when they need none."""
    files = repository.files
    if _WEIGHTS in files:
        return None
    if WEIGHTS_INDEX in files:
        return files[WEIGHTS_INDEX]
    if AUDIOCRAFT_STATE in files or PICKLE in files:
        return None
    return files.get(PICKLE_INDEX)


def _present(files: Mapping[str, HubFile], *names: str) -> list[HubFile]:
    return [files[name] for name in names if name in files]


def _file(entry: Any) -> HubFile | None:
    """A file as the Hub lists it; None for one in a folder or with an odd name."""
    name = entry["rfilename"]
    if not isinstance(name, str) or not _PLAIN_NAME.fullmatch(name):
        return None
    lfs = entry.get("lfs")
    size = entry["size"] if lfs is None else lfs["size"]
    checksum = entry["blobId"] if lfs is None else lfs["sha256"]
    if type(size) is not int or not 0 <= size <= _MAX_FILE_BYTES:
        raise ValueError("a size")
    if not isinstance(checksum, str) or not _CHECKSUM.fullmatch(checksum):
        raise ValueError("a checksum")
    return HubFile(name=name, size=size, checksum=checksum)


def _stated_licence(card: Any) -> str:
    if not isinstance(card, dict):
        return NOT_STATED
    stated = card.get("license")
    if stated == "other":
        stated = card.get("license_name") or stated
    if isinstance(stated, list):
        stated = " + ".join(str(each) for each in stated)
    return (
        one_line(stated.strip())[:_MAX_LICENCE_CHARACTERS]
        if isinstance(stated, str) and stated
        else NOT_STATED
    )

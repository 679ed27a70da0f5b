"""Fetching models from the Hub, when a person asks for it.

Owns the product's only way to the network: what is asked of the Hub, which files of a repository
are needed, and the licence that must be accepted before. The files go into Hugging Face's usual
cache, where their other tools find them too. Nothing about this machine or its user is sent, but
for the access token of somebody who has logged in with Hugging Face's tools.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.core.errors import ModelError, StorageError
from studio.core.storage import one_line, shown_path, write_atomically
from studio.core.version import __version__
from studio.models.catalog import HOUSE, find_known
from studio.models.hub.cache import (
    MAIN,
    holds_bundle,
    hub_cache,
    is_repository,
    repository_folder,
    shard_names,
    snapshot_of,
)
from studio.models.hub.listing import Repository, choose_files, index_of, read_answer
from studio.models.hub.transfer import (
    HubFile,
    InterruptedTransferError,
    Request,
    Response,
    Watch,
    fetch,
    point,
)

TIMEOUT_SECONDS = 20.0
_ADDRESS = re.compile(r"https?://([\w.-]+|\[[0-9a-fA-F:.]+\])(:\d{1,5})?(/[\w./-]*)?", re.ASCII)
_TRUE = ("1", "ON", "YES", "TRUE")


@dataclass(frozen=True, kw_only=True)
class Licence:
    """Under which conditions a model may be used.

    Attributes:
        name: The licence's name, several joined by " + " for a model that needs parts under
            others; "not stated" when its card names none.
        url: The page that says so.
    """

    name: str
    url: str


def licence_of(name: str) -> Licence:
    """The licence of a model and of the parts that it needs.

    A name of the catalogue needs no connection, another's card is read from the Hub.

    Raises:
        ModelError: There is no such model, or the Hub cannot be reached.
    """
    return _licence(name, None)


def download(
    name: str,
    *,
    accepted_licence: str,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Path:
    """Fetch a model, and the parts that it needs, into Hugging Face's cache.

    What an interrupted download left is used; every file is compared with the checksum that the
    Hub states; and until all are there, a version fetched earlier stays the one in use.

    Args:
        name: A name of the catalogue, or the `owner/name` of another model of the family.
        accepted_licence: The name that `licence_of` gave.
        progress: Told (done, total) in bytes, on the caller's thread.
        cancelled: Asked for every piece that arrives.

    Returns:
        The folder of the model, as its author has published it.

    Raises:
        ModelError: The licence is another, there is no such model, it has no usable weights, the
            Hub cannot be reached, or a file arrived damaged.
        StorageError: There is no room, or no permission.
        CancelledError: `cancelled` said so; the next download goes on from there.
    """
    hub = _Hub()
    known = find_known(name)
    repository = None if known else hub.repository(_repository_name(name))
    licence = _licence(name, repository)
    if accepted_licence != licence.name:
        raise ModelError(
            f"The licence of {name} is {licence.name}, which was not accepted; nothing was fetched."
        )
    names = [_repository_name(name)]
    for part in () if known is None else known.parts:
        folder = snapshot_of(_repository_name(part))
        if folder is None or not holds_bundle(folder):
            names.append(_repository_name(part))
    plans = [_Plan(repository or hub.repository(names[0]), hub)]
    plans += [_Plan(hub.repository(part), hub) for part in names[1:]]
    for plan in plans:
        plan.read_index(Watch(name, 0, None, cancelled))
    watch = Watch(name, sum(plan.total_bytes for plan in plans), progress, cancelled)
    _require_room(name, sum(plan.missing_bytes for plan in plans))
    watch.show(0)
    # The model itself last: it counts as fetched only when its parts are there.
    return [plan.fetch_all(watch) for plan in reversed(plans)][-1]


def _repository_name(name: str) -> str:
    known = find_known(name)
    if name == HOUSE:
        raise ModelError("The model house comes with the program; there is nothing to fetch.")
    repository = name if known is None else known.repository
    if not is_repository(repository):
        raise ModelError(
            f"{one_line(name)!r:.120} is not the owner/name of a model on the Hub;"
            ' "studio models" lists those that are known.'
        )
    return repository


def _licence(name: str, repository: Repository | None) -> Licence:
    repository_name = _repository_name(name)
    known = find_known(name)
    if known is None:
        names = [(repository or _Hub().repository(repository_name)).licence]
    else:
        parts = [part for part in map(find_known, known.parts) if part is not None]
        names = [known.licence, *(part.licence for part in parts)]
    return Licence(name=" + ".join(dict.fromkeys(names)), url=f"{_endpoint()}/{repository_name}")


class _Plan:
    """The files to have of one repository."""

    def __init__(self, repository: Repository, hub: _Hub) -> None:
        self._repository = repository
        self._hub = hub
        self._folder = repository_folder(repository.name)
        self._snapshot = self._folder / "snapshots" / repository.commit
        self._files = choose_files(repository)

    @property
    def total_bytes(self) -> int:
        """Of all its files."""
        return sum(file.size for file in self._files)

    @property
    def missing_bytes(self) -> int:
        """Of those that are not in the cache, less what an interrupted download left."""
        blobs = self._folder / "blobs"
        missing = [file for file in self._files if not (blobs / file.checksum).is_file()]
        parts = [blobs / f"{file.checksum}.incomplete" for file in missing]
        there = sum(part.stat().st_size for part in parts if part.is_file())
        return max(0, sum(file.size for file in missing) - there)

    def read_index(self, watch: Watch) -> None:
        """Fetch the index of weights in several files, which names them."""
        index = index_of(self._repository)
        if index is not None:
            shards = shard_names(self._fetch(index, watch))
            if not shards:
                raise ModelError(f"{index.name} of {self._repository.name} names no weights.")
            self._files = choose_files(self._repository, shards)

    def fetch_all(self, watch: Watch) -> Path:
        """Fetch every file, then make this version the one in use."""
        for file in self._files:
            point(self._fetch(file, watch), self._snapshot / file.name)
        refs = self._folder / "refs"
        refs.mkdir(parents=True, exist_ok=True)
        write_atomically(refs / MAIN, self._repository.commit.encode())
        return self._snapshot

    def _fetch(self, file: HubFile, watch: Watch) -> Path:
        locks = hub_cache() / ".locks" / self._folder.name
        request = self._hub.file_request(self._repository, file.name)
        return fetch(file, self._folder / "blobs", locks / f"{file.checksum}.lock", request, watch)


class _Hub:
    """The connection, made by Hugging Face's own library with its settings and token.

    Raises:
        ModelError: `HF_HUB_OFFLINE` is set.
    """

    def __init__(self) -> None:
        for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
            if os.environ.get(variable, "").upper() in _TRUE:
                raise ModelError(f"Nothing is fetched while {variable} is set; unset it first.")
        # Only now: the library takes its time, and everything else does without it.
        from huggingface_hub import get_session, get_token

        self._session: Any = get_session()
        # Its own user agent would name installed packages and what started this process.
        self._headers = {"user-agent": f"seedcrate/{__version__}"}
        if os.environ.get("HF_HUB_DISABLE_IMPLICIT_TOKEN", "").upper() not in _TRUE:
            token = get_token()
            if token:
                self._headers["authorization"] = f"Bearer {token}"

    def repository(self, name: str) -> Repository:
        """What the Hub says about a repository's newest version.

        Raises:
            ModelError: There is none, it is not for everybody, or the Hub cannot be reached.
        """
        url = f"{_endpoint()}/api/models/{name}/revision/{MAIN}?blobs=true"
        try:
            with self._answering():
                response = self._session.get(url, headers=self._headers, timeout=TIMEOUT_SECONDS)
        except InterruptedTransferError as error:
            raise ModelError(
                f"{_endpoint()} cannot be reached ({one_line(str(error)):.160}); check the"
                f" connection and fetch {name} again."
            ) from error
        _require_access(name, response.status_code)
        try:
            return read_answer(name, response.json())
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{_endpoint()} gave an answer about {name} that cannot be understood"
                f" ({one_line(str(error)):.80}); check HF_ENDPOINT."
            ) from error

    def file_request(self, repository: Repository, file: str) -> Request:
        """What sends for a file of a repository."""
        url = f"{_endpoint()}/{repository.name}/resolve/{repository.commit}/{file}"

        @contextmanager
        def request(headers: Mapping[str, str]) -> Iterator[Response]:
            with (
                self._answering(),
                self._session.stream(
                    "GET", url, headers={**self._headers, **headers}, timeout=TIMEOUT_SECONDS
                ) as response,
            ):
                if response.status_code in (401, 403, 404):
                    _require_access(repository.name, response.status_code)
                yield response

        return request

    @contextmanager
    def _answering(self) -> Iterator[None]:
        from huggingface_hub.errors import (  # type: ignore[attr-defined] # that of its own client
            HTTPError,
            OfflineModeIsEnabled,
        )

        try:
            yield
        except (HTTPError, OfflineModeIsEnabled) as error:
            raise InterruptedTransferError(str(error) or type(error).__name__) from error


def _endpoint() -> str:
    """The Hub's address; `HF_ENDPOINT` names another.

    Raises:
        ModelError: It is no address.
    """
    endpoint = (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
    if not _ADDRESS.fullmatch(endpoint):
        raise ModelError(
            f"HF_ENDPOINT is {one_line(endpoint):.120}, which is no address; unset it, or give one"
            " such as https://huggingface.co."
        )
    return endpoint


def _require_access(name: str, status: int) -> None:
    page = f"{_endpoint()}/{name}"
    if status == 404:
        raise ModelError(f"There is no model {name} at {_endpoint()}; check the name.")
    if status in (401, 403):
        raise ModelError(
            f"{page} is not open to everybody, or does not exist; agree to its terms there, log in"
            ' with "hf auth login", and fetch it again.'
        )
    if status != 200:
        raise ModelError(f"{page} answered {status}; fetch it again later.")


def _require_room(name: str, needed_bytes: int) -> None:
    folder = hub_cache()
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes > free_bytes:
        raise StorageError(
            f"There is no room for {name}: it needs {needed_bytes / 1e9:.1f} GB more and"
            f" {shown_path(hub_cache())} has {free_bytes / 1e9:.1f} GB; free some space, or set"
            " HF_HOME to a folder on another disk."
        )

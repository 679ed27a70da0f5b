"""A Hub of our own on this machine: what the real one answers, over plain HTTP."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SMALL_BYTES = 100_000
PIECE_BYTES = 2**16


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    path: str
    start: int
    headers: dict[str, str]


@dataclass
class HubServer:
    """The repositories, and how the server shall misbehave.

    Attributes:
        repositories: The contents of every file by `owner/name` and file name.
        licences: What the cards state, by `owner/name`.
        commits: The newest commit by `owner/name`.
        asked: Every request, in order.
        status: Answer everything with this instead, 0 for none.
        stop_after: Drop the connection after so many bytes of a large file, once for each entry.
        damaged: Names of files whose bytes arrive changed.
        redirects: Serve large files at another address, as the Hub does.
        ignores_ranges: Send a file from its beginning whatever is asked for.
        seconds_per_piece: Wait so long after every 64 KB.
    """

    url: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    licences: dict[str, Any] = field(default_factory=dict)
    commits: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    status: int = 0
    stop_after: list[int] = field(default_factory=list)
    damaged: set[str] = field(default_factory=set)
    redirects: bool = True
    ignores_ranges: bool = False
    seconds_per_piece: float = 0.0

    def publish(
        self, name: str, folder: Path | dict[str, bytes], *, licence: Any = None, version: int = 1
    ) -> None:
        """Make a folder's files the newest version of a repository."""
        if isinstance(folder, Path):
            folder = {file.name: file.read_bytes() for file in folder.iterdir()}
        self.repositories[name] = dict(folder)
        self.licences[name] = licence
        self.commits[name] = hashlib.sha1(f"{name} {version}".encode()).hexdigest()

    def files_asked(self) -> list[str]:
        """The names of the files that were asked for, in order."""
        return [asked.path.rsplit("/", 1)[-1] for asked in self.asked if "/resolve/" in asked.path]


def checksum(content: bytes) -> str:
    """SHA-256 for large files, git's SHA-1 for small ones."""
    if len(content) > SMALL_BYTES:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@contextlib.contextmanager
def running_hub() -> Iterator[HubServer]:
    """A server on a free port, gone at the end."""
    hub = HubServer()

    class Handler(_Handler):
        served = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    served: HubServer

    def log_message(self, *what: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        hub = self.served
        path = self.path.split("?")[0]
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        headers = {name.lower(): value for name, value in self.headers.items()}
        hub.asked.append(Asked(self.path, start, headers))
        if hub.status:
            self._answer(hub.status, b"no")
        elif path.startswith("/api/models/"):
            name = path.removeprefix("/api/models/").removesuffix("/revision/main")
            if name in hub.repositories:
                self._answer(200, json.dumps(self._about(name)).encode())
            else:
                self._answer(404, b'{"error": "Repository not found"}')
        else:
            name, _, rest = path.removeprefix("/cdn").strip("/").partition("/resolve/")
            commit, _, file = rest.partition("/")
            content = hub.repositories.get(name, {}).get(file)
            if content is None or commit != hub.commits[name]:
                self._answer(404, b"Entry not found")
            else:
                self._send(name, file, content, start, path)

    def _about(self, name: str) -> dict[str, Any]:
        hub = self.served
        siblings = []
        for file, content in hub.repositories[name].items():
            facts: dict[str, Any] = {"rfilename": file, "size": len(content), "blobId": "0" * 40}
            if len(content) > SMALL_BYTES:
                facts["lfs"] = {
                    "sha256": checksum(content), "size": len(content), "pointerSize": 135,
                }  # fmt: skip
            else:
                facts["blobId"] = checksum(content)
            siblings.append(facts)
        siblings.append({"rfilename": "assets/a picture.png", "size": 3, "blobId": "0" * 40})
        card = {} if hub.licences[name] is None else {"cardData": {"license": hub.licences[name]}}
        return {"id": name, "sha": hub.commits[name], "siblings": siblings, **card}

    def _send(self, name: str, file: str, content: bytes, start: int, path: str) -> None:
        hub = self.served
        large = len(content) > SMALL_BYTES
        facts = {"ETag": f'"{checksum(content)}"', "X-Repo-Commit": hub.commits[name]}
        if large and hub.redirects and not path.startswith("/cdn"):
            facts["X-Linked-Etag"] = facts["ETag"]
            self._answer(302, b"", {**facts, "Location": f"{hub.url}/cdn{path}"})
            return
        if file in hub.damaged:
            content = bytes(255 - byte for byte in content)
        status = 200
        if start and not hub.ignores_ranges:
            if start >= len(content):
                self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
                return
            status = 206
            facts["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content = content[start:]
        dropped = hub.stop_after.pop(0) if large and hub.stop_after else None
        self._answer(status, content, facts, dropped)

    def _answer(
        self,
        status: int,
        content: bytes,
        headers: dict[str, str] | None = None,
        dropped: int | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        content = content[:dropped]
        with contextlib.suppress(ConnectionError):
            for start in range(0, len(content), PIECE_BYTES):
                self.wfile.write(content[start : start + PIECE_BYTES])
                time.sleep(self.served.seconds_per_piece)
        self.close_connection = True

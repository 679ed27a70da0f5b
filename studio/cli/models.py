"""`studio models`: which models there are, and fetching, adding and removing them.

Owns the table, the question about a licence and the progress line of a download. `get` is the
only verb of the program that opens a connection.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from studio.cli.context import Context, print_json, say
from studio.cli.generate import adapter_use
from studio.core.errors import InputError, ModelError
from studio.core.storage import one_line
from studio.generation.remaining import RemainingTime, clock
from studio.models.adapters import check_strength
from studio.models.catalog import find_known
from studio.models.shelf.exports import FORMATS, export_model
from studio.models.shelf.shelf import ModelEntry, ModelShelf

_BAR_CHARACTERS = 30
_LEAST_SECONDS = 0.1
_CLEAR = "\r\x1b[K"
_CHANNELS = {0: "", 1: "mono", 2: "stereo"}
_ROW = "{:<39} {:<13} {:>7} {:<6} {:<6} {:<12} {}"


def add_parser(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser("models", help="list, fetch, add, export and remove models")
    parser.add_argument("--json", action="store_true", help="one JSON object per model on stdout")
    parser.set_defaults(run=run, function=_list)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")

    getting = actions.add_parser("get", help="download a model, after showing its licence")
    getting.add_argument("name", metavar="NAME")
    getting.add_argument(
        "--accept-licence", action="store_true", help="accept the licence without being asked"
    )
    getting.set_defaults(function=_get)

    adding = actions.add_parser("add", help="give a model or adapter folder of your own a name")
    adding.add_argument("folder", metavar="FOLDER", type=Path)
    adding.add_argument("--name", metavar="N", help="what to call it (the folder's name)")
    adding.set_defaults(function=_add)

    exporting = actions.add_parser("export", help="write a model for other programs")
    exporting.add_argument("name", metavar="NAME")
    exporting.add_argument(
        "--format", choices=FORMATS, required=True, help="which program's folder to write"
    )
    exporting.add_argument("--output", metavar="FOLDER", type=Path, required=True, help="where")
    exporting.add_argument(
        "--adapter",
        dest="adapters",
        action="append",
        type=adapter_use,
        default=[],
        metavar="NAME[:S]",
        help="adapter to add to its weights for good, and how much (1)",
    )
    exporting.add_argument(
        "--without-words",
        action="store_true",
        help="audiocraft: leave out a text encoder of the model's own",
    )
    exporting.set_defaults(function=_export)

    removing = actions.add_parser("remove", help="forget an added model, delete a downloaded one")
    removing.add_argument("name", metavar="NAME")
    removing.set_defaults(function=_remove)

    for action in (getting, adding):
        action.add_argument(
            "--json",
            action="store_true",
            # Without a default of its own it leaves a --json before the action in force.
            default=argparse.SUPPRESS,
            help="the model as one JSON object on stdout",
        )


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Do it.

    Raises:
        InputError: Flags do not fit each other.
        ModelError: There is no such model, or it cannot be fetched, added, exported or removed.
        StorageError: There is no room, or no permission.
    """
    shelf = ModelShelf(context.models_dir, on_notice=say)
    return int(arguments.function(arguments, shelf))


def _list(arguments: argparse.Namespace, shelf: ModelShelf) -> int:
    entries = shelf.models()
    if arguments.json:
        for entry in entries:
            print_json(row(entry))
        return 0
    print(_ROW.format("name", "kind", "size", "rate", "", "licence", "on disk"))
    for entry in entries:
        print(_line(entry))
        if entry.path is not None:
            made_for = f", for {one_line(entry.base)}" if entry.base else ""
            print(f"    {one_line(str(entry.path))}{made_for}")
    return 0


def _get(arguments: argparse.Namespace, shelf: ModelShelf) -> int:
    # Only now: the other actions open no connection.
    from studio.models.hub.download import download, licence_of

    name = arguments.name
    licence = licence_of(name)
    terms = f"{name} is published under the licence {licence.name}, see {licence.url}"
    if not arguments.accept_licence:
        _ask(terms, name)
    else:
        say(f"{terms}.")
    with _DownloadBar(name) as bar:
        download(name, accepted_licence=licence.name, progress=bar.show)
    folder = shelf.resolve(name)
    if arguments.json:
        print_json({"name": name, "licence": licence.name, "path": str(folder)})
    else:
        print(folder)
    return 0


def _ask(terms: str, name: str) -> None:
    """Have the licence accepted by somebody at a terminal.

    Raises:
        ModelError: Nobody is there, or they did not accept.
    """
    if not sys.stdin.isatty():
        raise ModelError(f"{terms}; add --accept-licence to accept it.")
    known = find_known(name)
    size = "" if known is None else f" ({_size(known.size_megabytes)})"
    say(f"{terms}.")
    print(f"Accept it and fetch the model{size}? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise ModelError(f"The licence of {name} was not accepted; nothing was fetched.")


def _add(arguments: argparse.Namespace, shelf: ModelShelf) -> int:
    entry = shelf.add(arguments.folder, arguments.name)
    if arguments.json:
        print_json(row(entry))
    else:
        print(_line(entry))
    return 0


def _export(arguments: argparse.Namespace, shelf: ModelShelf) -> int:
    if arguments.without_words and arguments.format != "audiocraft":
        raise InputError("--without-words is for --format audiocraft; leave it out.")
    for adapter, strength in arguments.adapters:
        check_strength(adapter, strength)
    export_model(
        shelf,
        arguments.name,
        arguments.output,
        arguments.format,
        adapters=arguments.adapters,
        words=not arguments.without_words,
    )
    print(arguments.output)
    return 0


def _remove(arguments: argparse.Namespace, shelf: ModelShelf) -> int:
    shelf.remove(arguments.name)
    return 0


def row(entry: ModelEntry) -> dict[str, Any]:
    """What `--json` says about a model."""
    return {
        "name": entry.name,
        "kind": entry.kind,
        "size_megabytes": entry.size_megabytes,
        "sample_rate": entry.sample_rate,
        "channels": entry.channels,
        "codebooks": entry.codebooks,
        "licence": entry.licence,
        "embedded": entry.embedded,
        "registered": entry.registered,
        "on_disk": entry.path is not None,
        "path": None if entry.path is None else str(entry.path),
        "base": entry.base,
    }


def _line(entry: ModelEntry) -> str:
    rate = f"{entry.sample_rate / 1000:g} kHz" if entry.sample_rate else ""
    channels = _CHANNELS.get(entry.channels, str(entry.channels))
    on_disk = "yes" if entry.path is not None else "no"
    size = _size(entry.size_megabytes)
    facts = (one_line(entry.name), entry.kind, size, rate, channels, entry.licence, on_disk)
    return _ROW.format(*facts)


def _size(megabytes: int) -> str:
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes} MB"


class _DownloadBar:
    """One line on stderr while a model comes; nothing when stderr is no terminal."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._remaining = RemainingTime()
        self._visible = sys.stderr.isatty()
        self._drawn_at = float("-inf")

    def __enter__(self) -> _DownloadBar:
        return self

    def __exit__(self, *error: object) -> None:
        if self._visible:
            print(_CLEAR, end="", file=sys.stderr, flush=True)

    def show(self, done_bytes: int, total_bytes: int) -> None:
        """Draw how far the download is."""
        now = time.monotonic()
        if not self._visible or now - self._drawn_at < _LEAST_SECONDS:
            return
        self._drawn_at = now
        left = self._remaining.update(done_bytes, total_bytes, now)
        part = done_bytes / max(total_bytes, 1)
        full = round(part * _BAR_CHARACTERS)
        line = "#" * full + "." * (_BAR_CHARACTERS - full)
        text = f"{part:4.0%} of {_size(round(total_bytes / 1e6))}"
        text += "" if left is None else f", {clock(left)} left"
        print(f"{_CLEAR}{self._name} [{line}] {text}", end="", file=sys.stderr, flush=True)

"""`studio library`: import, search, tag, export and check, without the window.

Owns these verbs' flags and what they print. A library that is open in a window may be used at the
same time.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cli.context import Context, print_json, say
from studio.core.errors import InputError

if TYPE_CHECKING:
    from studio.library.records import SampleRecord
    from studio.workstation.workstation import Workstation


def add_parser(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser("library", help="import, search, tag, export, check")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    importing = actions.add_parser("import", help="take files and folders into the library")
    importing.add_argument("paths", nargs="+", type=Path, metavar="PATH")

    searching = actions.add_parser(
        "search", help='find samples: words and terms such as "bpm:120-130 key:Am tag:dark"'
    )
    searching.add_argument("query", nargs="*", metavar="QUERY")
    searching.add_argument("--limit", type=int, default=200, metavar="N", help="rows (200)")
    searching.add_argument("--order", default="newest", help="newest, name, tempo, rating, ...")

    tagging = actions.add_parser("tag", help="change the tags of samples")
    tagging.add_argument("ids", nargs="+", type=int, metavar="ID")
    tagging.add_argument("--add", action="append", default=[], metavar="TAG")
    tagging.add_argument("--remove", action="append", default=[], metavar="TAG")

    exporting = actions.add_parser("export", help="permanent WAV copies for a DAW")
    exporting.add_argument("ids", nargs="+", type=int, metavar="ID")

    checking = actions.add_parser("check", help="compare the database with the files")
    checking.add_argument("--deep", action="store_true", help="compare the bytes of every file too")

    for action, function in (
        (importing, _import),
        (searching, _search),
        (tagging, _tag),
        (exporting, _export),
        (checking, _check),
    ):
        action.add_argument("--json", action="store_true", help="JSON on stdout")
        action.set_defaults(run=run, function=function)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Do it.

    Raises:
        StudioError: As the library raises it.
    """
    from studio.workstation.workstation import Workstation

    with Workstation(context.paths, context.settings) as workstation:
        return int(arguments.function(arguments, workstation))


def _import(arguments: argparse.Namespace, workstation: Workstation) -> int:
    for path in arguments.paths:
        if not path.exists():
            raise InputError(f"{path} does not exist; check the name and the folder.")
    report = workstation.import_files(arguments.paths).result()
    for record in workstation.get_many(report.ids):
        _show(record, workstation, as_json=arguments.json)
    for path, sample_id in report.duplicates.items():
        say(f"{path} is in the library already, as {sample_id}.")
    for skipped in report.skipped:
        say(f"Not imported: {skipped.reason}")
    return 1 if report.skipped else 0


def _search(arguments: argparse.Namespace, workstation: Workstation) -> int:
    if arguments.limit < 1:
        raise InputError(f"--limit must be 1 or more, not {arguments.limit}.")
    found = workstation.search(
        " ".join(arguments.query), limit=arguments.limit, order=arguments.order
    )
    for record in found:
        _show(record, workstation, as_json=arguments.json)
    return 0


def _tag(arguments: argparse.Namespace, workstation: Workstation) -> int:
    if not arguments.add and not arguments.remove:
        raise InputError("Say what to change: --add TAG or --remove TAG.")
    for sample_id in arguments.ids:
        workstation.get(sample_id)
    if arguments.add:
        workstation.add_tags(arguments.ids, arguments.add).result()
    if arguments.remove:
        workstation.remove_tags(arguments.ids, arguments.remove).result()
    for record in workstation.get_many(arguments.ids):
        _show(record, workstation, as_json=arguments.json)
    return 0


def _export(arguments: argparse.Namespace, workstation: Workstation) -> int:
    for sample_id in arguments.ids:
        (path,) = workstation.export_for_drag([sample_id])
        if arguments.json:
            print_json({"id": sample_id, "path": str(path)})
        else:
            print(path)
    return 0


def _check(arguments: argparse.Namespace, workstation: Workstation) -> int:
    report = workstation.check_library(deep=arguments.deep)
    if arguments.json:
        print_json({"ok": report.ok, **asdict(report)})
    else:
        for problem in report.problems:
            print(problem)
        print(f"{report.samples} samples, {len(report.problems)} problems")
    return 0 if report.ok else 1


def _show(record: SampleRecord, workstation: Workstation, *, as_json: bool) -> None:
    path = workstation.path(record)
    if as_json:
        print_json(row(record, path))
        return
    facts = [f"{record.tempo_bpm:g} bpm" if record.tempo_bpm else "", record.key or ""]
    facts.append(f"{record.bars} bars" if record.bars else f"{record.duration_seconds:.2f} s")
    print("\t".join([str(record.id), record.name, " ".join(filter(None, facts)), str(path)]))


def row(record: SampleRecord, path: Path) -> dict[str, Any]:
    """What `--json` says about a sample."""
    return {
        "path": str(path),
        "id": record.id,
        "name": record.name,
        "origin": record.origin,
        "seed": record.seed,
        "model": record.model,
        "model_hash": record.model_hash,
        "prompt": record.prompt,
        "bpm": record.tempo_bpm,
        "key": record.key,
        "bars": record.bars,
        "frames": record.frames,
        "sample_rate": record.sample_rate,
        "channels": record.channels,
        "seconds": round(record.duration_seconds, 6),
        "tags": list(record.tags),
        "favourite": record.favourite,
        "rating": record.rating,
        "content_hash": record.content_hash,
        "created_at": record.created_at,
        "missing": record.missing,
    }

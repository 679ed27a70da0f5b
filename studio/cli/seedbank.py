"""`studio seedbank`: takes that come with the program, or that others have picked.

Owns the verb's flags and what it prints; `generation.seed_bank` owns the file's form.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.cli.context import Context, print_json
from studio.cli.making import add_keeping_flags, check_keeping, opened_library, sound_all
from studio.cli.outputs import check_folder, check_output
from studio.cli.stored_take import sample_take
from studio.core.errors import InputError
from studio.core.storage import one_line
from studio.generation.request import MAX_COUNT, GenerationRequest

if TYPE_CHECKING:
    from studio.generation.coded_take import CodedTake

_CANDIDATES, _KEPT = 192, 64


def add_parser(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser("seedbank", help="banks of picked takes: list, show, add, save, pick")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help="the banks that come with the program")
    listing.add_argument("--json", action="store_true", help="JSON on stdout")

    showing = actions.add_parser("show", help="the takes of a bank")
    showing.add_argument("--json", action="store_true", help="JSON on stdout")

    adding = actions.add_parser("add", help="takes of a bank into the library, or as files")
    adding.add_argument(
        "--take",
        type=int,
        action="append",
        metavar="N",
        help="its number, may be given again (all takes)",
    )
    add_keeping_flags(adding)
    for action in (showing, adding):
        action.add_argument("bank", metavar="BANK", help="its name, or an .npz file")

    saving = actions.add_parser("save", help="a bank of takes that were made here")
    saving.add_argument("file", type=Path, metavar="FILE", help=".npz file to write")
    saving.add_argument("ids", type=int, nargs="+", metavar="ID", help="their samples")
    saving.add_argument("--json", action="store_true", help="JSON on stdout")

    picking = actions.add_parser("pick", help="make the banks that come with the program")
    picking.add_argument("folder", type=Path, metavar="DIR", help="where they are written")
    picking.add_argument(
        "--genre", action="append", metavar="G", help="its bank, may be given again (all)"
    )
    picking.add_argument(
        "--candidates", type=int, default=_CANDIDATES, metavar="N", help="takes made for each"
    )
    picking.add_argument(
        "--keep", type=int, default=_KEPT, metavar="N", help="takes kept of them, at most"
    )
    picking.add_argument("--json", action="store_true", help="JSON on stdout")

    for action, function in (
        (listing, _list),
        (showing, _show),
        (adding, _add),
        (saving, _save),
        (picking, _pick),
    ):
        action.set_defaults(run=run, function=function)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Do it.

    Raises:
        StudioError: A bank or a file is not usable.
        KeyboardInterrupt: Ctrl+C; takes that were finished are kept.
    """
    arguments.function(arguments, context)
    return 0


def _list(arguments: argparse.Namespace, context: Context) -> None:
    from studio.generation.seed_bank import list_banks, open_bank

    for name in list_banks():
        count = len(open_bank(name))
        if arguments.json:
            print_json({"name": name, "takes": count})
        else:
            print(f"{name:<14}{count:>4} takes")


def _show(arguments: argparse.Namespace, context: Context) -> None:
    from studio.generation.seed_bank import open_bank

    for number, take in enumerate(open_bank(arguments.bank), start=1):
        request = take.request
        if arguments.json:
            print_json({"number": number, **_facts(take)})
        else:
            tempo = "" if request.tempo_bpm is None else f"{request.tempo_bpm:g} bpm"
            words = (tempo, _length(request), request.key or "", one_line(request.prompt))
            print(f"{number:>4}  {words[0]:<11}{words[1]:<11}{words[2]:<5}{words[3]}".rstrip())


def _length(request: GenerationRequest) -> str:
    if request.bars is not None:
        return "1 bar" if request.bars == 1 else f"{request.bars} bars"
    if request.duration_seconds is not None:
        return f"{request.duration_seconds:g} s"
    return "" if request.max_steps is None else f"{request.max_steps} steps"


def _facts(take: CodedTake) -> dict[str, Any]:
    request = take.request
    return {
        "prompt": request.prompt,
        "seed": request.seed,
        "bpm": request.tempo_bpm,
        "bars": request.bars,
        "key": request.key,
        "duration_seconds": request.duration_seconds,
        "max_steps": request.max_steps,
        "model": request.model,
        "model_hash": take.model_hash,
    }


def _add(arguments: argparse.Namespace, context: Context) -> None:
    from studio.generation.seed_bank import open_bank

    bank = open_bank(arguments.bank)
    numbers = arguments.take or range(1, len(bank) + 1)
    takes = [bank.take(number) for number in numbers]
    check_keeping(arguments, len(takes))
    with opened_library(context, wanted=not arguments.no_library) as workstation:
        sound_all(takes, arguments, context, workstation)


def _save(arguments: argparse.Namespace, context: Context) -> None:
    from studio.generation.coded_take import CodedTake
    from studio.generation.seed_bank import SUFFIX, SeedBank, save_bank
    from studio.models.codes import CodeSequence

    file: Path = arguments.file
    if file.suffix != SUFFIX:
        raise InputError(f"A seed bank is an {SUFFIX} file, not {one_line(file.name)}.")
    check_output(file)
    takes = []
    with opened_library(context, wanted=True) as workstation:
        assert workstation is not None  # wanted
        for number in arguments.ids:
            found = sample_take(number, workstation)
            takes.append(
                CodedTake(
                    request=found.request,
                    codes=CodeSequence.from_array(found.codes),
                    model_hash=found.model_hash,
                )
            )
    save_bank(file, SeedBank(name=file.stem, takes=tuple(takes)))
    if arguments.json:
        print_json({"path": str(file.absolute()), "takes": len(takes)})
    else:
        print(file)


def _pick(arguments: argparse.Namespace, context: Context) -> None:
    from studio.generation.engine_child import limit_threads

    check_folder(arguments.folder, prefix="bank")
    for flag, number in (("--candidates", arguments.candidates), ("--keep", arguments.keep)):
        if not 1 <= number <= MAX_COUNT:
            raise InputError(f"{flag} must be from 1 to {MAX_COUNT}, not {number}.")
    limit_threads()
    from studio.benchmark.house.picking import BankFigures, make_banks

    def tell(figures: BankFigures) -> None:
        if arguments.json:
            print_json(figures.to_json())
        else:
            print(
                f"{figures.genre:<14}{figures.kept:>4} of {figures.made} takes:"
                f" {figures.on_tempo} on tempo, {figures.in_key} of {figures.keys_asked} in key",
                flush=True,
            )

    make_banks(
        arguments.folder,
        genres=arguments.genre,
        candidates=arguments.candidates,
        keep=arguments.keep,
        tell=tell,
    )

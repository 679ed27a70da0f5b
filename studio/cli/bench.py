"""`studio bench`: how fast this machine runs a model, and how good the embedded one is.

Owns the flags and the two ways of telling the result. `benchmark` measures; it is imported only
when the verb is used, because it imports torch.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from studio.benchmark.published import PUBLISHED
from studio.cli.context import Context, print_json, say
from studio.core.errors import InputError
from studio.models.catalog import HOUSE

_SECONDS, _QUICK_SECONDS = 5.0, 1.0
_ROUNDS, _QUICK_ROUNDS = 3, 2
_LONGEST_SECONDS = 30.0
_MOST_ROUNDS = 100
_LARGEST_BATCH = 256
_RIVALS = ("transformers", "plain-mlx")
_SPEED, _SOUND = "speed", "house"
_PARTS = ("decoder", "fidelity", "codec", "takes", "process")


def add_parser(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "bench",
        help="measure how fast this machine runs a model",
        description="Measure decoder, fidelity, codec, whole takes and fresh processes, in turns.",
    )
    parser.add_argument(
        "what",
        nargs="?",
        choices=(_SPEED, _SOUND),
        default=_SPEED,
        help="how fast a model runs, or how good the embedded model's sound is",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--model", metavar="NAME", help="a model or its folder; house when not given"
    )
    which.add_argument(
        "--random", choices=tuple(PUBLISHED), help="random weights of this shape instead"
    )
    parser.add_argument(
        "--precision", type=_names, metavar="P[,P]", help="only these number formats"
    )
    parser.add_argument(
        "--batch", type=_batches, default=(1,), metavar="N[,N]", help="takes at once"
    )
    parser.add_argument("--unguided", action="store_true", help="also without guidance")
    parser.add_argument("--backend", default="native", metavar="NAME", help="what computes")
    parser.add_argument("--against", choices=_RIVALS, help="hold ours against this")
    parser.add_argument("--part", type=_parts, default=_PARTS, metavar="P[,P]", help="only these")
    parser.add_argument("--seconds", type=float, metavar="S", help="sound that each turn makes")
    parser.add_argument("--rounds", type=int, metavar="N", help="turns of each contestant")
    parser.add_argument("--quick", action="store_true", help="short turns, for a first look")
    parser.add_argument(
        "--training", type=Path, metavar="FOLDER", help="house: the loops it was trained on"
    )
    parser.add_argument(
        "--spectrograms", type=Path, metavar="FOLDER", help="house: write pictures there"
    )
    parser.add_argument(
        "--earlier", metavar="NAME", help="house: a model whose codec is measured beside"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Do it."""
    if arguments.what == _SOUND:
        return _measure_sound(arguments, context)
    for flag, given in (
        ("--training", arguments.training),
        ("--spectrograms", arguments.spectrograms),
        ("--earlier", arguments.earlier),
    ):
        if given is not None:
            raise InputError(f"{flag} belongs to studio bench house.")
    seconds = _within(
        "--seconds", arguments.seconds, _QUICK_SECONDS if arguments.quick else _SECONDS, 0.1,
        _LONGEST_SECONDS,
    )  # fmt: skip
    rounds = _within(
        "--rounds", arguments.rounds, _QUICK_ROUNDS if arguments.quick else _ROUNDS, 1, _MOST_ROUNDS
    )
    from studio.generation.engine_child import limit_threads

    limit_threads()
    from studio.benchmark.random_bundle import random_bundle
    from studio.benchmark.run import Plan, run_benchmark
    from studio.benchmark.table import report_lines
    from studio.models.shelf.shelf import ModelShelf

    plan = Plan(
        backend=arguments.backend,
        precisions=arguments.precision,
        batches=arguments.batch,
        unguided=arguments.unguided,
        against=arguments.against,
        seconds=seconds,
        rounds=int(rounds),
        parts=arguments.part,
        random=arguments.random is not None,
    )
    models_dir = context.models_dir
    with ExitStack() as stack:
        if arguments.random is None:
            folder = ModelShelf(models_dir).resolve(arguments.model or HOUSE)
            report = run_benchmark(folder, plan, models_dir, say)
        else:
            name = arguments.random
            folder = stack.enter_context(random_bundle(name, PUBLISHED[name], say))
            # What is kept of them on disk goes with them.
            report = run_benchmark(folder, plan, folder.parent / "models", say)
    if arguments.json:
        print_json(report.to_json())
    else:
        for line in report_lines(report):
            print(line)
    return 0


def _measure_sound(arguments: argparse.Namespace, context: Context) -> int:
    if arguments.random is not None:
        raise InputError("Random weights have no sound to measure; leave out --random.")
    from studio.generation.engine_child import limit_threads

    limit_threads()
    from studio.benchmark.house.figures import report_lines
    from studio.benchmark.house.measuring import HousePlan, measure_house
    from studio.models.shelf.shelf import ModelShelf

    shelf = ModelShelf(context.models_dir)
    report = measure_house(
        shelf.resolve(arguments.model or HOUSE),
        HousePlan.quick() if arguments.quick else HousePlan(),
        say,
        training=arguments.training,
        pictures=arguments.spectrograms,
        earlier=None if arguments.earlier is None else shelf.resolve(arguments.earlier),
    )
    if arguments.json:
        print_json(report.to_json())
    else:
        for line in report_lines(report):
            print(line)
    return 0


def _within(flag: str, given: float | None, usual: float, low: float, high: float) -> float:
    if given is None:
        return usual
    if not low <= given <= high:
        raise InputError(f"{flag} must be between {low:g} and {high:g}, not {given:g}.")
    return given


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} is no list such as int8,bfloat16")
    return names


def _parts(text: str) -> tuple[str, ...]:
    names = _names(text)
    unknown = [name for name in names if name not in _PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(_PARTS)}")
    return names


def _batches(text: str) -> tuple[int, ...]:
    try:
        batches = tuple(dict.fromkeys(int(number) for number in text.split(",")))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list such as 1,8,16") from None
    if not all(1 <= batch <= _LARGEST_BATCH for batch in batches):
        raise argparse.ArgumentTypeError(f"a batch holds 1 to {_LARGEST_BATCH} takes")
    return batches

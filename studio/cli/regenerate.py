"""`studio regenerate`: one part of a take anew.

Owns the verb's flags; `making` makes and keeps the new take.
"""

from __future__ import annotations

import argparse
import secrets
from typing import Any

from studio.cli.context import Context
from studio.cli.making import add_making_flags, check_target, make_all, opened_library
from studio.cli.stored_take import add_source_argument, is_sample, read_take
from studio.core.errors import InputError
from studio.generation.request import FREE_SEEDS
from studio.generation.revision import regenerated


def add_parser(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "regenerate",
        help="make one part of a take anew",
        description="Make a finished take again with one part of it new, from what stands before "
        "that part. The finished one stays.",
    )
    add_source_argument(parser)
    parser.add_argument(
        "--from",
        dest="from_seconds",
        type=float,
        required=True,
        metavar="S",
        help="where the new part begins, in seconds",
    )
    parser.add_argument(
        "--to",
        dest="to_seconds",
        type=float,
        metavar="S",
        help="where it ends (the end of the take)",
    )
    add_making_flags(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Do it.

    Raises:
        StudioError: See `read_take` and `make_all`.
    """
    check_target(arguments, arguments.count)
    wanted = is_sample(arguments.take) or not arguments.no_library
    with opened_library(context, wanted=wanted) as workstation:
        take = read_take(arguments.take, workstation)
        for flag, seconds in (("--from", arguments.from_seconds), ("--to", arguments.to_seconds)):
            if seconds is not None and seconds > take.length_seconds:
                raise InputError(
                    f"{flag} {seconds:g} is outside the take, which lasts "
                    f"{take.length_seconds:.2f} s."
                )
        request = regenerated(
            take.request,
            take.codes,
            model_hash=take.model_hash,
            from_seconds=arguments.from_seconds,
            to_seconds=arguments.to_seconds,
            seed=secrets.randbelow(FREE_SEEDS) if arguments.seed is None else arguments.seed,
        )
        make_all(
            request.seeds(arguments.count),
            arguments,
            context,
            None if arguments.no_library else workstation,
        )
    return 0

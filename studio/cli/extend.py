"""`studio extend`: a take goes on.

Owns the verb's flags; `making` makes and keeps the longer take.
"""

from __future__ import annotations

import argparse
from typing import Any

from studio.cli.context import Context
from studio.cli.making import add_making_flags, check_target, make_all, opened_library
from studio.cli.stored_take import add_source_argument, is_sample, read_take
from studio.generation.revision import extended


def add_parser(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "extend",
        help="let a take go on",
        description="Make a longer take that begins with a finished one, from its codes. The "
        "finished one stays.",
    )
    add_source_argument(parser)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--bars", type=int, metavar="N", help="length of the whole new loop")
    length.add_argument(
        "--duration", type=float, metavar="S", help="length of the whole new take in seconds"
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
        request = extended(
            take.request,
            take.codes,
            model_hash=take.model_hash,
            length_seconds=take.length_seconds,
            bars=arguments.bars,
            duration_seconds=arguments.duration,
            seed=arguments.seed,
        )
        make_all(
            request.seeds(arguments.count),
            arguments,
            context,
            None if arguments.no_library else workstation,
        )
    return 0

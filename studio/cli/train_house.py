"""`studio train-house`: make the embedded model.

Owns nothing but the name of the verb; `training.house` owns its flags and its work, and is
imported only when the verb is used, because it imports torch.
"""

from __future__ import annotations

import argparse
from typing import Any

from studio.cli.context import Context


def add_parser(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "train-house",
        help="train the embedded model from synthesised loops",
        description="Render loops, train codec and language model on them, write the bundle.",
        fill=_declare_flags,
    )
    parser.set_defaults(run=run)


def _declare_flags(parser: argparse.ArgumentParser) -> None:
    from studio.training.house import add_arguments

    add_arguments(parser)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Do it."""
    from studio.training.house import run_from_command_line

    return int(run_from_command_line(arguments))

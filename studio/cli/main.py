"""From arguments to a verb, and from what happened to an exit status.

Owns the parser's root and the answer to every kind of ending. Each verb's own file owns its
flags and what it does.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from studio.cli import (
    bench,
    codes,
    doctor,
    extend,
    generate,
    library,
    models,
    regenerate,
    seedbank,
    train,
    train_house,
)
from studio.cli.context import Context, say
from studio.cli.parser import LazyParser
from studio.core.errors import StudioError
from studio.core.version import __version__

INTERRUPTED = 130
VERBS = (
    generate,
    extend,
    regenerate,
    seedbank,
    codes,
    library,
    models,
    train,
    train_house,
    bench,
    doctor,
)


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = LazyParser(
        prog="studio",
        description="Make loops on your own machine, keep them, hand them to a DAW. "
        "Without a verb the window opens.",
    )
    parser.add_argument("--version", action="version", version=f"studio {__version__}")
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="keep settings, library, exports and log in DIR",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for verb in VERBS:
        verb.add_parser(verbs)
    return parser


def run(arguments: Sequence[str] | None, *, open_window: Callable[[Path | None], int]) -> int:
    """Run one command line.

    Args:
        arguments: Without the program's name; None takes the program's own.
        open_window: What no verb at all does.

    Returns:
        0 done, 1 a `StudioError`, 2 wrong usage, 130 interrupted.
    """
    try:
        parsed = build_parser().parse_args(arguments)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    if parsed.verb is None:
        return guarded(lambda: open_window(parsed.data_dir))
    return guarded(lambda: int(parsed.run(parsed, Context(data_dir=parsed.data_dir))))


def guarded(action: Callable[[], int]) -> int:
    """Run a verb; a `StudioError` becomes one line and its status, Ctrl+C becomes 130."""
    try:
        return action()
    except StudioError as error:
        say(" ".join(error.user_message.split()))
        return error.exit_status
    except KeyboardInterrupt:
        say("Interrupted; what was finished is kept.")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of stdout has gone (`studio library search | head`); nothing to say to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0

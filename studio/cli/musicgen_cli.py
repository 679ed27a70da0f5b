"""`musicgen-cli`: the name that scripts for other MusicGen tools use.

Owns this second name of `studio generate` and no behaviour of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from studio.cli.generate import add_flags
from studio.cli.main import run
from studio.cli.parser import LazyParser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `musicgen-cli`; returns the exit status, as `studio` does."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = LazyParser(
        prog="musicgen-cli",
        description="Make takes from a prompt, exactly as `studio generate` does.",
    )
    add_flags(parser)
    try:
        parser.parse_args(given)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 2
    return run(["generate", *given], open_window=lambda data_dir: 2)


if __name__ == "__main__":
    sys.exit(main())

"""The `studio` command.

Owns the choice between the window and the command line: no arguments open the window. Nothing
heavy is imported before that choice.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from studio.cli.main import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `studio` with command-line arguments (None takes the program's own).

    Returns:
        The exit status: 0 done, 1 a fault a person can mend, 2 wrong usage, 130 interrupted.
    """
    return run(arguments, open_window=_open_window)


def _open_window(data_dir: Path | None) -> int:
    from studio.core.log import start_logging
    from studio.core.paths import default_paths
    from studio.core.settings import load_settings
    from studio.ui.application import run as run_window

    paths = default_paths(data_dir)
    paths.create()
    start_logging(paths.log_file)
    return run_window(paths, load_settings(paths.settings_file))


if __name__ == "__main__":
    sys.exit(main())

"""What every verb gets, and how it speaks.

Owns the folders and settings of one run, JSON lines on stdout, and one-line messages on stderr.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from studio.core.log import start_logging
from studio.core.paths import Paths, default_paths
from studio.core.settings import Settings, load_settings


@dataclass(frozen=True, kw_only=True)
class Context:
    """One run of the command line.

    Attributes:
        data_dir: What `--data-dir` said, None for the person's own library.
    """

    data_dir: Path | None

    @cached_property
    def paths(self) -> Paths:
        """The folders, made where missing, with the log started.

        Raises:
            StorageError: A folder cannot be made.
        """
        paths = default_paths(self.data_dir)
        paths.create()
        start_logging(paths.log_file)
        return paths

    @property
    def models_dir(self) -> Path:
        """Where added models are listed; nothing is made there by asking."""
        return default_paths(self.data_dir).models_dir

    @cached_property
    def settings(self) -> Settings:
        """The person's choices."""
        return load_settings(self.paths.settings_file, on_notice=say)


def say(message: str) -> None:
    """One line to the person, on stderr."""
    print(f"studio: {message}", file=sys.stderr)


def print_json(values: dict[str, Any]) -> None:
    """One object on one line of stdout."""
    print(json.dumps(values), flush=True)

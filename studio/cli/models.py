"""`studio models`: which models can be named, and which are on this machine.

Owns the list that is printed. It loads no model and downloads nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from studio.cli.context import Context, print_json
from studio.core.errors import StudioError
from studio.models.catalog import known_models, resolve_model


def add_parser(verbs: Any) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser("models", help="list the models by name")
    parser.add_argument("--json", action="store_true", help="one JSON object per model on stdout")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, context: Context) -> int:
    """Do it."""
    for model in known_models():
        folder = folder_on_disk(model.name)
        if arguments.json:
            print_json(
                {
                    "name": model.name,
                    "size_megabytes": model.size_megabytes,
                    "sample_rate": model.sample_rate,
                    "channels": model.channels,
                    "licence": model.licence,
                    "embedded": model.embedded,
                    "on_disk": folder is not None,
                    "path": None if folder is None else str(folder),
                }
            )
        else:
            place = "not on this machine" if folder is None else str(folder)
            print(
                f"{model.name:<26} {model.size_megabytes:>6} MB  {model.sample_rate} Hz  "
                f"{model.channels} ch  {model.licence:<13} {place}"
            )
    return 0


def folder_on_disk(name: str) -> Path | None:
    """Where a model lies, None when it is not on this machine."""
    try:
        folder = resolve_model(name)
    except StudioError:
        return None
    return folder if (folder / "config.json").is_file() else None

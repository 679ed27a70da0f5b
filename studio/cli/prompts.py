"""Prompts from a file, one a line.

Owns the reading of `--from-file`. It makes no takes, and trusts no file.
"""

from __future__ import annotations

from pathlib import Path

from studio.core.errors import InputError
from studio.core.storage import shown_path

MAX_PROMPTS = 10_000
_MAX_BYTES = 4 * 2**20
_COMMENT = "#"


def read_prompts(path: Path) -> list[tuple[int, str]]:
    """The prompts of a text file in UTF-8, each with the number of its line.

    Empty lines and those that begin with `#` are left out.

    Raises:
        InputError: The file is missing, too large, no text, or has no prompt.
    """
    text = _read_text(path)
    lines = enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1)
    prompts = [
        (number, line.strip())
        for number, line in lines
        if line.strip() and not line.lstrip().startswith(_COMMENT)
    ]
    if not prompts:
        raise InputError(f"{shown_path(path)} has no prompt; write one on each line.")
    if len(prompts) > MAX_PROMPTS:
        raise InputError(
            f"{shown_path(path)} has {len(prompts)} prompts; {MAX_PROMPTS} are the most: split it."
        )
    return prompts


def _read_text(path: Path) -> str:
    shown = shown_path(path)
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{shown} is no file; give a text file with a prompt on each line.")
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(f"{shown} cannot be read ({reason}); check its name.") from error
    if len(content) > _MAX_BYTES:
        raise InputError(
            f"{shown} is larger than {_MAX_BYTES // 2**20} MB, too much for a list of prompts: "
            "split it."
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{shown} is no text in UTF-8; save it as such.") from error
    if "\0" in text:
        raise InputError(f"{shown} is no text; give one with a prompt on each line.")
    return text

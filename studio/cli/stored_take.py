"""A finished take to go on from: a sample of the library, or a file of codes.

Owns what `extend`, `regenerate` and `codes` read. Files come from anywhere, so nothing in them is
believed before it is checked.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import InputError
from studio.core.storage import one_line, shown_path
from studio.generation.request import GenerationRequest

if TYPE_CHECKING:
    from studio.workstation.workstation import Workstation


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredTake:
    """What is needed to go on from a take.

    Attributes:
        request: Its whole recipe.
        codes: Its codes, int64 [K, T].
        model_hash: Fingerprint of the model that made it.
        length_seconds: Its length.
    """

    request: GenerationRequest
    codes: NDArray[np.int64]
    model_hash: str
    length_seconds: float


def add_source_argument(parser: argparse.ArgumentParser) -> None:
    """The take that a verb goes on from."""
    parser.add_argument(
        "take", metavar="ID|FILE", help="sample of the library, or .npz file that --codes wrote"
    )


def is_sample(name: str) -> bool:
    """Whether a take is named as a sample of the library."""
    return name.isascii() and name.isdigit() and len(name) <= 18


def read_take(name: str, workstation: Workstation | None) -> StoredTake:
    """The take that an argument names.

    Args:
        name: A sample's number, or a file.
        workstation: The library, open for a sample.

    Raises:
        LibraryError: There is no such sample.
        InputError: The sample was imported, or the file is not usable.
    """
    if is_sample(name):
        assert workstation is not None
        return sample_take(int(name), workstation)
    return file_take(Path(name))


def sample_take(sample_id: int, workstation: Workstation) -> StoredTake:
    """A generated sample of the library.

    Raises:
        LibraryError: There is no such sample.
        InputError: It was not generated here.
    """
    record = workstation.get(sample_id)
    request, codes = workstation.recipe(record), workstation.codes(sample_id)
    if request is None or codes is None or record.model_hash is None:
        raise InputError(
            f"{one_line(record.name)} was imported and has no codes; choose a take that was made "
            "here."
        )
    return StoredTake(
        request=request.checked(),
        codes=codes,
        model_hash=record.model_hash,
        length_seconds=record.duration_seconds,
    )


def file_take(path: Path) -> StoredTake:
    """A take whose codes and recipe were written as a file.

    Raises:
        InputError: The file is not usable, or holds no recipe.
    """
    from studio.models.codes import load_codes_and_facts

    codes, facts = load_codes_and_facts(path)
    if "recipe" not in facts:
        raise InputError(
            f"{shown_path(path)} holds codes without a recipe; give a file that --codes or "
            "codes export wrote."
        )
    try:
        return StoredTake(
            request=GenerationRequest.from_json(facts["recipe"]).checked(),
            codes=codes.array,
            model_hash=facts["model_hash"],
            length_seconds=_length(facts["seconds"]),
        )
    except InputError as error:
        raise InputError(f"{shown_path(path)} is not usable: {error.user_message}") from error
    except (KeyError, ValueError, RecursionError) as error:
        raise InputError(
            f"{shown_path(path)} has a damaged recipe ({one_line(str(error))}); write it again."
        ) from error


def _length(text: str) -> float:
    seconds = float(text)
    if not math.isfinite(seconds) or seconds <= 0:
        raise ValueError(f"a length of {seconds} s")
    return seconds

"""Seed banks: many takes as recipes and codes, in one small file.

Owns the file's form and the list of the banks that come with the program. A take of a bank is
sounded by its model's codec alone, and has everything that a take made here has.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import InputError
from studio.core.paths import resources_dir
from studio.core.storage import one_line, shown_path, write_atomically
from studio.generation.coded_take import CodedTake
from studio.generation.request import GenerationRequest
from studio.models.codes import CodeSequence, read_arrays

SUFFIX = ".npz"
MOST_TAKES = 4_096
_KIND = "studio seed bank 1"


@dataclass(frozen=True, kw_only=True)
class SeedBank:
    """Takes that belong together.

    Attributes:
        name: What a person calls it.
        takes: In the order in which they are shown.
    """

    name: str
    takes: tuple[CodedTake, ...]

    def __len__(self) -> int:
        return len(self.takes)

    def __iter__(self) -> Iterator[CodedTake]:
        return iter(self.takes)

    def take(self, number: int) -> CodedTake:
        """One of them, counted from 1.

        Raises:
            InputError: There is no such take.
        """
        if not 1 <= number <= len(self.takes):
            raise InputError(
                f"The bank {self.name} has the takes 1 to {len(self.takes)}, not {number}."
            )
        return self.takes[number - 1]


def banks_dir() -> Path:
    """Where the banks lie that come with the program."""
    return resources_dir() / "seedbanks"


def list_banks() -> tuple[str, ...]:
    """Names of the banks that come with the program, sorted."""
    return tuple(sorted(file.stem for file in banks_dir().glob(f"*{SUFFIX}")))


def open_bank(name: str | Path) -> SeedBank:
    """Read a bank.

    Args:
        name: One of `list_banks`, or a file.

    Raises:
        InputError: There is none, or it is damaged.
    """
    known = list_banks()
    if isinstance(name, str) and name in known:
        file = banks_dir() / f"{name}{SUFFIX}"
    elif str(name).endswith(SUFFIX):
        file = Path(name)
    else:
        others = f"there are {', '.join(known)}, and" if known else "name one of the"
        raise InputError(
            f"There is no seed bank {one_line(str(name)):.80}; {others} {SUFFIX} files that hold"
            " one."
        )
    arrays = read_arrays(file)
    try:
        return SeedBank(name=file.stem, takes=tuple(_takes(arrays)))
    except InputError as error:
        raise InputError(f"{shown_path(file)} is damaged: {error.user_message}") from error
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise InputError(
            f"{shown_path(file)} is no seed bank ({one_line(str(error)):.120}); give a file that"
            " this program wrote."
        ) from error


def save_bank(file: Path, bank: SeedBank) -> None:
    """Write a bank, whole or not at all.

    Raises:
        InputError: It holds no takes, too many, or takes of several models.
        StorageError: The file cannot be written.
    """
    if not 0 < len(bank.takes) <= MOST_TAKES:
        raise InputError(f"A bank holds 1 to {MOST_TAKES} takes, not {len(bank.takes)}.")
    hashes = {take.model_hash for take in bank.takes}
    if len(hashes) > 1 or len({take.codes.codebooks for take in bank.takes}) > 1:
        raise InputError("A bank holds takes of one model; make one for each.")
    codes = np.concatenate([take.codes.array for take in bank.takes], axis=1)
    content = io.BytesIO()
    np.savez_compressed(
        content,
        kind=np.array(_KIND),
        model_hash=np.array(hashes.pop()),
        recipes=np.array(json.dumps([json.loads(take.request.to_json()) for take in bank.takes])),
        frames=np.array([take.codes.frames for take in bank.takes], dtype=np.int32),
        codes=codes.astype(np.int16),
    )
    write_atomically(file, content.getvalue())


def _takes(arrays: dict[str, NDArray[Any]]) -> Iterator[CodedTake]:
    if str(arrays["kind"]) != _KIND:
        raise ValueError(f"kind {arrays['kind']!s:.40}")
    recipes = json.loads(str(arrays["recipes"]))
    frames = arrays["frames"]
    ends = np.cumsum(frames)
    if not isinstance(recipes, list) or frames.shape != (len(recipes),) or int(frames.min()) < 1:
        raise ValueError("recipes and lengths differ")
    if not 0 < len(recipes) <= MOST_TAKES or arrays["codes"].shape[1] != ends[-1]:
        raise ValueError("codes and lengths differ")
    for recipe, codes in zip(recipes, np.split(arrays["codes"], ends[:-1], axis=1), strict=True):
        yield CodedTake(
            request=GenerationRequest.from_json(json.dumps(recipe)).checked(),
            codes=CodeSequence.from_array(codes),
            model_hash=str(arrays["model_hash"]),
        )

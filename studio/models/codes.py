"""Codec tokens as a value: to be kept in a recipe, or in a file of their own.

Owns the frozen form of the codes of one sound and its text and `.npz` forms. It knows no model;
whoever uses the codes checks that they fit.
"""

from __future__ import annotations

import base64
import io
import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import InputError
from studio.core.storage import one_line, shown_path, write_atomically

MAX_CODEBOOKS = 64
MAX_FRAMES = 60_000
MAX_CODE = 2**15 - 1
_MAX_FILE_BYTES = 64 * 2**20


@dataclass(frozen=True, kw_only=True)
class CodeSequence:
    """The undelayed codes of one sound.

    Attributes:
        codebooks: K.
        data: Codes as little-endian int16, codebook after codebook, T each.
    """

    codebooks: int
    data: bytes

    @classmethod
    def from_array(cls, codes: NDArray[Any]) -> Self:
        """Of codes [K, T].

        Raises:
            InputError: They are no codes.
        """
        if codes.ndim != 2 or codes.dtype.kind not in "iu" or 0 in codes.shape:
            raise InputError(
                f"Codes must be whole numbers [codebooks, frames], not {codes.dtype}"
                f" {list(codes.shape)}."
            )
        if codes.shape[0] > MAX_CODEBOOKS or codes.shape[1] > MAX_FRAMES:
            raise InputError(
                f"Codes of {codes.shape[0]} codebooks and {codes.shape[1]} frames are too many;"
                f" {MAX_CODEBOOKS} and {MAX_FRAMES} are the most."
            )
        if int(codes.min()) < 0 or int(codes.max()) > MAX_CODE:
            raise InputError(f"Codes must lie between 0 and {MAX_CODE}.")
        data = np.ascontiguousarray(codes, dtype="<i2").tobytes()
        return cls(codebooks=codes.shape[0], data=data)

    @property
    def frames(self) -> int:
        """T."""
        return len(self.data) // (2 * self.codebooks)

    @property
    def array(self) -> NDArray[np.int64]:
        """The codes, int64 [K, T]."""
        return np.frombuffer(self.data, dtype="<i2").reshape(self.codebooks, -1).astype(np.int64)

    def to_text(self) -> str:
        """A short printable form; `from_text` reads it."""
        packed = base64.b64encode(zlib.compress(self.data, 9)).decode("ascii")
        return f"{self.codebooks}:{packed}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read `to_text`.

        Raises:
            InputError: It is damaged.
        """
        count, _, packed = text.partition(":")
        try:
            codes = np.frombuffer(_unpacked(packed), dtype="<i2").reshape(int(count), -1)
        except (ValueError, zlib.error) as error:
            raise InputError(f"The stored codes are damaged ({error}).") from error
        return cls.from_array(codes)


def save_codes(path: str | os.PathLike[str], codes: NDArray[np.int64], **facts: str) -> None:
    """Write codes [K, T] as an `.npz` file, whole or not at all.

    Args:
        path: The file.
        codes: What to write, under the name `codes`, int16.
        **facts: Short texts stored beside it, such as the model's name.

    Raises:
        InputError: They are no codes.
        StorageError: The file cannot be written.
    """
    content = io.BytesIO()
    kept = CodeSequence.from_array(codes).array.astype(np.int16)
    arrays: dict[str, Any] = {"codes": kept, **facts}
    np.savez_compressed(content, **arrays)
    write_atomically(Path(path), content.getvalue())


def load_codes(path: str | os.PathLike[str]) -> CodeSequence:
    """Read the codes of an `.npz` file.

    Raises:
        InputError: It is missing, too large, damaged, or holds no codes.
    """
    return load_codes_and_facts(path)[0]


def load_codes_and_facts(path: str | os.PathLike[str]) -> tuple[CodeSequence, dict[str, str]]:
    """Read the codes of an `.npz` file, and the short texts beside them.

    Raises:
        InputError: It is missing, too large, damaged, or holds no codes.
    """
    file = Path(path)
    found = read_arrays(file)
    if "codes" not in found:
        raise InputError(_no_codes(file, "it has no array of that name"))
    try:
        codes = CodeSequence.from_array(found["codes"])
    except InputError as error:
        raise InputError(f"{shown_path(file)} is not usable: {error.user_message}") from error
    texts = {name: value for name, value in found.items() if value.dtype.kind == "U"}
    return codes, {name: str(value) for name, value in texts.items() if value.ndim == 0}


def read_arrays(file: Path) -> dict[str, NDArray[Any]]:
    """Everything in an `.npz` file that nobody vouches for.

    Raises:
        InputError: It is missing, too large or damaged.
    """
    try:
        _check_unpacked_size(file)
        with np.load(file, allow_pickle=False) as arrays:
            return {name: np.asarray(arrays[name]) for name in arrays.files}
    except OSError as error:
        raise InputError(
            f"{shown_path(file)} cannot be read ({error.strerror or error})."
        ) from error
    except Exception as error:  # what a damaged archive can raise is listed nowhere
        raise InputError(_no_codes(file, one_line(str(error)))) from error


def _no_codes(file: Path, why: str) -> str:
    return (
        f"{shown_path(file)} is no file of codes ({why:.120});"
        " give an .npz file that this program wrote."
    )


def _unpacked(packed: str) -> bytes:
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(
        base64.b64decode(packed, validate=True), 2 * MAX_CODEBOOKS * MAX_FRAMES
    )
    if not unpacker.eof:
        raise ValueError("they are cut off, or too long")
    return data


def _check_unpacked_size(file: Path) -> None:
    """Refuse a file that would fill the memory when it is read."""
    with zipfile.ZipFile(file) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > _MAX_FILE_BYTES:
        raise ValueError(f"it holds {size} bytes")

"""One file of packed weights.

Owns its form: safetensors, with a check of names, types, shapes and content among its metadata.
It is read piece by piece into arrays of its own and never mapped: a mapped file would count as
this process's memory, and could change under it. Which files there are is the business of `store`.

A file is not forced onto the disk before it takes its name. After a power cut it may be damaged,
which the check tells.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.core.storage import one_line

Arrays = Mapping[str, NDArray[Any]]

PART = ".part"
"""How the name of an unfinished file ends."""
_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 2**20
_CHUNK_BYTES = 2**22
_WORDS_END = 2**64
_TYPES = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16,
    "I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8,
    "U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8,
}  # fmt: skip
_NAMES = {np.dtype(kind): name for name, kind in _TYPES.items()}
_METADATA = "__metadata__"


class DamagedError(Exception):
    """A file is not what was written."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What a file's header says.

    Attributes:
        kinds: Type and shape of each array, in the order of the file.
        key: What they were kept under.
        source: The model's folder.
        check: See `_Check`.
    """

    kinds: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]
    key: str
    source: Path
    check: str


class _Check:
    """What tells a file that is whole: names, types, shapes and the sums of the arrays' words."""

    def __init__(self) -> None:
        self._total = hashlib.sha256()

    def add(self, name: str, array: NDArray[Any], total: int) -> None:
        line = f"{name!r} {array.dtype.str} {array.shape} {total}\n"
        self._total.update(line.encode("utf-8", "surrogatepass"))

    @property
    def value(self) -> str:
        return self._total.hexdigest()


def read_arrays(file: Path, key: str) -> dict[str, NDArray[Any]]:
    """Every array of a file.

    Raises:
        DamagedError: It is not whole, or belongs to another key.
        OSError: It cannot be read.
    """
    with file.open("rb", buffering=0) as stream:
        layout = read_layout(stream)
        if layout.key != key:
            raise DamagedError("it was made for something else")
        arrays, check = {}, _Check()
        for name, (kind, shape) in layout.kinds.items():
            array = _empty(kind, shape)
            check.add(name, array, _fill(stream, array))
            arrays[name] = array
    if check.value != layout.check:
        raise DamagedError("its content has changed")
    return arrays


def _empty(kind: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    try:
        return np.empty(shape, dtype=kind)
    except ValueError as error:
        raise DamagedError("its header asks for an impossible array") from error


def _fill(stream: FileIO, array: NDArray[Any]) -> int:
    """Read an array's bytes; the sum of their words."""
    total = 0
    for chunk in _chunks(array):
        done = 0
        while done < len(chunk):
            count = stream.readinto(chunk[done:].data)
            if not count:
                raise DamagedError("it is not complete")
            done += count
        total += _sum_of_words(chunk)
    return total % _WORDS_END


def _chunks(array: NDArray[Any]) -> Iterator[NDArray[np.uint8]]:
    """The bytes of a contiguous array, piece by piece."""
    flat = array.reshape(-1).view(np.uint8)
    for begin in range(0, len(flat), _CHUNK_BYTES):
        yield flat[begin : begin + _CHUNK_BYTES]


def _sum_of_words(piece: NDArray[np.uint8]) -> int:
    """Bytes as words of eight, summed up; a rest counts as a word filled up with zeros."""
    whole = len(piece) // 8 * 8
    words = int(piece[:whole].view(np.uint64).sum(dtype=np.uint64))
    return words + int.from_bytes(piece[whole:].tobytes(), "little")


def read_layout(stream: FileIO) -> Layout:
    """Read a file's header, and compare it with the file's size; the arrays come next.

    Raises:
        DamagedError: They do not fit.
    """
    length = int.from_bytes(stream.read(_LENGTH_BYTES), "little")
    if length > _MAX_HEADER_BYTES:
        raise DamagedError("its header is too long")
    try:
        header = json.loads(stream.read(length))
        facts = header.pop(_METADATA)
        layout = Layout(
            kinds={name: _kind(entry) for name, entry in header.items()},
            key=str(facts["key"]),
            source=Path(str(facts["source"])),
            check=str(facts["check"]),
        )
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"its header is not usable ({one_line(str(error)):.100})") from error
    content = sum(math.prod(shape) * kind.itemsize for kind, shape in layout.kinds.values())
    if os.fstat(stream.fileno()).st_size != _LENGTH_BYTES + length + content:
        raise DamagedError("it is not complete")
    return layout


def _kind(entry: Mapping[str, Any]) -> tuple[np.dtype[Any], tuple[int, ...]]:
    shape = tuple(entry["shape"])
    if not all(type(count) is int and count >= 0 for count in shape):
        raise ValueError("a shape is not of whole numbers")
    return np.dtype(_TYPES[entry["dtype"]]), shape


def write_arrays(file: Path, key: str, arrays: Arrays, source: Path) -> None:
    """Write a file whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    contiguous = {
        name: array if array.flags.c_contiguous else np.ascontiguousarray(array)
        for name, array in arrays.items()
    }
    header, check, begin = {}, _Check(), 0
    for name, array in contiguous.items():
        end = begin + array.nbytes
        header[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
        check.add(name, array, sum(map(_sum_of_words, _chunks(array))) % _WORDS_END)
        begin = end
    facts = {"key": key, "source": str(source.resolve()), "check": check.value}
    text = json.dumps({_METADATA: facts, **header}).encode()
    text += b" " * (-len(text) % _LENGTH_BYTES)
    part = file.with_name(f".{secrets.token_hex(8)}{PART}")
    try:
        with part.open("xb") as stream:
            stream.write(len(text).to_bytes(_LENGTH_BYTES, "little") + text)
            for array in contiguous.values():
                for chunk in _chunks(array):
                    stream.write(chunk.data)
        part.replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise

"""The tensors of a bundle as numpy arrays.

Owns their reading, one at a time and past the system's page mapping, and the checks on each: it is
there, has the expected shape and holds finite numbers. It knows no network's names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import ModelError
from studio.models.bundle import Bundle, file_fault
from studio.models.updates import UpdatedTensors

_HEADER_LENGTH_BYTES = 8
_TYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}


def open_tensors(bundle: Bundle) -> Mapping[str, NDArray[np.float32]]:
    """The tensors of `bundle` as float32, changed by its adapters, each read when asked for."""
    stored = FloatTensors(bundle)
    return UpdatedTensors(stored, bundle.updates) if bundle.updates else stored


class FloatTensors(Mapping[str, NDArray[np.float32]]):
    """Reads tensors as float32, whatever floating-point numbers they hold.

    A mapped file would count as this process's memory until the system needs it; a read one does
    not.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._files = {name: entry.file for name, entry in bundle.entries.items()}
        self._headers: dict[Path, tuple[int, dict[str, Any]]] = {}

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        file = self._files[name]
        try:
            start, header = self._header(file)
            entry = header[name]
            begin, end = entry["data_offsets"]
            kind = entry["dtype"]
            if kind not in _TYPES:
                raise ModelError(f"the tensor {name} holds {kind}, not floating-point numbers")
            stored = np.empty(entry["shape"], dtype=_TYPES[kind])
            with file.open("rb", buffering=0) as stream:
                stream.seek(start + begin)
                read = stream.readinto(stored.reshape(-1).view(np.uint8).data) if stored.size else 0
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise file_fault(file, f"it cannot be read ({error})") from error
        if read != end - begin:
            raise file_fault(file, "it is damaged or not complete")
        if kind == "BF16":
            return (stored.astype(np.uint32) << np.uint32(16)).view(np.float32)
        return stored.astype(np.float32, copy=False)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def _header(self, file: Path) -> tuple[int, dict[str, Any]]:
        if file not in self._headers:
            with file.open("rb") as stream:
                length = int.from_bytes(stream.read(_HEADER_LENGTH_BYTES), "little")
                header = json.loads(stream.read(length))
            self._headers[file] = (_HEADER_LENGTH_BYTES + length, header)
        return self._headers[file]


class Section(Mapping[str, NDArray[np.float32]]):
    """The tensors whose names start with a prefix, which is taken off."""

    def __init__(self, tensors: Mapping[str, NDArray[np.float32]], prefix: str) -> None:
        self._tensors = tensors
        self._prefix = prefix

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        return self._tensors[self._prefix + name]

    def __iter__(self) -> Iterator[str]:
        starts = (name for name in self._tensors if name.startswith(self._prefix))
        return (name.removeprefix(self._prefix) for name in starts)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def take(
    tensors: Mapping[str, NDArray[np.float32]], shape: tuple[int, ...], *names: str
) -> NDArray[np.float32]:
    """Read the tensors called `names` and stack them along the first axis.

    Args:
        tensors: Where they are.
        shape: Of all together.
        names: Equal parts of it.

    Raises:
        ModelError: One of them is missing, of the wrong shape, or not finite.
    """
    rows, *rest = shape
    expected = (rows // len(names), *rest)
    parts = []
    for name in names:
        if name not in tensors:
            raise ModelError(f"the tensor {name} is missing")
        part = tensors[name]
        if part.shape != expected:
            raise ModelError(
                f"the tensor {name} has the shape {list(part.shape)}, expected {list(expected)}"
            )
        if not np.isfinite(part).all():
            raise ModelError(f"the tensor {name} holds NaN or infinity")
        parts.append(part)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)

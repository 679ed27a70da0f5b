"""Writing a converted model as a folder, whole or not at all.

Owns the folder's way onto the disk: a temporary one beside the target, every file flushed, then
one rename. The weights go out tensor by tensor, so that a model needs no second copy in memory.
It decides nothing about what is in them.

Format: safetensors, eight bytes of header length, a JSON header, then the numbers.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from studio.core.errors import StorageError
from studio.core.storage import one_line, shown_path, sync_folder, write_atomically
from studio.models.bundle import CONFIG, GENERATION, TOKENIZER, WEIGHTS, file_fault

_TYPES = {
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
}
_PIECE_BYTES = 64 * 2**20
_SPARE_BYTES = 64 * 2**20


@dataclass(frozen=True, kw_only=True, eq=False)
class Weight:
    """A tensor on its way into a bundle.

    Attributes:
        tensor: The numbers; float16, bfloat16 and float32 are kept, wider ones become float32.
        file: The file that it comes from.
        name: What it is called there.
    """

    tensor: Tensor = field(repr=False)
    file: Path
    name: str

    @property
    def dtype(self) -> torch.dtype:
        """The type that is written."""
        return self.tensor.dtype if self.tensor.dtype in _TYPES else torch.float32

    @property
    def size_bytes(self) -> int:
        """Bytes that are written."""
        return self.tensor.numel() * self.dtype.itemsize


@dataclass(frozen=True, kw_only=True, eq=False)
class Converted:
    """Everything that a bundle consists of.

    Attributes:
        config: Its `config.json`.
        generation: Its `generation_config.json`.
        tokenizer: The content of its `tokenizer.json`, None without.
        weights: Its tensors by name.
    """

    config: Mapping[str, Any]
    generation: Mapping[str, Any]
    tokenizer: bytes | None
    weights: Mapping[str, Weight]


def write_bundle(target: Path, converted: Converted) -> None:
    """Make the folder `target`, which must not exist yet.

    Raises:
        ModelError: A tensor holds NaN or infinity.
        StorageError: There is something at `target`, no space, or no permission.
    """
    if target.exists():
        raise StorageError(f"{shown_path(target)} is already there: choose another folder.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _require_room(target, sum(weight.size_bytes for weight in converted.weights.values()))
        part = target.parent / f".{secrets.token_hex(8)}.part"
        part.mkdir()
        try:
            with _naming(target, instead_of=part):
                _write_files(part, converted)
            sync_folder(part)
            _rename(part, target)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        sync_folder(target.parent)
    except OSError as error:
        raise StorageError(_fault(target, error)) from error


def _write_files(folder: Path, converted: Converted) -> None:
    write_weights(folder / WEIGHTS, converted.weights)
    write_atomically(folder / GENERATION, _json(converted.generation))
    if converted.tokenizer is not None:
        write_atomically(folder / TOKENIZER, converted.tokenizer)
    write_atomically(folder / CONFIG, _json(converted.config))


@contextmanager
def _naming(target: Path, *, instead_of: Path) -> Iterator[None]:
    """Speak of the folder that was asked for, not of the hidden one beside it."""
    try:
        yield
    except StorageError as error:
        message = error.user_message.replace(shown_path(instead_of), shown_path(target))
        raise StorageError(message) from error


def _rename(part: Path, target: Path) -> None:
    try:
        part.rename(target)
    except OSError:
        # Another process has finished the same conversion meanwhile.
        if not (target / CONFIG).is_file():
            raise
        shutil.rmtree(part, ignore_errors=True)


def write_weights(file: Path, weights: Mapping[str, Weight]) -> None:
    """Write a safetensors file, tensor by tensor.

    Raises:
        ModelError: A tensor holds NaN or infinity.
        OSError: It cannot be written.
    """
    # Wide numbers first, so that each begins at a multiple of its width.
    order = sorted(weights, key=lambda name: (-weights[name].dtype.itemsize, name))
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in order:
        weight = weights[name]
        start, end = end, end + weight.size_bytes
        header[name] = {
            "dtype": _TYPES[weight.dtype],
            "shape": list(weight.tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with file.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for name in order:
            for piece in _pieces(weights[name]):
                stream.write(piece)
        stream.flush()
        os.fsync(stream.fileno())


def _pieces(weight: Weight) -> Iterator[memoryview]:
    """The bytes of a tensor, a few megabytes at a time."""
    flat = weight.tensor.reshape(-1)
    for piece in flat.split(_PIECE_BYTES // weight.dtype.itemsize):
        numbers = piece.to(weight.dtype)
        if not bool(torch.isfinite(numbers).all()):
            raise file_fault(weight.file, f"the tensor {weight.name} holds NaN or infinity")
        if numbers.numel():
            yield memoryview(numbers.contiguous().view(torch.uint8).numpy())


def _require_room(target: Path, size_bytes: int) -> None:
    free = shutil.disk_usage(target.parent).free
    if free < size_bytes + _SPARE_BYTES:
        raise StorageError(
            f"{shown_path(target)} was not written, it needs {_megabytes(size_bytes)} and the disk"
            f" has {_megabytes(free)} left: free some space and try again."
        )


def _megabytes(size_bytes: int) -> str:
    return f"{-(-size_bytes // 10**6)} MB"


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def _fault(target: Path, error: OSError) -> str:
    shown = shown_path(target)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{shown} was not written, the disk is full: free some space and try again."
    reason = one_line(error.strerror or str(error))
    return f"{shown} was not written ({reason}): choose another folder."

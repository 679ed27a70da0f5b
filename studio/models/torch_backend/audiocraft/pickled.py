"""Reading a `.bin` checkpoint, which is a pickle, without running what is in it.

Owns the only way in which such a file is opened: `torch.load(weights_only=True)`, behind checks
that the file is one of the two forms that `torch.save` writes and that what comes out is plain
tensors no larger than the file. It does not know what the tensors are for.
"""

from __future__ import annotations

import re
import tarfile
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from studio.core.errors import ModelError
from studio.models.bundle import MAX_TENSORS, file_fault

_ZIP = b"PK\x03\x04"
# Beside tensors a checkpoint's own pickle holds names and a few settings.
_MAX_PICKLE_BYTES = 64 * 2**20
# torch's own words come with advice to open the file in the unsafe way.
_DETAIL = re.compile(r"WeightsUnpickler error: (.{1,80}?)(?: (?:Please|Check) |$)")
_REFUSED = re.compile(r"(?:GLOBAL|Unsupported global:?|class)\s+(?:GLOBAL\s+)?`?([\w.]+)")


def load_pickle(file: Path) -> dict[str, Any]:
    """What `torch.save` put into `file`, its tensors mapped from the disk where possible.

    Raises:
        ModelError: The file is missing, empty, damaged, not a dictionary, or asks for anything
            beyond tensors and plain values, which would run its code.
    """
    try:
        content = _load(file)
    except ModelError:
        raise
    except FileNotFoundError as error:
        raise file_fault(file, "it is missing") from error
    except Exception as error:
        # Whatever an unpickler stumbles over is the file's fault, never this program's.
        raise file_fault(file, _cause(error)) from error
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise file_fault(file, "it does not hold a dictionary of names")
    return content


def tensor_table(state: object, file: Path) -> dict[str, Tensor]:
    """The tensors by name in `state`, which was read from `file`.

    Raises:
        ModelError: It is not a dictionary of names, or one value is not a plain tensor of
            floating-point numbers that the file is large enough to hold.
    """
    if not isinstance(state, Mapping) or not 0 < len(state) <= MAX_TENSORS:
        raise file_fault(file, "it does not hold a table of tensors")
    size, total = file.stat().st_size, 0
    table: dict[str, Tensor] = {}
    for name, value in state.items():
        if not isinstance(name, str) or len(name) > 300 or not name.isprintable():
            raise file_fault(file, f"{name!r:.60} is not the name of a tensor")
        if not isinstance(value, Tensor) or value.layout is not torch.strided:
            raise file_fault(file, f"{name:.120} is not a plain tensor")
        if value.device.type != "cpu" or not value.is_floating_point():
            raise file_fault(file, f"{name:.120} does not hold floating-point numbers")
        total += value.nbytes
        # A tensor may claim more than its file holds, by repeating itself.
        if max(value.untyped_storage().nbytes(), total // 2) > size or (
            value.nbytes > value.untyped_storage().nbytes()
        ):
            raise file_fault(file, f"{name:.120} is larger than what the file holds")
        table[name] = value.detach()
    return table


def _load(file: Path) -> object:
    with file.open("rb") as stream:
        start = stream.read(len(_ZIP))
    if not start:
        raise file_fault(file, "it is empty")
    archive = start == _ZIP
    if archive:
        _check_archive(file)
    elif tarfile.is_tarfile(file):
        raise file_fault(
            file, "it is damaged, or in the oldest of torch's forms, which is not safe"
        )
    with warnings.catch_warnings():
        # About unusual ways to pickle; what matters of it becomes the error's one line.
        warnings.simplefilter("ignore")
        content: object = torch.load(file, map_location="cpu", weights_only=True, mmap=archive)
    return content


def _check_archive(file: Path) -> None:
    """Refuse an archive that would unpack to more than its size; `torch.save` packs nothing."""
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            if entry.compress_type != zipfile.ZIP_STORED:
                raise file_fault(file, f"{entry.filename!r:.60} in it is compressed")
            if entry.filename.endswith("data.pkl") and entry.file_size > _MAX_PICKLE_BYTES:
                raise file_fault(file, f"{entry.filename!r:.60} in it is too large")


def _cause(error: Exception) -> str:
    text = " ".join(str(error).split())
    if refused := _REFUSED.search(text):
        return f"it asks for {refused[1]:.100}, and a checkpoint never runs code here"
    if isinstance(error, OSError) and error.strerror:
        return f"it cannot be read ({error.strerror})"
    if isinstance(error, UnpicklingError):
        detail = _DETAIL.search(text)
        text = detail[1] if detail else "it holds more than weights"
    return f"it is damaged or not complete ({text or type(error).__name__:.120})"

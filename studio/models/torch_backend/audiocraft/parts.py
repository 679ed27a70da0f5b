"""Reading a published model's folder as a part of another: its configuration and its tensors.

Owns the four ways in which Hugging Face folders keep weights: safetensors or a pickle, in one
file or in several behind an index. It reads what it is asked for and judges nothing but that the
files are sound. Pickles go through `audiocraft_pickle` alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from studio.models.audiocraft.folder import TORCH_WEIGHTS, TORCH_WEIGHTS_INDEX
from studio.models.bundle import MAX_JSON_BYTES, MAX_TENSORS, WEIGHTS, WEIGHTS_INDEX, file_fault
from studio.models.torch_backend.audiocraft.bundle import Weight
from studio.models.torch_backend.audiocraft.pickled import load_pickle, tensor_table


def read_text(file: Path) -> bytes:
    """The content of a small file.

    Raises:
        ModelError: It is missing, unreadable or far too long.
    """
    try:
        size = file.stat().st_size
        if size > MAX_JSON_BYTES:
            raise file_fault(file, f"{size} bytes are too many for it")
        return file.read_bytes()
    except FileNotFoundError as error:
        raise file_fault(file, "it is missing") from error
    except OSError as error:
        raise file_fault(file, f"it cannot be read ({error.strerror})") from error


def read_object(file: Path) -> dict[str, Any]:
    """The JSON object in `file`.

    Raises:
        ModelError: It is missing, unreadable, far too long, or something else.
    """
    try:
        value = json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        raise file_fault(file, f"it is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise file_fault(file, "it is not a JSON object")
    return value


def read_weights(folder: Path, *, prefixes: tuple[str, ...] = ("",)) -> dict[str, Weight]:
    """The tensors of a Hugging Face folder whose names begin with one of `prefixes`.

    Raises:
        ModelError: There are none, or a file is missing, damaged or not to be trusted.
    """
    for whole, index, read in (
        (WEIGHTS, WEIGHTS_INDEX, _read_safetensors),
        (TORCH_WEIGHTS, TORCH_WEIGHTS_INDEX, _read_pickle),
    ):
        if (folder / whole).exists():
            return read(folder / whole, prefixes)
        if (folder / index).exists():
            shards: dict[str, Weight] = {}
            for shard in _shards(folder / index):
                shards.update(read(shard, prefixes))
            return shards
    raise file_fault(folder / WEIGHTS, "it is missing")


def _shards(index: Path) -> list[Path]:
    places = read_object(index).get("weight_map")
    if not isinstance(places, dict) or not 0 < len(places) <= MAX_TENSORS:
        raise file_fault(index, "it has no usable weight_map")
    shards = dict.fromkeys(map(str, places.values()))
    for shard in shards:
        # A plain name: the index must not lead out of the folder.
        if Path(shard).name != shard:
            raise file_fault(index, f"{shard!r:.60} is not the name of a file beside it")
    return [index.parent / shard for shard in shards]


def _read_safetensors(file: Path, prefixes: tuple[str, ...]) -> dict[str, Weight]:
    if not file.is_file():
        raise file_fault(file, "it is missing")
    try:
        with safe_open(file, framework="pt") as stored:
            names = stored.keys()
            table: Mapping[str, Any] = {
                name: stored.get_tensor(name) for name in names if name.startswith(prefixes)
            }
    except SafetensorError as error:
        raise file_fault(file, f"it is damaged or not complete ({error})") from error
    except OSError as error:
        raise file_fault(file, f"it cannot be read ({error.strerror or error})") from error
    return _weights(tensor_table(table, file) if table else {}, file)


def _read_pickle(file: Path, prefixes: tuple[str, ...]) -> dict[str, Weight]:
    table = tensor_table(load_pickle(file), file)
    return _weights({n: value for n, value in table.items() if n.startswith(prefixes)}, file)


def _weights(table: Mapping[str, Any], file: Path) -> dict[str, Weight]:
    return {name: Weight(tensor=value, file=file, name=name) for name, value in table.items()}

"""A model as a folder on disk, in the Hugging Face layout.

Owns the reading of such a folder and the checks that need no network: which files there are,
what kind of model they describe, which tensors they hold. Nobody vouches for these files: every
fault ends in one line that names the file and the cause. It builds no network and runs no code
that a checkpoint brings along.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open

from studio.core.errors import ModelError
from studio.models.updates import Update, UpdatedTensors

CONFIG = "config.json"
GENERATION = "generation_config.json"
PROMPTING = "prompting.json"
TOKENIZER = "tokenizer.json"
WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"

TEXT = "musicgen"
MELODY = "musicgen_melody"

_CHANGED_BY = "+"
MAX_JSON_BYTES = 32 * 2**20
MAX_TENSORS = 100_000
_Result = TypeVar("_Result")
SUPPORTED = "supported are musicgen and musicgen_melody"


def sha256_of(file: Path) -> str:
    """The hex SHA-256 of a file's bytes.

    Raises:
        OSError: It cannot be read.
    """
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def codes_fingerprint(fingerprint: str) -> str:
    """What codes of a model mean, in its `Bundle.fingerprint`: no adapter changes that."""
    return fingerprint.partition(_CHANGED_BY)[0]


@dataclass(frozen=True, kw_only=True)
class TensorEntry:
    """Where a tensor lies and how large it is."""

    file: Path
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Bundle:
    """An opened model folder.

    Attributes:
        folder: The folder.
        config: Its `config.json`; the sections `decoder` and `audio_encoder` are objects, and
            `text_encoder` where the model has text.
        generation: Its `generation_config.json`, empty without one.
        prompting: Its `prompting.json`, None without one.
        entries: Every tensor by name.
        digest: Gives the hex SHA-256 of a file; one that remembers spares reading large weights.
        updates: What adapters add to tensors, by the tensor's name.
        marks: What tells these adapters from others, a line for each; part of the fingerprint.
    """

    folder: Path
    config: Mapping[str, Any]
    generation: Mapping[str, Any]
    prompting: dict[str, Any] | None
    entries: Mapping[str, TensorEntry]
    digest: Callable[[Path], str] = sha256_of
    updates: Mapping[str, Update] = field(default_factory=dict)
    marks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What to call it: the folder's name, or the model's in the Hugging Face cache."""
        folder = self.folder.absolute()
        repository = folder.parent.parent.name
        if folder.parent.name == "snapshots" and repository.startswith("models--"):
            return repository.removeprefix("models--").replace("--", "/")
        return folder.name

    @property
    def has_text(self) -> bool:
        """Whether the model reads prompts; see `unconditional` for a text encoder left alone."""
        attends = self.has_melody or self.config["decoder"].get("cross_attention", True)
        return bool(attends) and self.config.get("text_encoder") is not None

    @property
    def has_melody(self) -> bool:
        """Whether the model hears a melody."""
        return bool(self.config["model_type"] == MELODY)

    @property
    def tokenizer_file(self) -> Path | None:
        """The `tokenizer.json`, None without one."""
        file = self.folder / TOKENIZER
        return file if file.is_file() else None

    @property
    def weight_files(self) -> tuple[Path, ...]:
        """The files that hold the tensors."""
        return tuple(sorted({entry.file for entry in self.entries.values()}))

    @cached_property
    def fingerprint(self) -> str:
        """Hex SHA-256 over every file that was read; `+` and another where adapters change it.

        Raises:
            ModelError: A file can no longer be read.
        """
        total = hashlib.sha256()
        optional = [self.folder / name for name in (GENERATION, PROMPTING, TOKENIZER)]
        present = [file for file in optional if file.is_file()]
        for file in (self.folder / CONFIG, *present, *self.weight_files):
            try:
                digest = self.digest(file)
            except OSError as error:
                raise file_fault(file, f"it cannot be read ({error.strerror})") from error
            total.update(f"{file.name} {digest}\n".encode())
        if not self.marks:
            return total.hexdigest()
        changed = hashlib.sha256("\n".join(self.marks).encode()).hexdigest()
        return f"{total.hexdigest()}{_CHANGED_BY}{changed}"

    def tensors(self, framework: str = "pt") -> Mapping[str, Any]:
        """The tensors by name, each read, and changed by adapters, when it is asked for.

        Args:
            framework: What to read them as, in the words of safetensors: "pt" or "np".
        """
        stored = _LazyTensors(self.entries, framework)
        return UpdatedTensors(stored, self.updates) if self.updates else stored


def open_bundle(folder: Path, *, digest: Callable[[Path], str] = sha256_of) -> Bundle:
    """Open a model folder.

    Args:
        folder: The folder, in the Hugging Face layout.
        digest: Gives the hex SHA-256 of a file, for the fingerprint.

    Raises:
        ModelError: It is missing, incomplete, broken, or holds another kind of model.
    """
    if not folder.is_dir():
        cause = "is a file, not a model folder" if folder.exists() else "does not exist"
        raise ModelError(f"The model folder {folder} {cause}; give a folder with {CONFIG}.")
    config = read_json(folder / CONFIG)
    _check_kind(folder / CONFIG, config)
    generation_file, prompting_file = folder / GENERATION, folder / PROMPTING
    return Bundle(
        folder=folder,
        config=config,
        generation=read_json(generation_file) if generation_file.exists() else {},
        prompting=read_json(prompting_file) if prompting_file.exists() else None,
        entries=_read_entries(folder),
        digest=digest,
    )


def file_fault(file: Path, cause: str) -> ModelError:
    """The error that names a file of a bundle and, in one line, what is wrong with it."""
    one_line = " ".join(cause.split()).rstrip(".")
    return ModelError(
        f"The model file {file} is not usable: {one_line:.300}. Fetch or copy the model again, or"
        " choose another."
    )


class _LazyTensors(Mapping[str, Any]):
    """Reads one tensor at a time, so that a large model is never in memory twice."""

    def __init__(self, entries: Mapping[str, TensorEntry], framework: str) -> None:
        self._entries = entries
        self._framework = framework
        self._open: dict[Path, Any] = {}

    def __getitem__(self, name: str) -> Any:
        file = self._entries[name].file
        if file not in self._open:
            self._open[file] = _open_safetensors(file, self._framework)
        return _reading(file, lambda: self._open[file].get_tensor(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        ModelError: It is missing, too large, or something else.
    """
    try:
        size = file.stat().st_size
        if size > MAX_JSON_BYTES:
            raise file_fault(file, f"{size} bytes are too many for it")
        value = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise file_fault(file, "it is missing") from error
    except OSError as error:
        raise file_fault(file, f"it cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise file_fault(file, f"it is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise file_fault(file, "it is not a JSON object")
    return value


def _check_kind(file: Path, config: Mapping[str, Any]) -> None:
    kind = config.get("model_type")
    if kind not in (TEXT, MELODY):
        raise file_fault(file, f"model_type {kind!r:.60} is unknown; {SUPPORTED}")
    sections = {"audio_encoder": "encodec", "decoder": f"{kind}_decoder"}
    if kind == MELODY or config.get("text_encoder") is not None:
        sections["text_encoder"] = "t5"
    for section, wanted in sections.items():
        values = config.get(section)
        if not isinstance(values, dict):
            raise file_fault(file, f"the section {section} is missing")
        found = values.get("model_type", wanted)
        if found != wanted:
            raise file_fault(file, f"the {section} is a {found!r:.60}, only {wanted} is supported")


def _read_entries(folder: Path) -> dict[str, TensorEntry]:
    whole, index = folder / WEIGHTS, folder / WEIGHTS_INDEX
    if whole.exists():
        return _read_header(whole)
    if index.exists():
        return _read_shards(index)
    if any(folder.glob("*.bin")):
        raise file_fault(whole, "it is missing; .bin weights are converted by studio models add")
    raise file_fault(whole, "it is missing")


def _read_shards(index: Path) -> dict[str, TensorEntry]:
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places or len(places) > MAX_TENSORS:
        raise file_fault(index, "it has no usable weight_map")
    shards: dict[str, dict[str, TensorEntry]] = {}
    entries: dict[str, TensorEntry] = {}
    for name, shard in places.items():
        # A plain name: the index must not lead out of the folder.
        if not isinstance(shard, str) or Path(shard).name != shard:
            raise file_fault(index, f"{shard!r:.60} is not the name of a file beside it")
        if shard not in shards:
            shards[shard] = _read_header(index.parent / shard)
        if name not in shards[shard]:
            raise file_fault(index.parent / shard, f"the tensor {name:.80} is missing")
        entries[name] = shards[shard][name]
    return entries


def _read_header(file: Path) -> dict[str, TensorEntry]:
    stored = _open_safetensors(file, "np")

    def entries() -> dict[str, TensorEntry]:
        return {
            name: TensorEntry(file=file, shape=tuple(stored.get_slice(name).get_shape()))
            for name in stored.keys()  # noqa: SIM118 - safe_open is no mapping
        }

    names = _reading(file, lambda: list(stored.keys()))
    if len(names) > MAX_TENSORS:
        raise file_fault(file, f"{len(names)} tensors are too many")
    return _reading(file, entries)


def _open_safetensors(file: Path, framework: str) -> Any:
    if not file.is_file():
        raise file_fault(file, "it is missing")
    return _reading(file, lambda: safe_open(file, framework=framework))


def _reading(file: Path, read: Callable[[], _Result]) -> _Result:
    try:
        return read()
    except SafetensorError as error:
        raise file_fault(file, f"it is damaged or not complete ({error})") from error
    except OSError as error:
        raise file_fault(file, f"it cannot be read ({error.strerror or error})") from error

"""Adapters: small files that change a model, in the form that the library peft writes.

Owns the reading and checking of such a folder and the union of a bundle with adapters. Nobody
vouches for these files: every fault ends in one line that names the file and the cause. How a
tensor is changed is `updates`' business; which network it belongs to is the backend's.

Facts: huggingface/peft, `tuners/lora/config.py`, `tuners/lora/layer.py`, `utils/save_and_load.py`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from studio.core.errors import ModelError
from studio.core.storage import one_line
from studio.models.bundle import (
    MAX_TENSORS,
    Bundle,
    codes_fingerprint,
    file_fault,
    read_json,
    sha256_of,
)
from studio.models.config_fields import read_integer, read_number
from studio.models.shapes import CODEC_PREFIX
from studio.models.updates import LowRank, Update

_LOG = logging.getLogger(__name__)
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
BASE_FINGERPRINT = "base_fingerprint"
"""Where the metadata of our weights file names the bundle that it was trained on."""
MOST_STRENGTH = 4.0
MAX_RANK = 4_096
_MAX_BYTES = 4 * 2**30

_PREFIX = "base_model.model."
_LINEAR = re.compile(r"(.+)\.lora_([AB])(?:\.default)?\.weight")
_EMBEDDING = re.compile(r"(.+)\.lora_embedding_([AB])(?:\.default)?")
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_PLAIN_PATTERN = re.compile(r"\^?[\w.]+\$?")
_UNSUPPORTED = (
    "use_dora",
    "use_qalora",
    "use_bdlora",
    "lora_bias",
    "layer_replication",
    "modules_to_save",
    "trainable_token_indices",
    "target_parameters",
    "alora_invocation_tokens",
    "arrow_config",
    "kasa_config",
    "monteclora_config",
)
# These begin by changing the base model itself, so that the published one is not what they fit.
_CHANGING_BASE = ("pissa", "olora", "corda", "loftq")


@dataclass(frozen=True, kw_only=True)
class AdapterUse:
    """An adapter in a folder, and how much of it.

    Attributes:
        folder: Where it lies.
        strength: Multiplies its effect; 1 is as it was trained, 0 is none.
    """

    folder: Path
    strength: float = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Adapter:
    """An opened adapter.

    Attributes:
        folder: The folder.
        base: The model that it says it was trained on; "" where it does not say.
        base_fingerprint: Of that model's bundle; "" where it does not say.
        changes: What it adds to the model, by the name of the module in Hugging Face's form.
        digest: Hex SHA-256 over its files.
    """

    folder: Path
    base: str
    base_fingerprint: str
    changes: Mapping[str, LowRank]
    digest: str

    @property
    def name(self) -> str:
        """What to call it."""
        return self.folder.absolute().name

    @property
    def rank(self) -> int:
        """The largest rank among its changes."""
        return max(int(change.down.shape[0]) for change in self.changes.values())

    @property
    def parameters(self) -> int:
        """Numbers in it."""
        return sum(change.up.size + change.down.size for change in self.changes.values())


def is_adapter(folder: Path) -> bool:
    """Whether a folder looks like an adapter; quick."""
    return (folder / ADAPTER_CONFIG).is_file()


def open_adapter(folder: Path) -> Adapter:
    """Open an adapter folder.

    Raises:
        ModelError: It is missing, broken, or of a kind that cannot be added to a model here.
    """
    if not folder.is_dir():
        raise ModelError(
            f"The adapter folder {folder} does not exist; give a folder with {ADAPTER_CONFIG}."
        )
    config_file, weights_file = folder / ADAPTER_CONFIG, folder / ADAPTER_WEIGHTS
    config = read_json(config_file)
    try:
        settings = _Settings.of(config)
    except ModelError as error:
        raise file_fault(config_file, error.user_message) from error
    except ArithmeticError as error:
        raise file_fault(config_file, f"a number is out of range ({error})") from error
    weights = _Weights(weights_file)
    changes = {
        module: settings.scaled(config_file, module, *pair)
        for module, pair in weights.pairs().items()
    }
    try:
        digests = [f"{file.name} {sha256_of(file)}\n" for file in (config_file, weights_file)]
    except OSError as error:
        raise file_fault(folder, f"it cannot be read ({error.strerror})") from error
    return Adapter(
        folder=folder,
        base=settings.base,
        base_fingerprint=weights.metadata.get(BASE_FINGERPRINT, ""),
        changes=changes,
        digest=hashlib.sha256("".join(digests).encode()).hexdigest(),
    )


def adapted(bundle: Bundle, uses: Sequence[tuple[Adapter, float]]) -> Bundle:
    """The same model, changed by adapters as soon as its tensors are read.

    Args:
        bundle: The model.
        uses: Adapters with their strengths; effects add up. Without any, and where every strength
            is 0, the bundle itself comes back.

    Raises:
        ModelError: An adapter does not fit the model, or a strength makes no sense.
    """
    for adapter, strength in uses:
        check_strength(adapter.name, strength)
    updates: dict[str, Update] = {}
    # In an order of their own, so that the sum does not depend on that of the caller.
    used = sorted(
        ((adapter, float(strength)) for adapter, strength in uses if strength),
        key=lambda use: (use[0].digest, use[1]),
    )
    for adapter, strength in used:
        _notice_other_edition(bundle, adapter)
        for module, change in adapter.changes.items():
            name = _tensor_of(bundle, adapter, module, change)
            part = replace(change, scale=strength * change.scale)
            updates[name] = (*updates.get(name, ()), part)
    if not used:
        return bundle
    marks = tuple(f"adapter {adapter.digest} {strength!r}" for adapter, strength in used)
    return replace(bundle, updates=updates, marks=marks)


def with_adapters(bundle: Bundle, uses: Sequence[AdapterUse]) -> Bundle:
    """As `adapted`, from folders; one of strength 0 is not even opened.

    Raises:
        ModelError: An adapter is not usable, or does not fit the model.
    """
    for use in uses:
        check_strength(use.folder.name, use.strength)
    used = [use for use in uses if use.strength]
    return adapted(bundle, [(open_adapter(use.folder), use.strength) for use in used])


def check_strength(name: str, strength: float) -> None:
    """Refuse a strength that makes no sense.

    Raises:
        ModelError: It is not a number from -`MOST_STRENGTH` to `MOST_STRENGTH`.
    """
    if not math.isfinite(strength) or abs(strength) > MOST_STRENGTH:
        raise ModelError(
            f"The strength of the adapter {name:.80} must be from -{MOST_STRENGTH:g} to"
            f" {MOST_STRENGTH:g}, not {strength:g}."
        )


def _notice_other_edition(bundle: Bundle, adapter: Adapter) -> None:
    """Log that an adapter was trained on other weights than these; it may still be of use."""
    trained_on = adapter.base_fingerprint
    if trained_on and codes_fingerprint(trained_on) != codes_fingerprint(bundle.fingerprint):
        _LOG.warning(
            "The adapter %s was trained on other weights than those of %s.",
            one_line(adapter.name),
            one_line(bundle.name),
        )


def _tensor_of(bundle: Bundle, adapter: Adapter, module: str, change: LowRank) -> str:
    """The tensor that a change is for."""
    # One trained on the decoder alone does not know that it has a name in the whole.
    names = (f"{module}.weight", f"decoder.{module}.weight")
    if module.startswith(CODEC_PREFIX):
        raise ModelError(
            f"The adapter {adapter.name:.80} changes the codec, so that codes would mean something"
            " else; use one that changes the language model only."
        )
    name = next((name for name in names if name in bundle.entries), None)
    made_for = (
        f"the model it was made for ({adapter.base:.80})" if adapter.base else "its own model"
    )
    if name is None:
        cause = f"it changes {module:.120}, which is not in it"
    elif bundle.entries[name].shape != change.shape:
        found, wanted = list(bundle.entries[name].shape), list(change.shape)
        cause = f"{module:.120} is {found} in it, and {wanted} for the adapter"
    else:
        return name
    raise ModelError(
        f"The adapter {adapter.name:.80} does not fit the model {bundle.name:.80}: {cause}; use it"
        f" with {made_for}."
    )


@dataclass(frozen=True, kw_only=True)
class _Settings:
    """What an `adapter_config.json` says about how its weights are added.

    Attributes:
        alpha: Of modules that have none of their own.
        alphas: By the name of a module, or by how it ends.
        by_root: Whether the product is divided by the root of the rank, not by the rank.
        base: The model's name.
    """

    alpha: float
    alphas: Mapping[str, float]
    by_root: bool
    base: str

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> _Settings:
        kind = config.get("peft_type")
        if kind != "LORA":
            raise ModelError(f"peft_type {kind!r:.60} is not supported, only 'LORA'")
        for key in _UNSUPPORTED:
            if config.get(key):
                raise ModelError(f"{key} {config[key]!r:.60} is not supported")
        if config.get("bias", "none") != "none":
            raise ModelError(f"bias {config['bias']!r:.60} is not supported, only 'none'")
        start = config.get("init_lora_weights")
        if isinstance(start, str) and start.startswith(_CHANGING_BASE):
            raise ModelError(
                f"init_lora_weights {start!r:.60} belongs to a base model that was changed too;"
                " save it as an ordinary LoRA with peft first"
            )
        patterns = config.get("alpha_pattern") or {}
        if not isinstance(patterns, dict) or len(patterns) > MAX_TENSORS:
            raise ModelError("alpha_pattern is not an object")
        for pattern in patterns:
            if not _PLAIN_PATTERN.fullmatch(pattern):
                raise ModelError(f"alpha_pattern {pattern!r:.60} is not the name of a module")
        read_integer(config, "r", 8, high=MAX_RANK)
        base = config.get("base_model_name_or_path") or ""
        if not isinstance(base, str):
            raise ModelError("base_model_name_or_path is not text")
        return cls(
            alpha=read_number(config, "lora_alpha", 8.0, low=-1e6, high=1e6),
            alphas={
                pattern: read_number(patterns, pattern, 8.0, low=-1e6, high=1e6)
                for pattern in patterns
            },
            by_root=bool(config.get("use_rslora")),
            base=base,
        )

    def scaled(
        self, file: Path, module: str, down: NDArray[np.float32], up: NDArray[np.float32]
    ) -> LowRank:
        """A pair of factors with the scale that the settings give it."""
        rank = down.shape[0]
        divisor = math.sqrt(rank) if self.by_root else rank
        change = LowRank(up=up, down=down, scale=self._alpha_of(module) / divisor)
        if not math.isfinite(change.scale):
            raise file_fault(file, f"the scale of {module:.80} is not finite")
        return change

    def _alpha_of(self, module: str) -> float:
        for pattern, alpha in self.alphas.items():
            name = pattern.rstrip("$")
            whole = name.startswith("^")
            if module == name.removeprefix("^") or (not whole and module.endswith(f".{name}")):
                return alpha
        return self.alpha


class _Weights:
    """The tensors of an `adapter_model.safetensors`, read as float32."""

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            size = file.stat().st_size
            if size > _MAX_BYTES:
                raise file_fault(file, f"{size} bytes are too many for an adapter")
            # Its checks come first: afterwards the header is known to fit the file.
            with safe_open(file, framework="np") as stored:
                self.metadata: dict[str, str] = dict(stored.metadata() or {})
            with file.open("rb") as stream:
                length = int.from_bytes(stream.read(8), "little")
                self._header: dict[str, Any] = json.loads(stream.read(length))
        except FileNotFoundError as error:
            raise file_fault(file, "it is missing") from error
        except (SafetensorError, ValueError) as error:
            raise file_fault(file, f"it is damaged or not complete ({error})") from error
        except OSError as error:
            raise file_fault(file, f"it cannot be read ({error.strerror or error})") from error
        self._start = 8 + length
        self._header.pop("__metadata__", None)
        if not 0 < len(self._header) <= MAX_TENSORS:
            raise file_fault(file, f"it holds {len(self._header)} tensors")

    def pairs(self) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """The two factors of each module: [R, I] and [O, R]."""
        found: dict[str, dict[str, NDArray[np.float32]]] = {}
        for name in sorted(self._header):
            plain = name.removeprefix(_PREFIX)
            linear, embedding = _LINEAR.fullmatch(plain), _EMBEDDING.fullmatch(plain)
            match = linear or embedding
            if plain == name or match is None or len(name) > 300:
                raise self._fault(f"{name:.120} is no low-rank change of a layer")
            matrix = self._read(name)
            # An embedding's table is the transpose of what a linear layer would hold.
            kind = match[2] if linear else {"A": "B", "B": "A"}[match[2]]
            found.setdefault(match[1], {})[kind] = matrix if linear else matrix.T
        for module, factors in found.items():
            if factors.keys() != {"A", "B"}:
                raise self._fault(f"half of the change of {module:.120} is missing")
            down, up = factors["A"], factors["B"]
            if down.shape[0] != up.shape[1] or not 1 <= down.shape[0] <= MAX_RANK:
                raise self._fault(
                    f"the factors of {module:.120} are {list(down.shape)} and {list(up.shape)}"
                )
        return {module: (factors["A"], factors["B"]) for module, factors in found.items()}

    def _read(self, name: str) -> NDArray[np.float32]:
        entry = self._header[name]
        shape, kind = entry["shape"], entry["dtype"]
        if kind not in _TYPES or len(shape) != 2 or 0 in shape:
            raise self._fault(f"{name:.120} is {kind} {shape!r:.60}, not a matrix of numbers")
        first, last = entry["data_offsets"]
        dtype = np.dtype(_TYPES[kind])
        count = (last - first) // dtype.itemsize
        try:
            raw = np.fromfile(self._file, dtype, count, offset=self._start + first)
        except OSError as error:
            raise self._fault(f"it cannot be read ({error.strerror or error})") from error
        if raw.size != math.prod(shape):
            raise self._fault("it is not complete")
        if kind == "BF16":
            # The upper half of a float32.
            raw = (raw.astype(np.uint32) << 16).view(np.float32)
        matrix: NDArray[np.float32] = raw.reshape(shape).astype(np.float32)
        if not np.isfinite(matrix).all():
            raise self._fault(f"{name:.120} holds NaN or infinity")
        return matrix

    def _fault(self, cause: str) -> ModelError:
        return file_fault(self._file, cause)

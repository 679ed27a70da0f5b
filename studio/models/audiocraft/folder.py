"""MusicGen folders in audiocraft's form: recognising them, and reading their settings.

Owns the question whether a folder must be converted before it can be opened, and the reading of
`xp.cfg`, the YAML text that an audiocraft checkpoint carries. That text is untrusted: it is
parsed as plain data, with a limit on its size and without aliases, which could multiply. What the
settings mean is decided in `audiocraft_language` and `audiocraft_codec`. It opens no checkpoint.

Facts: facebookresearch/audiocraft, `models/loaders.py`, `utils/export.py` and `config/`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from studio.core.errors import ModelError
from studio.models.bundle import CONFIG, WEIGHTS, WEIGHTS_INDEX

STATE = "state_dict.bin"
CODEC_STATE = "compression_state_dict.bin"
TORCH_WEIGHTS = "pytorch_model.bin"
TORCH_WEIGHTS_INDEX = "pytorch_model.bin.index.json"
SETTINGS = "xp.cfg"

DEFAULT_CODEC = "facebook/encodec_32khz"
MAX_SETTINGS_BYTES = 256 * 2**10
_MOST_REFERENCES = 8

_REFERENCE = re.compile(r"\$\{([A-Za-z0-9_.]+)\}")
_WORD = r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.))*"
_REPOSITORY = re.compile(rf"{_WORD}(?:/{_WORD})?")


def is_audiocraft(folder: Path) -> bool:
    """Whether `folder` holds a language model in audiocraft's form and none in safetensors."""
    return (folder / STATE).is_file() and not _has_safetensors(folder)


def needs_conversion(folder: Path) -> bool:
    """Whether `folder` holds a model that is read only after `convert_audiocraft`.

    True for audiocraft's form, and for a Hugging Face folder whose weights are a pickle.
    """
    if is_audiocraft(folder):
        return True
    pickled = any((folder / name).is_file() for name in (TORCH_WEIGHTS, TORCH_WEIGHTS_INDEX))
    return pickled and (folder / CONFIG).is_file() and not _has_safetensors(folder)


def _has_safetensors(folder: Path) -> bool:
    return any((folder / name).exists() for name in (WEIGHTS, WEIGHTS_INDEX))


def require_model_name(value: object) -> str:
    """`value` if it is the name of a published model: `name` or `owner/name`.

    Raises:
        ModelError: It is something else: a path, an address, not text.
    """
    if isinstance(value, str) and len(value) <= 100 and _REPOSITORY.fullmatch(value):
        return value
    raise ModelError(f"it points to {value!r:.80}, which is not the name of a published model")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a training run, as `xp.cfg` keeps them.

    Attributes:
        tree: Plain mappings, lists, text, numbers, true, false, null.
    """

    tree: Mapping[str, Any]

    def get(self, path: str, default: Any = None) -> Any:
        """The value at a dotted `path`; `default` where it is absent or null.

        A value `${a.b}` stands for the value at `a.b`.

        Raises:
            ModelError: It refers to itself, or to something that is not in the settings.
        """
        value = self._at(path)
        for _ in range(_MOST_REFERENCES):
            found = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
            if found is None:
                break
            value = self._at(found[1])
        if isinstance(value, str) and "${" in value:
            raise ModelError(f"{SETTINGS}: {path} refers to {value!r:.60}, which is unknown")
        return default if value is None else value

    def require(self, path: str, *supported: Any, absent: Any) -> None:
        """Accept these settings only if the value at `path` is one of `supported`.

        Args:
            path: Dotted.
            supported: The values that can be run.
            absent: What audiocraft takes where nothing is said.

        Raises:
            ModelError: It is another value.
        """
        value = self.get(path, absent)
        if value not in supported:
            choices = " or ".join(repr(choice) for choice in supported)
            raise ModelError(f"{SETTINGS}: {path} {value!r:.60} is not supported, only {choices}")

    def section(self, path: str) -> Mapping[str, Any]:
        """The mapping at `path`, empty where it is absent or null.

        Raises:
            ModelError: It is something else than a mapping.
        """
        value = self.get(path, {})
        if not isinstance(value, dict):
            raise ModelError(f"{SETTINGS}: {path} is not a section")
        return value

    def names(self, path: str) -> Sequence[str]:
        """The list of names at `path`, empty where it is absent or null.

        Raises:
            ModelError: It is something else than a list of text.
        """
        value = self.get(path, [])
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise ModelError(f"{SETTINGS}: {path} is not a list of names")
        return value

    def _at(self, path: str) -> Any:
        value: Any = self.tree
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value


def parse_settings(text: object) -> Settings:
    """Read the text of an `xp.cfg`.

    Raises:
        ModelError: It is missing, too long, not YAML, not a mapping, or asks for objects.
    """
    if text is None:
        raise ModelError(f"it has no {SETTINGS}")
    if not isinstance(text, str):
        raise ModelError(f"its {SETTINGS} is a {type(text).__name__}, not text")
    if len(text) > MAX_SETTINGS_BYTES:
        raise ModelError(f"its {SETTINGS} of {len(text)} characters is too long")
    try:
        tree = yaml.load(text, Loader=_PlainLoader)
    except yaml.YAMLError as error:
        raise ModelError(f"its {SETTINGS} is not plain YAML ({_cause(error)})") from error
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise ModelError(f"its {SETTINGS} is not usable ({error})") from error
    if not isinstance(tree, dict):
        raise ModelError(f"its {SETTINGS} is not a mapping")
    return Settings(tree=tree)


class _PlainLoader(yaml.SafeLoader):
    """Plain data without aliases; audiocraft writes none."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed")
        return super().compose_node(parent, index)


def _cause(error: yaml.YAMLError) -> str:
    problem = error.problem if isinstance(error, yaml.MarkedYAMLError) else None
    return " ".join((problem or str(error)).split())

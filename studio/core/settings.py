"""What a person chose, kept between runs.

Owns `Settings` and its JSON file. It applies nothing: whoever composes the program passes the
values on. `docs/settings.md` describes every field.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

from studio.core.errors import StorageError
from studio.core.storage import write_atomically

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every choice that outlives a run.

    Attributes:
        model: The model that the window starts with: a name, or a bundle folder.
        prompt: The last prompt of the window.
        tempo_bpm: The last tempo of the window, in quarter notes a minute.
        bars: The last length of the window, in bars of 4/4.
        key: The last key of the window; "" leaves it open.
        output_device: Name of the sound card; "" takes the system's default.
        volume_db: Playback volume, in dB; 0 is as recorded.
        loop: Playback repeats.
        audition_new_takes: A take is heard while it is being made.
        exports_dir: Folder of the WAV files for a DAW; "" takes the default one.
        window_geometry: Size and place of the window, as Qt's base64 text.
        window_splitters: Places of the window's splitters, as Qt's base64 text.
    """

    model: str = "house"
    prompt: str = ""
    tempo_bpm: float = 174.0
    bars: int = 2
    key: str = ""
    output_device: str = ""
    volume_db: float = -6.0
    loop: bool = True
    audition_new_takes: bool = True
    exports_dir: str = ""
    window_geometry: str = ""
    window_splitters: str = ""


def load_settings(path: Path, *, on_notice: Callable[[str], None] | None = None) -> Settings:
    """Read the settings; a missing file gives the defaults.

    A file that is not a JSON object is renamed to `settings.json.broken`, so that nothing typed
    into it is lost, and the defaults are used. A value of the wrong type is replaced by its
    default; a key that this version does not know is ignored.

    Args:
        path: The settings file.
        on_notice: Called with one line for each thing that could not be used.

    Raises:
        StorageError: The file exists and cannot be read or moved aside.
    """
    notify = on_notice or _ignore
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Settings()
    except UnicodeDecodeError:
        return _set_aside(path, "it is not text", notify)
    except OSError as error:
        reason = error.strerror or error
        raise StorageError(
            f"Cannot read the settings in {path} ({reason}); check its permissions."
        ) from error
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        return _set_aside(path, str(error), notify)
    if not isinstance(values, dict):
        return _set_aside(path, "it is not a JSON object", notify)
    return _from_values(values, path, notify)


def save_settings(path: Path, settings: Settings) -> None:
    """Write the settings whole or not at all.

    Raises:
        StorageError: The file cannot be written; the old one is kept.
    """
    text = json.dumps(asdict(settings), indent=2, sort_keys=True) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise StorageError(
            f"Cannot save the settings to {path} ({reason}); the old ones are kept."
        ) from error
    write_atomically(path, text.encode())


def _ignore(notice: str) -> None:
    """Used when nobody listens; the log has the notice anyway."""


def _set_aside(path: Path, reason: str, notify: Callable[[str], None]) -> Settings:
    kept = path.with_name(path.name + ".broken")
    try:
        path.replace(kept)
    except OSError as error:
        raise StorageError(
            f"The settings in {path} are unreadable and cannot be moved aside "
            f"({error.strerror or error}); remove the file."
        ) from error
    _tell(f"The settings in {path} were unreadable ({reason}); kept as {kept.name}.", notify)
    return Settings()


def _tell(notice: str, notify: Callable[[str], None]) -> None:
    _LOG.warning(notice)
    notify(notice)


def _from_values(values: dict[str, Any], path: Path, notify: Callable[[str], None]) -> Settings:
    types = get_type_hints(Settings)
    usable: dict[str, Any] = {}
    for field in fields(Settings):
        if field.name not in values:
            continue
        value = values[field.name]
        if _fits(value, types[field.name]):
            usable[field.name] = value
        else:
            _tell(
                f"The setting {field.name} in {path} cannot be {value!r:.40}; "
                f"{field.default!r} is used.",
                notify,
            )
    return Settings(**usable)


def _fits(value: object, kind: type) -> bool:
    """Whether a JSON value can stand for a field; an int serves where a float is asked."""
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, (int, float)) and abs(value) < 1e9
    return isinstance(value, kind)

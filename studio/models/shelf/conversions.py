"""Models whose weights are pickles, as audiocraft writes them, converted once.

Owns the folder of conversions: which of them belongs to which files, one process at a time, and
nothing half-made left behind. The conversion itself is the torch backend's.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from studio.core.errors import ModelError, StorageError
from studio.core.file_lock import held
from studio.core.storage import shown_path, sync_folder
from studio.models.hub.cache import holds_bundle

# Raised when the same files are to be converted differently.
_VERSION = 1
_PART = ".part"
_CONVERTED_FROM = (".bin", ".json", ".th")
_KEY_CHARACTERS = 16


class Conversions:
    """Converted models, each in a folder named after its source and the source's state.

    Args:
        folder: Where they lie; made at the first conversion.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(
        self,
        source: Path,
        *,
        find: Callable[[str], Path],
        on_start: Callable[[], None] | None = None,
    ) -> Path:
        """The bundle made of an audiocraft folder; made now when it is new or has changed.

        A second process that wants a conversion waits for the first.

        Args:
            source: The audiocraft folder, which is only read.
            find: Gives the folder of a part that the model names, such as "t5-base".
            on_start: Called before a conversion begins, which can take minutes.

        Raises:
            ModelError: The source is broken, or a part is not on this machine.
            StorageError: There is no room or no permission.
        """
        made = self._folder / _key(source)
        bundle = made / _place(source)
        if holds_bundle(bundle):
            return bundle
        with held(self._folder / ".lock"):
            if holds_bundle(bundle):
                return bundle
            self._sweep()
            if on_start is not None:
                on_start()
            self._convert(source, made, find)
            self._drop(source, but=made)
        return bundle

    def forget(self, source: Path) -> None:
        """Delete what was made of a folder, or of any version of a repository in the cache.

        Args:
            source: The folder, or one in a repository's `snapshots`.

        Raises:
            StorageError: The folder of conversions cannot be written.
        """
        if self._folder.is_dir():
            with held(self._folder / ".lock"):
                self._drop(source)

    def _convert(self, source: Path, made: Path, find: Callable[[str], Path]) -> None:
        from studio.models.torch_backend.audiocraft.convert import convert_audiocraft

        part = self._folder / f"{secrets.token_hex(8)}{_PART}"
        try:
            bundle = part / _place(source)
            bundle.parent.mkdir(parents=True)
            convert_audiocraft(source, bundle, find=find)
            if made.exists():
                # Somebody took files out of it, so that it no longer counts as a bundle.
                shutil.rmtree(made)
            part.replace(made)
            sync_folder(self._folder)
        except OSError as error:
            raise StorageError(
                f"{shown_path(source)} was not converted ({error.strerror or error}): make room in"
                f" {shown_path(self._folder)} and try again."
            ) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _sweep(self) -> None:
        """Delete what a killed process left; only the lock's holder may have a part."""
        for part in self._folder.glob(f"*{_PART}"):
            shutil.rmtree(part, ignore_errors=True)

    def _drop(self, source: Path, *, but: Path | None = None) -> None:
        for made in self._folder.glob(f"{_source_key(source)}-*"):
            if made != but:
                shutil.rmtree(made, ignore_errors=True)


def _key(source: Path) -> str:
    state = hashlib.sha256(f"version {_VERSION} of {source.name}\n".encode())
    try:
        for file in sorted(source.iterdir()):
            if file.suffix in _CONVERTED_FROM and file.is_file():
                facts = file.stat()
                state.update(f"{file.name} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    except OSError as error:
        raise ModelError(
            f"The model folder {shown_path(source)} cannot be read ({error.strerror or error});"
            " check its permissions."
        ) from error
    return f"{_source_key(source)}-{state.hexdigest()[:_KEY_CHARACTERS]}"


def _place(source: Path) -> Path:
    """Where the bundle lies in its conversion: so that `Bundle.name` is that of the source."""
    if source.parent.name == "snapshots":
        return Path(source.parent.parent.name, "snapshots", source.name)
    return Path(source.name or "model")


def _source_key(source: Path) -> str:
    """The same for every version of a repository in the Hugging Face cache."""
    if source.parent.name == "snapshots":
        source = source.parent.parent
    return hashlib.sha256(str(source.resolve()).encode()).hexdigest()[:_KEY_CHARACTERS]

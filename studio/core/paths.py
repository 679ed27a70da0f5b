"""Where everything lives on disk.

Owns the names of the files and folders that the product keeps, and the way to its bundled
resources. It creates folders only in `Paths.create`, and never opens a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import platformdirs

from studio.core.errors import StorageError

APP_NAME = "seedcrate"
_PACKAGE_DIR = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True)
class Paths:
    """The folders of one library.

    Attributes:
        data_dir: Database, samples, settings and log live here.
        exports_dir: Permanent WAV copies for a DAW; never cleaned up by the program.
    """

    data_dir: Path
    exports_dir: Path

    @property
    def database(self) -> Path:
        """The library's SQLite file."""
        return self.data_dir / "library.sqlite3"

    @property
    def samples(self) -> Path:
        """The library's WAV files."""
        return self.data_dir / "samples"

    @property
    def models_dir(self) -> Path:
        """The list of added models, and what was converted from other formats."""
        return self.data_dir / "models"

    @property
    def log_file(self) -> Path:
        """The log, where tracebacks of bugs end up."""
        return self.data_dir / "logs" / "studio.log"

    @property
    def settings_file(self) -> Path:
        """The settings, as JSON."""
        return self.data_dir / "settings.json"

    @property
    def lock_file(self) -> Path:
        """Held by the one window that this library may have."""
        return self.data_dir / "window.lock"

    def create(self) -> None:
        """Make the data folder and the folders of samples and models where they are missing.

        The exports folder is left to the first export.

        Raises:
            StorageError: A folder cannot be made.
        """
        for folder in (self.data_dir, self.samples, self.models_dir):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                reason = error.strerror or error
                raise StorageError(
                    f"Cannot create the folder {folder} ({reason}); "
                    "choose another one with --data-dir."
                ) from error


def kernels_dir() -> Path:
    """Where code that was compiled for this machine is kept: a cache, shared by all libraries."""
    return Path(platformdirs.user_cache_dir(APP_NAME, appauthor=False)) / "kernels"


def default_paths(data_dir: Path | None = None) -> Paths:
    """The folders to use.

    Args:
        data_dir: What the person passed as `--data-dir`; everything, exports included, then
            stays inside it. None takes the user's own data and music folders.
    """
    if data_dir is not None:
        folder = data_dir.expanduser().absolute()
        return Paths(data_dir=folder, exports_dir=folder / "exports")
    return Paths(
        data_dir=platformdirs.user_data_path(APP_NAME, appauthor=False),
        exports_dir=platformdirs.user_music_path() / "Seedcrate" / "Exports",
    )


def resources_dir(package_dir: Path = _PACKAGE_DIR) -> Path:
    """The bundled resources: `resources/` of a checkout, `_resources/` of an installed wheel.

    Args:
        package_dir: The folder of the `studio` package.

    Raises:
        StorageError: Neither exists, so the installation is incomplete.
    """
    installed = package_dir / "_resources"
    if installed.is_dir():
        return installed
    checkout = package_dir.parent
    if (checkout / "resources").is_dir() and (checkout / "pyproject.toml").is_file():
        return checkout / "resources"
    raise StorageError(
        f"The bundled resources are missing beside {package_dir}; install Seedcrate again."
    )

"""The one tree of errors that a person may see.

Owns every error class of the product. A `StudioError` carries one line that names what
happened and what to do about it: the window shows it as a banner, the command line prints it
on stderr. Anything that is not a `StudioError` is a bug and keeps its traceback.
"""

from __future__ import annotations


class StudioError(Exception):
    """Something a person can understand and mend.

    Attributes:
        user_message: One line: what happened, what was kept, what to do.
        exit_status: The command line's exit status for it.
    """

    exit_status = 1

    def __init__(self, user_message: str) -> None:
        super().__init__(user_message)
        self.user_message = user_message


class InputError(StudioError):
    """A request that cannot be met: tempo, bars, key, prompt, seed."""


class AudioFileError(StudioError):
    """An audio file that cannot be read or written."""


class ModelError(StudioError):
    """A model that is unknown, broken, or does not fit the request."""


class EngineError(StudioError):
    """The engine process stopped before it had finished a take."""


class CancelledError(StudioError):
    """The work was cancelled by the person who asked for it."""

    exit_status = 130


class StorageError(StudioError):
    """A file or folder that cannot be written: full disk, no permission."""


class LibraryError(StudioError):
    """The library's database or one of its files is not usable."""


class DeviceError(StudioError):
    """The sound card is missing or refused the sound."""


class AlreadyRunningError(StudioError):
    """A second window on a library that already has one."""


class TrainingError(StudioError):
    """Training could not start or did not reach a usable model."""

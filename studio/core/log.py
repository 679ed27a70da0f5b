"""The log file.

Owns where log records of the package go. It decides nothing about what is logged, and prints
nothing: what a person must see travels as a `StudioError`.
"""

from __future__ import annotations

import logging
from pathlib import Path

LOGGER_NAME = "studio"
MAX_LOG_BYTES = 1_000_000
_HANDLER_NAME = "studio-log-file"
_FORMAT = "%(asctime)s %(levelname)s %(process)d %(threadName)s %(name)s: %(message)s"


def start_logging(log_file: Path, *, level: int = logging.INFO) -> None:
    """Send the package's log records to a file; calling it again moves them to another.

    A log that has grown past `MAX_LOG_BYTES` is renamed to `studio.log.1` first, so two files
    are kept at most. Rotation happens only here: several processes may append to one log, and
    none may rename it under another's feet. A log that cannot be written is no reason to stop:
    a warning goes to stderr and the program goes on without one.
    """
    stop_logging()
    logger = logging.getLogger(LOGGER_NAME)
    logger.setLevel(level)
    try:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        _rotate(log_file)
        handler = logging.FileHandler(log_file, encoding="utf-8")
    except OSError as error:
        logger.warning("There is no log file: %s (%s)", log_file, error.strerror or error)
        return
    handler.set_name(_HANDLER_NAME)
    handler.setFormatter(logging.Formatter(_FORMAT))
    logger.addHandler(handler)


def stop_logging() -> None:
    """Close the log file, if one is open."""
    logger = logging.getLogger(LOGGER_NAME)
    for handler in list(logger.handlers):
        if handler.get_name() == _HANDLER_NAME:
            logger.removeHandler(handler)
            handler.close()


def _rotate(log_file: Path) -> None:
    if log_file.exists() and log_file.stat().st_size > MAX_LOG_BYTES:
        log_file.replace(log_file.with_name(log_file.name + ".1"))

"""What every test stands on: no screen, and nothing of the person who runs them is touched."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.core.log import stop_logging
from studio.core.paths import Paths, default_paths

REPOSITORY = Path(__file__).resolve().parent.parent

# Before any test module imports Qt; the end-to-end tests start programs with a screen of their own.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


@pytest.fixture(scope="session", autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The default library of every test, and of every program it starts, is an empty one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data-home")))
        # A program makes way for others once, at its start; tests start it again and again in here.
        patch.setattr(os, "nice", lambda increment: increment, raising=False)
        yield


@pytest.fixture(autouse=True)
def _closed_log() -> Iterator[None]:
    """A log file that a test has opened does not outlive it."""
    yield
    stop_logging()


@pytest.fixture
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """The folders of an empty library."""
    return default_paths(tmp_path / "library")

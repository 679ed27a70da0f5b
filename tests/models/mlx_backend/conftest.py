"""The mlx backend on the models of the tests around it, where mlx can be installed."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import pytest

from studio.models.bundle import open_bundle
from tests.models.reference import Reference

if TYPE_CHECKING:
    from studio.models.mlx_backend.backend import MlxBackend

_APPLE_SILICON = sys.platform == "darwin" and platform.machine() == "arm64"
if sys.platform != "linux" and not _APPLE_SILICON:  # there is no mlx for these
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def mirrored(oracle: Callable[[str], Reference]) -> Callable[..., MlxBackend]:
    """Gives the mlx backend on the model of a name in `SHAPES`, and in a precision."""
    from studio.models.mlx_backend.backend import MlxBackend

    @cache
    def loaded(name: str, precision: str = "float32") -> MlxBackend:
        return MlxBackend(open_bundle(oracle(name).folder), precision)

    return loaded

"""The only door to a backend.

Owns the choice of what computes a model and in which precision. It imports a backend's library
only when a model is really loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from studio.core.errors import ModelError
from studio.models.backend import MusicBackend
from studio.models.bundle import open_bundle, sha256_of

BACKENDS = ("torch",)
PRECISIONS = ("float32",)


def load_backend(
    folder: Path,
    *,
    backend: str | None = None,
    precision: str | None = None,
    digest: Callable[[Path], str] = sha256_of,
) -> MusicBackend:
    """Load the model in `folder`.

    Args:
        folder: A bundle, as `ModelShelf.resolve` finds it.
        backend: One of `BACKENDS`; None picks.
        precision: One of `PRECISIONS`; None picks.
        digest: Gives the hex SHA-256 of a file; `ModelShelf.digest` remembers them.

    Raises:
        ModelError: The bundle is not usable, or the backend or precision unknown.
    """
    if backend is not None and backend not in BACKENDS:
        raise ModelError(f"There is no backend {backend!r}; choose one of {', '.join(BACKENDS)}.")
    if precision is not None and precision not in PRECISIONS:
        raise ModelError(
            f"There is no precision {precision!r}; choose one of {', '.join(PRECISIONS)}."
        )
    bundle = open_bundle(folder, digest=digest)
    from studio.models.torch_backend.backend import TorchBackend

    return TorchBackend(bundle)

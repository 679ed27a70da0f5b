"""The only door to a backend.

Owns the choice of what computes a model and in which precision. It imports a backend's library
only when a model is really loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from studio.core.errors import ModelError
from studio.models.adapters import AdapterUse, with_adapters
from studio.models.backend import MusicBackend
from studio.models.bundle import Bundle, open_bundle, sha256_of
from studio.models.speeds import Speeds

BACKENDS = ("torch", "mlx")
PRECISIONS = ("float32", "bfloat16", "int8")
"""Those of every backend."""
MLX_PRECISIONS = (*PRECISIONS, "float16", "int4")


def load_backend(
    folder: Path,
    *,
    backend: str | None = None,
    precision: str | None = None,
    digest: Callable[[Path], str] = sha256_of,
    speeds: Speeds | None = None,
    adapters: Sequence[AdapterUse] = (),
) -> MusicBackend:
    """Load the model in `folder`.

    Args:
        folder: A bundle, as `ModelShelf.resolve` finds it.
        backend: One of `BACKENDS`; None picks.
        precision: One of `PRECISIONS`, or for mlx of `MLX_PRECISIONS`; None takes what suits the
            model and this machine.
        digest: Gives the hex SHA-256 of a file; `ModelShelf.digest` remembers them.
        speeds: How fast this machine is in each precision; None finds out anew.
        adapters: What changes the model; their effects add up.

    Raises:
        ModelError: The bundle or an adapter is not usable, the backend or precision unknown, or
            the backend's library not installed.
    """
    if backend is not None and backend not in BACKENDS:
        raise ModelError(f"There is no backend {backend!r}; choose one of {', '.join(BACKENDS)}.")
    precisions = MLX_PRECISIONS if backend == "mlx" else PRECISIONS
    if precision is not None and precision not in precisions:
        raise ModelError(
            f"There is no precision {precision!r}; choose one of {', '.join(precisions)}."
        )
    bundle = with_adapters(open_bundle(folder, digest=digest), adapters)
    if backend == "mlx":
        return _load_mlx(bundle, precision)
    from studio.models.torch_backend.backend import TorchBackend

    return TorchBackend(bundle, precision, speeds=speeds)


def _load_mlx(bundle: Bundle, precision: str | None) -> MusicBackend:
    try:
        from studio.models.mlx_backend.backend import MlxBackend
    except ImportError as error:
        cause = " ".join(str(error).split())
        raise ModelError(
            f"The backend mlx cannot be loaded ({cause:.200}); install it with"
            " `pip install 'seedcrate[mlx]'`, or choose torch."
        ) from error
    return MlxBackend(bundle, precision=precision or "float32")

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
from studio.models.measurements import Measurements
from studio.models.native_backend.store import PackedStore

PRECISIONS_OF = {
    "native": ("float32", "bfloat16", "int8", "int4"),
    "torch": ("float32", "bfloat16", "float16"),
    "mlx": ("float32", "bfloat16", "float16", "int8", "int4"),
}
"""By backend, in the order in which they are picked."""
BACKENDS = tuple(PRECISIONS_OF)
PRECISIONS = PRECISIONS_OF["native"]
"""Those that any machine computes."""
ALL_PRECISIONS = (*PRECISIONS, "float16")


def load_backend(
    folder: Path,
    *,
    backend: str | None = None,
    precision: str | None = None,
    digest: Callable[[Path], str] = sha256_of,
    measurements: Measurements | None = None,
    packed: PackedStore | None = None,
    adapters: Sequence[AdapterUse] = (),
) -> MusicBackend:
    """Load the model in `folder`.

    Args:
        folder: A bundle, as `ModelShelf.resolve` finds it.
        backend: One of `BACKENDS`; None picks.
        precision: One of `PRECISIONS_OF` the backend; None takes what suits the model and this
            machine.
        digest: Gives the hex SHA-256 of a file; `ModelShelf.digest` remembers them.
        measurements: What is known about this machine and its models; None finds out anew.
        packed: Large models as they were packed before; None packs anew.
        adapters: What changes the model; their effects add up.

    Raises:
        ModelError: The bundle or an adapter is not usable, the backend or precision unknown, or
            the backend's library not installed.
    """
    if backend is not None and backend not in BACKENDS:
        raise ModelError(f"There is no backend {backend!r}; choose one of {', '.join(BACKENDS)}.")
    backend = backend or _backend_for(precision)
    able = PRECISIONS_OF[backend]
    if precision is not None and precision not in able:
        raise ModelError(
            f"The backend {backend} has no precision {precision!r:.40}; choose {', '.join(able)}."
        )
    bundle = with_adapters(open_bundle(folder, digest=digest), adapters)
    if backend == "mlx":
        return _load_mlx(bundle, precision)
    if backend == "torch":
        from studio.models.torch_backend.backend import TorchBackend

        return TorchBackend(bundle, precision)
    from studio.models.native_backend.backend import NativeBackend

    return NativeBackend(bundle, precision, measurements=measurements, packed=packed)


def _backend_for(precision: str | None) -> str:
    """The first backend that has the precision."""
    for backend, able in PRECISIONS_OF.items():
        if precision is None or precision in able:
            return backend
    raise ModelError(
        f"There is no precision {precision!r:.40}; choose one of {', '.join(ALL_PRECISIONS)}."
    )


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

"""The only door to a backend.

Owns the choice of what computes a model and in which precision. It imports a backend's library
only when a model is really loaded.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from studio.core.errors import ModelError
from studio.models.accelerators import possible_backends
from studio.models.adapters import AdapterUse, with_adapters
from studio.models.backend import Condition, MusicBackend, Sampling
from studio.models.bundle import Bundle, open_bundle, sha256_of
from studio.models.measurements import Measurements
from studio.models.native_backend.gang import SMALL_PARAMETERS
from studio.models.native_backend.store import PackedStore
from studio.models.shapes import Shapes

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
_TRIAL_FRAMES = 60
_TRIAL = Sampling(top_k=30, guidance=2.0)
_LOG = logging.getLogger(__name__)


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
    _check_precision(backend, precision)
    bundle = with_adapters(open_bundle(folder, digest=digest), adapters)
    remembered = measurements or Measurements(None)

    def load(name: str) -> MusicBackend:
        if name == "mlx":
            return _load_mlx(bundle, precision)
        if name == "torch":
            from studio.models.torch_backend.backend import TorchBackend

            return TorchBackend(bundle, precision)
        from studio.models.native_backend.backend import NativeBackend

        return NativeBackend(bundle, precision, measurements=remembered, packed=packed)

    if backend is None:
        candidates = [
            name
            for name in possible_backends()
            if precision is None or precision in PRECISIONS_OF[name]
        ] or [_first_with(precision)]
        if Shapes.of(bundle).language_parameters < SMALL_PARAMETERS:
            # Fast enough anywhere, and the same seed the same take on every machine.
            candidates = candidates[:1]
        backend = _fastest(candidates, load, f"{bundle.fingerprint} in {precision}", remembered)
    return load(backend)


def _check_precision(backend: str | None, precision: str | None) -> None:
    """Refuse a precision that the backend, or every backend, lacks.

    Raises:
        ModelError: It does.
    """
    if precision is None:
        return
    if backend is None:
        _first_with(precision)
    elif precision not in PRECISIONS_OF[backend]:
        able = ", ".join(PRECISIONS_OF[backend])
        raise ModelError(
            f"The backend {backend} has no precision {precision!r:.40}; choose {able}."
        )


def _first_with(precision: str | None) -> str:
    """The first backend that has the precision.

    Raises:
        ModelError: None has.
    """
    for name, able in PRECISIONS_OF.items():
        if precision in able:
            return name
    raise ModelError(
        f"There is no precision {precision!r:.40}; choose one of {', '.join(ALL_PRECISIONS)}."
    )


def _fastest(
    candidates: Sequence[str],
    load: Callable[[str], MusicBackend],
    model: str,
    measurements: Measurements,
) -> str:
    """The backend that makes a take of the model fastest; where there is a choice, it is tried."""
    if len(candidates) == 1:
        return candidates[0]
    seconds = measurements.of(
        f"seconds a step of {model} by {', '.join(candidates)}",
        lambda: _time_backends(candidates, load),
    )
    return min(candidates, key=lambda name: seconds.get(name, float("inf")))


def _time_backends(
    candidates: Sequence[str], load: Callable[[str], MusicBackend]
) -> dict[str, float]:
    """Seconds that a step of a guided take needs by each backend that can load the model."""
    seconds = {}
    for name in candidates:
        try:
            loaded = load(name)
        except ModelError as error:
            _LOG.info("%s is not in question: %s", name, error)
            continue
        text = "a loop" if loaded.info.has_text else ""
        for _ in range(2):  # the first time for what is compiled or captured
            begun = time.perf_counter()
            frames = min(_TRIAL_FRAMES, loaded.info.window_frames)
            made = loaded.steps([Condition(text=text)], frames=frames, seeds=[0], sampling=_TRIAL)
            count = sum(1 for _ in made)
            seconds[name] = (time.perf_counter() - begun) / count
    return seconds


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

"""A take made by mlx depends on its own condition and seed alone, in every precision."""

from __future__ import annotations

from collections.abc import Callable

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest

from studio.models.backend import Sampling
from studio.models.mlx_backend import backend as backend_module
from studio.models.mlx_backend.backend import MlxBackend
from studio.models.mlx_backend.packing import PRECISIONS, PackedLinear, rows_stand_alone
from tests.models.mlx_backend.test_parity import codes_of, conditions_for

Mirrored = Callable[..., MlxBackend]
CASES = [
    *((name, "float32") for name in ("mono", "stereo", "melody", "unconditional")),
    *(("mono", precision) for precision in PRECISIONS[1:]),
]


def _assert_alone_as_together(backend: MlxBackend) -> None:
    conditions = conditions_for(backend)
    sampling = Sampling(top_k=12, guidance=2.5)
    together = codes_of(backend, conditions, 16, sampling=sampling)
    for take in range(len(conditions)):
        alone = codes_of(
            backend, conditions[take : take + 1], 16, seeds=[50 + take], sampling=sampling
        )
        np.testing.assert_array_equal(together[take], alone[0])


@pytest.mark.parametrize(("name", "precision"), CASES)
def test_a_take_is_the_same_alone_and_among_others(
    mirrored: Mirrored, name: str, precision: str
) -> None:
    _assert_alone_as_together(mirrored(name, precision))


def test_where_rows_disturb_each_other_takes_are_made_one_after_the_other(
    mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    generate = backend_module.generate_frames

    def note(*given: object, **options: object) -> object:
        made.append(len(options["seeds"]))
        return generate(*given, **options)

    backend = mirrored("mono")
    monkeypatch.setattr(backend_module, "generate_frames", note)
    monkeypatch.setattr(backend_module, "rows_stand_alone", lambda *_: False)
    monkeypatch.setattr(backend, "_stands_alone", {})
    _assert_alone_as_together(backend)
    assert made == [1] * 8


def test_rows_that_disturb_each_other_are_noticed() -> None:
    class Uneasy(nn.Module):
        width = 8

        def __call__(self, x: mx.array) -> mx.array:
            return x * (1.0 + 1e-6 * (len(x) > 4))

    assert not rows_stand_alone(Uneasy(), 6, mx.float32)
    assert rows_stand_alone(Uneasy(), 3, mx.float32)
    assert rows_stand_alone(PackedLinear(mx.ones((4, 8))), 1, mx.float32)


def test_a_longer_take_starts_with_the_same_codes(mirrored: Mirrored) -> None:
    conditions = conditions_for(mirrored("mono"))
    short = codes_of(mirrored("mono"), conditions, 20)
    long = codes_of(mirrored("mono"), conditions, 50)
    np.testing.assert_array_equal(short, long[..., :20])

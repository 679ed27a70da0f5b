from __future__ import annotations

import numpy as np

from studio.training.evaluation import frechet_distance, fresh_loops


def test_frechet_distance_of_shifted_gaussians_is_the_squared_shift() -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((20_000, 3))
    b = rng.standard_normal((20_000, 3)) + np.array([2.0, 0.0, 0.0])
    assert frechet_distance(a, a) < 1e-6
    assert abs(frechet_distance(a, b) - 4.0) < 0.2


def test_frechet_distance_counts_a_difference_in_spread() -> None:
    rng = np.random.default_rng(0)
    narrow, wide = rng.standard_normal((20_000, 2)), 3 * rng.standard_normal((20_000, 2))
    assert abs(frechet_distance(narrow, wide) - 2 * (3 - 1) ** 2) < 0.4


def test_fresh_loops_do_not_depend_on_how_many_are_asked_for() -> None:
    few, more = fresh_loops(2), fresh_loops(3)
    for one, other in zip(few, more, strict=False):
        assert np.array_equal(one.samples, other.samples)

from __future__ import annotations

import numpy as np
import pytest

from studio.models.noise import gumbel_noise


@pytest.mark.parametrize(
    ("seed", "step", "expected"),
    [
        (0, 0, [[-1.495452, -0.351137, -0.785907], [0.819571, -1.01388, -0.75027]]),
        (7, 250, [[-0.140666, -0.779429, -0.19511], [-0.496708, 2.335803, -0.349399]]),
        (2**63 - 1, 30_000, [[1.562906, -0.617068, 0.984121], [0.205627, 0.308871, 2.200872]]),
    ],
)
def test_noise_of_a_seed_never_changes(seed: int, step: int, expected: list[list[float]]) -> None:
    noise = gumbel_noise(seed, step, 2, 3)
    assert noise.dtype == np.float32
    np.testing.assert_allclose(noise, expected, atol=2e-6)


def test_noise_does_not_depend_on_how_much_is_asked_for() -> None:
    few, many = gumbel_noise(3, 9, 2, 32), gumbel_noise(3, 9, 4, 512)
    np.testing.assert_array_equal(few, many[:2, :32])


def test_seeds_steps_and_codebooks_differ() -> None:
    rows = [
        *gumbel_noise(3, 9, 4, 64),
        *gumbel_noise(3, 10, 4, 64),
        *gumbel_noise(4, 9, 4, 64),
    ]
    assert len({row.tobytes() for row in rows}) == len(rows)


def test_noise_is_standard_gumbel() -> None:
    noise = gumbel_noise(1, 1, 4, 50_000)
    assert noise.mean() == pytest.approx(np.euler_gamma, abs=0.02)
    assert noise.std() == pytest.approx(np.pi / np.sqrt(6), abs=0.02)
    assert np.isfinite(noise).all()

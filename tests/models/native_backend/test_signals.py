from __future__ import annotations

import numpy as np
from numba import njit

from studio.models.native_backend.kernels.signals import elu, lstm_cell


@njit
def _elu(x, out):
    elu(x.ctypes.data, out.ctypes.data, len(x))


@njit
def _cell(gates, cell, out):
    lstm_cell(gates.ctypes.data, cell.ctypes.data, out.ctypes.data)


def test_elu_is_exact_to_the_last_digits_far_from_zero_and_near_it() -> None:
    small = np.geomspace(1e-30, 100.0, 4000)
    x = np.concatenate([-small, small, [0.0, -0.0, -1e4, 1e4]]).astype(np.float32)
    x = np.concatenate([x, np.zeros(-len(x) % 16, dtype=np.float32)])
    out = np.empty_like(x)
    _elu(x, out)
    exact = np.where(x > 0, x, np.expm1(np.minimum(x, 0).astype(np.float64)))
    np.testing.assert_allclose(out, exact, rtol=3e-7, atol=1e-37)


def test_a_cell_of_the_lstm_keeps_what_its_gates_say() -> None:
    chance = np.random.default_rng(1)
    gates = (chance.normal(size=(4, 16)) * 6).astype(np.float32)
    gates[:, 0], gates[:, 1] = 1e-4, 60.0
    before = chance.normal(size=16).astype(np.float32)
    cell, out = before.copy(), np.empty(16, dtype=np.float32)
    _cell(gates.reshape(-1), cell, out)
    wide = gates.astype(np.float64)
    taken, kept, said = (1 / (1 + np.exp(-wide[gate])) for gate in (0, 1, 3))
    expected = kept * before + taken * np.tanh(wide[2])
    np.testing.assert_allclose(cell, expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(out, said * np.tanh(expected), rtol=1e-6, atol=1e-7)

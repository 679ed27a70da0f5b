from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.benchmark.house.movement import movement_figure, pitch_movement

RATE = 32_000


def tune(*notes: int, seconds: float = 2.0) -> NDArray[np.float32]:
    length = round(seconds * RATE / len(notes))
    times = np.arange(length) / RATE
    parts = [0.3 * np.sin(2 * np.pi * 440 * 2 ** ((n - 69) / 12) * times) for n in notes]
    return np.concatenate(parts).astype(np.float32)


def test_one_held_note_does_not_move_and_four_do() -> None:
    assert pitch_movement(tune(60), RATE) == pytest.approx(0, abs=0.01)
    assert pitch_movement(tune(60, 63, 67, 72), RATE) == pytest.approx(np.log(4), abs=0.15)


def test_silence_does_not_move() -> None:
    assert pitch_movement(np.zeros(RATE, dtype=np.float32), RATE) == 0


def test_takes_that_hold_one_note_miss_the_mark() -> None:
    moving = np.stack([tune(60, 63, 67, 72), tune(57, 60, 64, 69)])
    still = np.stack([tune(60), tune(57)])
    assert movement_figure(moving, moving, moving, RATE).reached
    assert not movement_figure(still, moving, moving, RATE).reached

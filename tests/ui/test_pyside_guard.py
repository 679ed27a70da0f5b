from __future__ import annotations

import sys

import pytest
from PySide6.QtCore import QPoint

from studio.ui.pyside_guard import is_needed


@pytest.mark.parametrize(
    ("python", "pyside", "needed"),
    [((3, 11), (6, 12), True), ((3, 12), (6, 12), False), ((3, 11), (6, 11), False)],
)
def test_it_acts_only_where_references_can_run_out(python, pyside, needed):
    assert is_needed(python, pyside) is needed


def test_none_outlives_any_number_of_calls():
    point = QPoint()
    for _ in range(50_000):
        point.setX(1)
    assert sys.getrefcount(None) > 0

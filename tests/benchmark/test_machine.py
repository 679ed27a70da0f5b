from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from studio.benchmark.bandwidth import ReadingSpeed
from studio.benchmark.fresh import peak_bytes, resident_bytes
from studio.benchmark.machine import (
    OtherWork,
    available_memory_bytes,
    busy_warnings,
    read_machine,
)


def test_the_machine_is_named() -> None:
    machine = read_machine()
    assert machine.processor
    assert 1 <= machine.cores <= machine.logical_cores
    assert machine.threads >= 1
    assert "torch" in machine.packages


@pytest.mark.skipif(sys.platform != "linux", reason="the system's own files are Linux's")
def test_memory_is_read_where_the_system_tells() -> None:
    installed, available = read_machine().memory_bytes, available_memory_bytes()
    resident, peak = resident_bytes(), peak_bytes()
    assert installed is not None
    assert available is not None
    assert resident is not None
    assert peak is not None
    assert 0 < resident <= peak < installed
    assert 0 < available <= installed


def test_a_quiet_machine_is_trusted_and_a_busy_one_is_not() -> None:
    machine = replace(read_machine(), logical_cores=4, load_average=0.5)
    assert busy_warnings(machine, None) == []
    assert busy_warnings(machine, 0.05) == []
    (before,) = busy_warnings(replace(machine, load_average=3.0), 0.05)
    assert "load average 3.00 on 4 cores" in before
    (meanwhile,) = busy_warnings(machine, 0.4)
    assert "40%" in meanwhile


def test_the_share_of_others_is_a_part() -> None:
    share = OtherWork().share()
    assert share is None or 0.0 <= share <= 1.0


def test_memory_is_read_at_some_speed() -> None:
    assert 1e8 < ReadingSpeed().measure() < 1e13

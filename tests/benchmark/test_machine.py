from __future__ import annotations

import sys
from dataclasses import replace

import torch

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
    assert "numba" in machine.packages
    assert machine.instructions


def test_memory_is_read_where_the_system_tells() -> None:
    told = [
        resident_bytes(),
        peak_bytes(),
        available_memory_bytes(),
        read_machine().memory_bytes,
    ]
    if sys.platform == "linux":
        assert None not in told
    assert all(size is None or size > 2**20 for size in told)
    resident, peak, available, installed = told
    assert resident is None or peak is None or resident <= peak
    assert available is None or installed is None or available <= installed


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
    reading = ReadingSpeed()
    for threads in (1, 2):
        assert 1e8 < reading.measure(threads) < 1e13
        assert torch.get_num_threads() == threads


def test_the_reading_of_memory_asks_for_none() -> None:
    reading = ReadingSpeed()
    before = resident_bytes()
    reading.measure(1)
    after = resident_bytes()
    assert before is None or after is None or after - before < 2**24

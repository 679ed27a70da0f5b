from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from studio.benchmark import contestants
from studio.benchmark.contestants import Contestant, load_contestants
from studio.benchmark.fidelity import divergence, equal_share, measure_fidelity
from studio.benchmark.result import FidelityFigure, Report
from studio.benchmark.run import Plan, run_benchmark
from studio.benchmark.table import report_lines
from studio.models.shelf.shelf import ModelShelf

FRAMES = 20
SHELF = ModelShelf(None)


def loaded(folder: Path, *precisions: str) -> list[Contestant]:
    ours, left_out = load_contestants(folder, "native", precisions, SHELF, lambda line: None)
    assert left_out == []
    return ours


def figures(folder: Path, ours: list[Contestant]) -> list[FidelityFigure]:
    found, left_out = measure_fidelity(
        folder, ours, frames=FRAMES, shelf=SHELF, tell=lambda line: None
    )
    assert left_out == []
    return found


def report(folder: Path, *, random: bool) -> Report:
    plan = Plan(
        backend="native",
        precisions=("int8",),
        batches=(1,),
        unguided=False,
        against=None,
        seconds=0.4,
        rounds=1,
        parts=("fidelity",),
        random=random,
    )
    return run_benchmark(folder, plan, None, lambda line: None)


def test_the_divergence_is_that_of_the_distributions() -> None:
    even, leaning = np.log([[0.5, 0.5]]), np.log([[0.25, 0.75]])
    rows = even.astype(np.float32), (leaning + 7.0).astype(np.float32)
    expected = 0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)
    assert divergence(*rows) == pytest.approx(expected, rel=1e-5)
    assert divergence(rows[0], rows[0]) == 0.0


def test_the_share_counts_the_likeliest_only() -> None:
    one = np.array([[0.0, 1.0, 2.0], [3.0, 1.0, 0.0]], dtype=np.float32)
    other = np.array([[0.0, 1.9, 2.0], [0.0, 1.0, 0.9]], dtype=np.float32)
    assert equal_share(one, other) == 0.5


def test_fewer_bits_cost_more_and_float32_is_the_measure(tiny_folder: Path) -> None:
    found = figures(tiny_folder, loaded(tiny_folder, "float32", "bfloat16", "int8", "int4"))
    assert [one.contestant for one in found] == ["native bfloat16", "native int8", "native int4"]
    assert {one.codes for one in found} == {2 * 4 * FRAMES}
    assert 0.0 < found[0].nats < found[1].nats < found[2].nats
    assert all(0.0 < one.equal_share <= 1.0 for one in found)


def test_float32_against_itself_costs_nothing(tiny_folder: Path) -> None:
    (exact,) = loaded(tiny_folder, "float32")
    (same,) = figures(tiny_folder, [exact, replace(exact, precision="as before")])
    assert (same.nats, same.equal_share) == (0.0, 1.0)


def test_float32_is_loaded_where_it_was_not_asked_for(tiny_folder: Path) -> None:
    alone = figures(tiny_folder, loaded(tiny_folder, "int8"))
    assert alone == figures(tiny_folder, loaded(tiny_folder, "float32", "int8"))


def test_without_memory_for_float32_it_is_left_out(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = loaded(tiny_folder, "int8")
    monkeypatch.setattr(contestants, "available_memory_bytes", lambda: 1_000)
    found, (out,) = measure_fidelity(
        tiny_folder, ours, frames=FRAMES, shelf=SHELF, tell=lambda line: None
    )
    assert found == []
    assert out.what == "fidelity"
    assert "GB are available" in out.why


def test_the_table_shows_it(tiny_folder: Path) -> None:
    found = report(tiny_folder, random=False)
    (figure,) = found.fidelity
    lines = list(report_lines(found))
    (row,) = [line for line in lines if line.startswith("  native int8")]
    assert f"{figure.nats:.2g}" in row
    assert f"{figure.equal_share:.2%}" in row
    assert found.to_json()["fidelity"][0]["nats"] == figure.nats


def test_of_random_weights_it_is_said_to_mean_nothing(tiny_folder: Path) -> None:
    found = report(tiny_folder, random=True)
    assert found.fidelity == ()
    (out,) = found.left_out
    assert out.what == "fidelity"
    assert "random weights make no music" in out.why

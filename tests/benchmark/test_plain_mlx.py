from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.benchmark.contestants import GUIDANCE, TOP_K
from studio.benchmark.plain_mlx import PlainMlxPort
from studio.benchmark.random_bundle import write_random_bundle
from studio.benchmark.run import Plan, run_benchmark
from studio.models.backend import Condition, Sampling
from studio.models.selection import load_backend
from tests.benchmark.conftest import tiny_shapes

FRAMES = 12


@pytest.mark.parametrize("guided", [True, False])
def test_the_plain_port_makes_the_codes_that_ours_makes(tiny_folder: Path, guided: bool) -> None:
    """Otherwise it would be no fair contestant."""
    condition = Condition(text="warm piano")
    ours = load_backend(tiny_folder, backend="mlx", precision="float32")
    sampling = Sampling(top_k=TOP_K, guidance=GUIDANCE if guided else 1.0)
    steps = ours.steps([condition] * 2, frames=FRAMES, seeds=[0, 1], sampling=sampling)
    codes = np.stack(list(steps), axis=2)
    port = PlainMlxPort(tiny_folder, "float32", threads=1)
    grid = port.codes(condition, batch=2, frames=FRAMES, guided=guided)
    undelayed = [grid[:, k, 1 + k : 1 + k + FRAMES] for k in range(codes.shape[1])]
    assert np.mean(np.stack(undelayed, axis=1) == codes) >= 0.99


def plan(backend: str) -> Plan:
    return Plan(
        backend=backend,
        precisions=("float32",),
        batches=(1,),
        unguided=False,
        against="plain-mlx",
        seconds=0.5,
        rounds=1,
        parts=("decoder",),
    )


def test_our_mlx_backend_is_held_against_it(tiny_folder: Path) -> None:
    report = run_benchmark(tiny_folder, plan("mlx"), None, lambda line: None)
    ours, plain = report.decoder
    assert (ours.contestant, plain.contestant) == ("mlx float32", "plain-mlx float32")
    assert set(ours.ratios) == {"plain-mlx float32"}
    assert ours.limit_share is not None


def test_it_is_left_out_where_it_makes_no_sense(tiny_folder: Path, tmp_path: Path) -> None:
    (out,) = run_benchmark(tiny_folder, plan("native"), None, lambda line: None).left_out
    assert (out.what, out.why) == ("plain-mlx", "it is held against --backend mlx only")
    write_random_bundle(tiny_shapes("nothing"), tmp_path / "nothing")
    (out,) = run_benchmark(tmp_path / "nothing", plan("mlx"), None, lambda line: None).left_out
    assert "attend to a text" in out.why

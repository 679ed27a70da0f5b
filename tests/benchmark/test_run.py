from __future__ import annotations

import json
from pathlib import Path

import pytest

from studio.benchmark import contestants
from studio.benchmark.random_bundle import write_random_bundle
from studio.benchmark.reference import PRECISIONS as REFERENCE_PRECISIONS
from studio.benchmark.result import Report
from studio.benchmark.run import PARTS, Plan, run_benchmark
from studio.benchmark.table import report_lines
from studio.core.errors import InputError, ModelError
from tests.benchmark.conftest import tiny_shapes

SECONDS = 0.5
FRAMES = 25
STEPS = FRAMES + 3


def plan(**changes: object) -> Plan:
    usual: dict[str, object] = {
        "backend": "native",
        "precisions": ("float32",),
        "batches": (1, 2),
        "unguided": True,
        "against": "transformers",
        "seconds": SECONDS,
        "rounds": 2,
        "parts": PARTS,
    }
    return Plan(**usual | changes)


@pytest.fixture(scope="module")
def report(tiny_folder: Path) -> Report:
    return run_benchmark(tiny_folder, plan(), None, lambda line: None)


def test_every_load_is_measured_by_everybody(report: Report) -> None:
    names = ["native float32", *(f"transformers {name}" for name in REFERENCE_PRECISIONS)]
    loads = [(1, True), (2, True), (1, False), (2, False)]
    measured = [(one.contestant, one.batch, one.guided) for one in report.decoder]
    assert measured == [(name, *load) for load in loads for name in names]


def test_ratios_limits_and_real_time_belong_together(report: Report) -> None:
    for figure in report.decoder:
        rate, times = figure.steps_per_second, figure.times_real_time
        assert 0 < rate.low <= rate.median <= rate.high
        assert times.median == pytest.approx(rate.median * figure.batch * FRAMES / STEPS / 50)
        ours = figure.contestant == "native float32"
        assert set(figure.ratios) == (
            {f"transformers {name}" for name in REFERENCE_PRECISIONS} if ours else set()
        )
        assert (figure.gain is None) == (figure.batch == 1)
        assert (figure.step_bytes is not None) == (figure.limit_share is not None) == ours


def test_more_is_read_for_more_takes_and_for_guidance(report: Report) -> None:
    read = {
        (one.batch, one.guided): one.step_bytes
        for one in report.decoder
        if one.step_bytes is not None
    }
    assert read[1, False] < read[1, True] < read[2, True]
    assert read[1, False] < read[2, False] < read[2, True]


def test_the_codec_is_measured_whole_streamed_and_backwards(report: Report) -> None:
    assert [(one.contestant, one.work) for one in report.codec] == [
        ("native", "decode"),
        ("native", "streamed decode"),
        ("native", "encode"),
        ("transformers float32", "decode"),
        ("transformers float32", "encode"),
    ]
    whole, streamed, encoding = report.codec[:3]
    assert set(whole.ratios) == set(encoding.ratios) == {"transformers float32"}
    assert streamed.whole_cost is not None
    assert streamed.whole_cost.median > 0


def test_takes_are_heard_before_they_are_finished(report: Report) -> None:
    assert [one.batch for one in report.takes] == [1, 2]
    for figure in report.takes:
        whole_seconds = figure.batch * SECONDS / figure.times_real_time.median
        assert 0 < figure.first_sound_seconds.median < whole_seconds


def test_a_fresh_process_tells_its_times_and_its_memory(report: Report) -> None:
    (figure,) = report.processes
    parts = (figure.start_seconds, figure.load_seconds, figure.first_sound_seconds)
    assert all(part.low > 0 for part in parts)
    assert figure.cold_start_seconds.high <= sum(part.high for part in parts) + 1e-6
    if figure.peak_bytes is not None and figure.before_bytes is not None:
        assert figure.before_bytes < figure.peak_bytes


def test_the_report_is_json_and_a_table(report: Report) -> None:
    values = json.loads(json.dumps(report.to_json()))
    assert values["seconds"] == SECONDS
    assert values["machine"]["processor"]
    assert len(values["decoder"]) == len(report.decoder)
    lines = list(report_lines(report))
    for title in ("Decoder", "Codec", "Whole takes, engine warm", "Fresh process"):
        assert title in lines
    assert all("random" not in line for line in lines[1:])
    rows = [line for line in lines if line.startswith("  native float32")]
    assert len(rows) == 4 + 2 + 1


def test_what_is_not_offered_is_named_and_left_out(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = plan(
        precisions=("float3", "float32"),
        batches=(1,),
        against=None,
        unguided=False,
        parts=("takes",),
    )
    found = run_benchmark(tiny_folder, wanted, None, lambda line: None)
    (missing,) = found.left_out
    assert missing.what == "native float3"
    assert "float32" in missing.why
    assert (found.decoder, found.codec, found.processes) == ((), (), ())
    assert "Left out" in list(report_lines(found))
    with pytest.raises(ModelError, match="Nothing is left to measure"):
        run_benchmark(tiny_folder, plan(precisions=()), None, lambda line: None)


def test_an_unknown_backend_is_refused(tiny_folder: Path) -> None:
    with pytest.raises(ModelError, match="no backend 'abacus'"):
        run_benchmark(tiny_folder, plan(backend="abacus"), None, lambda line: None)


def test_what_does_not_fit_into_memory_is_left_out(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contestants, "available_memory_bytes", lambda: 1_000)
    with pytest.raises(ModelError, match="GB are available"):
        run_benchmark(tiny_folder, plan(parts=("codec",)), None, lambda line: None)


def test_a_library_that_is_not_installed_is_named(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="transformers is not installed"):
        run_benchmark(tiny_folder, plan(), None, lambda line: None)


@pytest.mark.parametrize("kind", ["melody", "nothing"])
def test_models_of_other_kinds_are_measured_too(kind: str, tmp_path: Path) -> None:
    write_random_bundle(tiny_shapes(kind), tmp_path / kind)
    wanted = plan(batches=(1,), rounds=1, parts=("decoder", "takes"))
    found = run_benchmark(tmp_path / kind, wanted, None, lambda line: None)
    names = {one.contestant for one in found.decoder}
    opened = {f"transformers {name}" for name in REFERENCE_PRECISIONS}
    assert names == {"native float32"} | (opened if kind == "melody" else set())
    assert [one.what for one in found.left_out] == ([] if kind == "melody" else ["transformers"])


def test_the_device_backend_is_held_against_the_memory_of_its_device(tiny_folder: Path) -> None:
    wanted = plan(backend="torch", batches=(1,), rounds=1, parts=("decoder",), against=None)
    (guided, unguided) = run_benchmark(tiny_folder, wanted, None, lambda line: None).decoder
    assert guided.contestant == unguided.contestant == "torch float32"
    assert guided.step_bytes is not None
    assert unguided.step_bytes is not None
    assert unguided.step_bytes < guided.step_bytes
    assert guided.limit_share is not None

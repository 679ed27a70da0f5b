from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from studio.core.errors import ModelError
from studio.models import accelerators, selection
from studio.models.measurements import Measurements
from studio.models.native_backend import support
from studio.models.selection import load_backend


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "SMALL_PARAMETERS", 0)


@pytest.fixture
def measurements(tmp_path: Path) -> Measurements:
    return Measurements(tmp_path / "models" / "measurements.json")


def _say(monkeypatch: pytest.MonkeyPatch, *backends: str) -> None:
    monkeypatch.setattr(selection, "possible_backends", lambda: backends)


def test_a_processor_alone_needs_no_trial(
    folder: Path, monkeypatch: pytest.MonkeyPatch, measurements: Measurements
) -> None:
    monkeypatch.setattr(selection, "SMALL_PARAMETERS", 0)
    _say(monkeypatch, "native")
    assert (
        load_backend(folder, precision="int8", measurements=measurements).info.backend == "native"
    )
    assert measurements.known() == {}


@pytest.mark.usefixtures("large")
def test_a_large_model_takes_the_backend_that_was_faster_here(
    folder: Path, monkeypatch: pytest.MonkeyPatch, measurements: Measurements
) -> None:
    _say(monkeypatch, "native", "torch")
    loaded = load_backend(folder, precision="float32", measurements=measurements)
    (question,) = measurements.known()
    seconds = measurements.known()[question]
    assert set(seconds) == {"native", "torch"}
    assert loaded.info.backend == min(seconds, key=lambda name: seconds[name])
    for faster, slower in (("torch", "native"), ("native", "torch")):
        told = Measurements(None)
        monkeypatch.setattr(told, "of", lambda *_, f=faster, s=slower: {f: 0.1, s: 0.2})
        chosen = load_backend(folder, precision="float32", measurements=told)
        assert chosen.info.backend == faster


@pytest.mark.usefixtures("large")
def test_a_backend_that_cannot_load_a_model_is_passed_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ModelError("No.")

    monkeypatch.setattr(selection, "_load_mlx", refuse)
    _say(monkeypatch, "native", "mlx")
    assert load_backend(folder, precision="float32").info.backend == "native"


def test_a_small_model_is_the_same_take_on_every_machine(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _say(monkeypatch, "native", "torch")
    assert load_backend(folder, precision="float32").info.backend == "native"


def test_a_precision_decides_where_it_is_known_to_one_backend_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _say(monkeypatch, "native")
    assert load_backend(folder, precision="float16").info.backend == "torch"
    with pytest.raises(ModelError, match="choose one of float32, bfloat16, int8, int4, float16"):
        load_backend(folder, precision="int3")
    with pytest.raises(ModelError, match="native has no precision 'float16'"):
        load_backend(folder, backend="native", precision="float16")
    with pytest.raises(ModelError, match="choose one of native, torch, mlx"):
        load_backend(folder, backend="abacus")


@pytest.mark.parametrize(
    ("system", "machine", "torch", "driver", "kernels", "expected"),
    [
        ("linux", "x86_64", "2.13.0+cpu", True, True, ("native",)),
        ("linux", "x86_64", "2.13.0", False, True, ("native",)),
        ("linux", "x86_64", "2.13.0+cu130", True, True, ("native", "torch")),
        ("linux", "x86_64", "2.13.0+cpu", False, False, ("torch",)),
        ("darwin", "arm64", "2.13.0", False, True, ("native", "mlx")),
    ],
)
def test_accelerators_are_found_without_their_libraries(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: str, machine: str, torch: str,
    driver: bool, kernels: bool, expected: tuple[str, ...],
) -> None:  # fmt: skip
    monkeypatch.setattr(accelerators.sys, "platform", system)
    monkeypatch.setattr(accelerators.platform, "machine", lambda: machine)
    monkeypatch.setattr(metadata, "version", lambda name: torch)
    monkeypatch.setattr(support, "serves_this_processor", lambda: kernels)
    if driver:
        (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(accelerators, "Path", lambda _: tmp_path)
    assert accelerators.possible_backends() == expected

"""What a model is loaded in when nobody says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.core.errors import ModelError
from studio.models.bundle import open_bundle
from studio.models.measurements import Measurements
from studio.models.native_backend import precision as precision_module
from studio.models.native_backend.backend import NativeBackend
from studio.models.native_backend.panels import PRECISIONS
from studio.models.native_backend.precision import (
    measure_losses,
    suitable_precision,
    time_precisions,
)
from tests.models.native_backend.random_decoder import WIDE, random_tensors
from tests.models.reference import Reference

SECONDS = {"float32": 0.4, "bfloat16": 0.3, "int8": 0.2, "int4": 0.1}


def _suitable(
    monkeypatch: pytest.MonkeyPatch,
    losses: Mapping[str, float],
    *,
    large: bool = True,
    measurements: Measurements | None = None,
) -> str:
    monkeypatch.setattr(precision_module, "measure_losses", lambda *_: losses)
    monkeypatch.setattr(precision_module, "time_precisions", lambda *_: SECONDS)
    return suitable_precision(
        {}, WIDE, fingerprint="x", large=large, threads=1,
        measurements=measurements or Measurements(None),
    )  # fmt: skip


def test_a_large_model_takes_the_fastest_that_costs_next_to_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert _suitable(monkeypatch, {"bfloat16": 0.001, "int8": 0.002, "int4": 0.2}) == "int8"
    assert _suitable(monkeypatch, {"bfloat16": 0.001, "int8": 0.02, "int4": 0.2}) == "bfloat16"
    assert _suitable(monkeypatch, {"bfloat16": 0.001, "int8": 0.002, "int4": 0.003}) == "int4"
    assert _suitable(monkeypatch, {"bfloat16": 0.02, "int8": 0.02, "int4": 0.03}) == "float32"


def test_a_small_model_does_not_depend_on_the_speed_of_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(SECONDS, "int8", 9.0)
    assert _suitable(monkeypatch, {"int8": 0.002}, large=False) == "int8"
    assert _suitable(monkeypatch, {"int8": 0.02}, large=False) == "float32"


def test_each_model_is_judged_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    measurements = Measurements(tmp_path / "models" / "measurements.json")
    first = _suitable(monkeypatch, {"int8": 0.002}, large=False, measurements=measurements)
    spoilt = _suitable(monkeypatch, {"int8": 9.0}, large=False, measurements=measurements)
    assert first == spoilt == "int8"


def test_losses_grow_with_fewer_bits() -> None:
    losses = measure_losses(random_tensors(WIDE), WIDE, PRECISIONS, 2)
    assert 0 < losses["bfloat16"] < losses["int8"] < losses["int4"]
    assert losses["int8"] < 0.05


def test_weights_that_eight_bits_would_spoil_lose_by_them() -> None:
    """One weight of each row dwarfs the others, which are rounded to nothing, and meets zeros."""
    tensors = random_tensors(WIDE)
    for part in ("weight", "bias"):
        tensors[f"decoder.model.decoder.layer_norm.{part}"][0] = 0.0
    for name, tensor in tensors.items():
        if name.startswith("decoder.lm_heads."):
            tensor[:, 0] = 3000.0
    losses = measure_losses(tensors, WIDE, ("float32", "bfloat16", "int8"), 1)
    assert losses["bfloat16"] < 0.01 < losses["int8"]


def test_every_precision_is_timed() -> None:
    seconds = time_precisions(replace(WIDE, layers=2), 2)
    assert tuple(seconds) == PRECISIONS
    assert all(0 < each < 10 for each in seconds.values())


def test_the_loaded_precision_is_said(reference: Reference, tokens: NDArray[np.int64]) -> None:
    bundle = open_bundle(reference.folder)
    exact = NativeBackend(bundle, "float32").logits(tokens, None)
    for precision in PRECISIONS[1:]:
        backend = NativeBackend(bundle, precision)
        assert backend.info.precision == precision
        assert 0 < np.abs(backend.logits(tokens, None) - exact).mean() < 0.5
    with pytest.raises(ModelError, match="float16"):
        NativeBackend(bundle, "float16")


def test_a_model_is_loaded_in_what_suits_it(
    reference: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def losses(
        tensors: Any, config: Any, candidates: Sequence[str], threads: int
    ) -> dict[str, float]:
        asked.append(tuple(candidates))
        return {"int8": 0.0}

    monkeypatch.setattr(precision_module, "measure_losses", losses)
    assert NativeBackend(open_bundle(reference.folder)).info.precision == "int8"
    assert asked == [("float32", "int8")]

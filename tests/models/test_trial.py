from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from studio.models.language_config import DecoderConfig
from studio.models.speeds import Speeds
from studio.models.torch_backend import trial
from studio.models.torch_backend.packing import computed_precisions

TINY = DecoderConfig(codebooks=2, vocabulary=9, dim=32, layers=3, heads=2, ffn_dim=64)
SLOW_AND_FAST: Mapping[str, float] = {"float32": 0.2, "bfloat16": 0.1, "int8": 0.05}


def test_every_precision_of_this_machine_is_tried() -> None:
    seconds = trial.time_precisions(TINY)
    assert tuple(seconds) == computed_precisions()
    assert all(each > 0 for each in seconds.values())


def test_the_fastest_of_those_in_question_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "time_precisions", lambda config: SLOW_AND_FAST)
    monkeypatch.setattr(trial, "computed_precisions", lambda: ("float32", "bfloat16", "int8"))
    assert trial.fastest_precision(TINY, Speeds(None)) == "int8"
    near = ("float32", "bfloat16")
    assert trial.fastest_precision(TINY, Speeds(None), among=near) == "bfloat16"
    monkeypatch.setattr(trial, "computed_precisions", lambda: ("float32",))
    assert trial.fastest_precision(TINY, Speeds(None)) == "float32"


def test_a_model_is_tried_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[DecoderConfig] = []

    def count(config: DecoderConfig) -> Mapping[str, float]:
        tried.append(config)
        return SLOW_AND_FAST

    monkeypatch.setattr(trial, "time_precisions", count)
    for _ in range(3):
        trial.fastest_precision(TINY, Speeds(tmp_path / "models" / "speeds.json"))
    assert tried == [TINY]

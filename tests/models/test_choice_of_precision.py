"""What a large model is loaded in when nobody says; "large" is anything here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from studio.models.bundle import WEIGHTS, open_bundle
from studio.models.torch_backend import loading, trial
from studio.models.torch_backend.backend import TorchBackend
from studio.models.torch_backend.packing import computed_precisions

pytestmark = pytest.mark.skipif(
    computed_precisions() != ("float32", "bfloat16", "int8"),
    reason="this processor leaves no choice",
)


@pytest.fixture(autouse=True)
def _every_model_is_large_and_bytes_are_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "SMALL_PARAMETERS", 0)
    seconds = {"float32": 0.3, "bfloat16": 0.2, "int8": 0.1}
    monkeypatch.setattr(trial, "time_precisions", lambda config: seconds)


def test_the_fastest_is_taken_where_it_costs_next_to_nothing(
    folder: Path, tokens: NDArray[np.int64]
) -> None:
    chosen = TorchBackend(open_bundle(folder))
    assert chosen.info.precision == "int8"
    exact = TorchBackend(open_bundle(folder), "float32")
    assert exact.info.precision == "float32"
    difference = chosen.logits(tokens, None) - exact.logits(tokens, None)
    assert 0 < np.abs(difference).mean() < 0.2


def test_weights_that_eight_bits_would_spoil_are_kept_nearly_exact(folder: Path) -> None:
    """One weight of each row dwarfs the others, which are rounded to nothing, and meets zeros."""
    tensors = load_file(folder / WEIGHTS)
    for part in ("weight", "bias"):
        tensors[f"decoder.model.decoder.layer_norm.{part}"][0] = 0.0
    for name, tensor in tensors.items():
        if name.startswith("decoder.lm_heads."):
            tensor[:, 0] = 3000.0
    save_file(tensors, folder / WEIGHTS)
    assert TorchBackend(open_bundle(folder)).info.precision == "bfloat16"
    assert TorchBackend(open_bundle(folder), "int8").info.precision == "int8"


def test_nothing_is_lossless_to_somebody_who_allows_no_loss(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "HARMLESS_NATS", 0.0)
    assert TorchBackend(open_bundle(folder)).info.precision == "bfloat16"

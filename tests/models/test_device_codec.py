"""A codec is believed on a device only once it has been heard there."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from studio.models.bundle import open_bundle
from studio.models.codec_config import EncodecConfig
from studio.models.torch_backend import device_codec
from studio.models.torch_backend.codec import EncodecModel
from studio.models.torch_backend.codec_layers import Recurrent
from studio.models.torch_backend.device_codec import checked_codec, place_codec
from studio.models.torch_backend.loading import load_codec
from tests.models.reference import Reference

CPU, MPS = torch.device("cpu"), torch.device("mps")


@pytest.fixture
def codec(reference: Reference) -> EncodecModel:
    bundle = open_bundle(reference.folder)
    return load_codec(
        EncodecConfig.from_hf(bundle.config["audio_encoder"]), bundle, bundle.tensors()
    )


def _copied(model: EncodecModel, device: torch.device) -> EncodecModel:
    return copy.deepcopy(model)


def _spoilt(change: Callable[[Tensor], Tensor], where: type[nn.Module], network: str) -> object:
    """Copies one layer of whose network changes what it makes."""

    def place(model: EncodecModel, device: torch.device) -> EncodecModel:
        placed = copy.deepcopy(model)
        layers = getattr(placed, network).modules()
        layer = next(layer for layer in layers if isinstance(layer, where))
        layer.register_forward_hook(lambda module, given, made: change(made))
        return placed

    return place


def test_a_device_that_computes_rightly_is_believed(
    codec: EncodecModel, caplog: pytest.LogCaptureFixture
) -> None:
    placed = checked_codec(codec, MPS, _copied)
    assert placed is not codec
    assert caplog.records == []


@pytest.mark.parametrize("network", ["encoder", "decoder"])
@pytest.mark.parametrize(
    "change",
    [
        lambda made: made * 2.0,
        lambda made: made.roll(1, dims=-1),
        lambda made: made * torch.nan,
        lambda made: torch.zeros_like(made),
    ],
    ids=["louder", "shifted", "nan", "silent"],
)
def test_a_device_that_garbles_is_not(
    codec: EncodecModel,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[Tensor], Tensor],
    network: str,
) -> None:
    placed = place_codec(codec, MPS, place=_spoilt(change, nn.Conv2d, network))
    assert placed is codec
    assert [record.getMessage() for record in caplog.records] == [
        "The codec stays on the CPU, mps garbles it."
    ]


def test_a_device_that_loses_the_state_between_pieces_is_not_believed(
    codec: EncodecModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def place(model: EncodecModel, device: torch.device) -> EncodecModel:
        placed = copy.deepcopy(model)
        (recurrent,) = (layer for layer in placed.decoder.layers if isinstance(layer, Recurrent))
        from_nothing = recurrent.continue_from
        monkeypatch.setattr(recurrent, "continue_from", lambda x, state: from_nothing(x, None))
        return placed

    assert checked_codec(codec, MPS, place) is codec


def test_a_device_that_cannot_run_it_leaves_it_to_the_cpu(
    codec: EncodecModel, caplog: pytest.LogCaptureFixture
) -> None:
    def place(model: EncodecModel, device: torch.device) -> EncodecModel:
        raise NotImplementedError("aten::_thnn_fused_lstm_cell\nis not implemented for MPS")

    assert place_codec(codec, MPS, place=place) is codec
    assert "cannot run it: aten::_thnn_fused_lstm_cell is not implemented" in caplog.text


def test_only_what_is_known_to_garble_is_put_to_the_test(
    codec: EncodecModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_codec, "checked_codec", None)
    assert place_codec(codec, CPU) is codec

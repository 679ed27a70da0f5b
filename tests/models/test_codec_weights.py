from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from studio.core.errors import ModelError
from studio.models.torch_backend.codec import EncodecModel
from tests.models.codec_reference import build_codec, published_shape

CONV = "decoder.layers.0.conv"
GAIN = CONV + ".parametrizations.weight.original0"
DIRECTION = CONV + ".parametrizations.weight.original1"
BOOK = "quantizer.layers.2.codebook.embed"
LSTM = "encoder.layers.13.lstm.weight_hh_l1"

Tensors = dict[str, Tensor]


@pytest.fixture(scope="module")
def model() -> EncodecModel:
    return build_codec(published_shape(), seed=8)


def _assert_same_weights(loaded: EncodecModel, model: EncodecModel) -> None:
    for name, value in model.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, atol=1e-6, rtol=1e-6)


def _older_names(tensors: Tensors) -> Tensors:
    return {
        name.replace(".parametrizations.weight.original0", ".weight_g").replace(
            ".parametrizations.weight.original1", ".weight_v"
        ): value
        for name, value in tensors.items()
    }


def _plain(tensors: Tensors) -> Tensors:
    return {
        name.replace(".parametrizations.weight.original1", ".weight"): value
        for name, value in tensors.items()
        if ".original0" not in name
    }


@pytest.mark.parametrize("spelling", [dict, _older_names, _plain])
def test_every_way_of_writing_the_weights_loads_the_same(
    model: EncodecModel, spelling: Callable[[Tensors], Tensors]
) -> None:
    loaded = EncodecModel(model.config)
    loaded.load_hf(spelling(model.to_hf()))
    _assert_same_weights(loaded, model)


def test_the_length_of_a_direction_plays_no_part(model: EncodecModel) -> None:
    tensors = model.to_hf()
    for name in tensors:
        if name.endswith("original1"):
            tensors[name] *= 7.0
    loaded = EncodecModel(model.config)
    loaded.load_hf(tensors)
    _assert_same_weights(loaded, model)


def test_half_precision_files_load_as_single_precision(model: EncodecModel) -> None:
    loaded = EncodecModel(model.config)
    loaded.load_hf({name: value.half() for name, value in model.to_hf().items()})
    assert {value.dtype for value in loaded.state_dict().values()} == {torch.float32}


def test_what_is_written_shares_no_memory_with_the_model(model: EncodecModel) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for value in model.to_hf().values():
        value.zero_()
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (lambda t: t.pop(BOOK), f"the tensor {BOOK} is missing"),
        (lambda t: t.pop(GAIN), f"the tensor {GAIN} is missing"),
        (lambda t: t.pop(DIRECTION), f"the tensor {CONV}.weight is missing"),
        (lambda t: t.pop(LSTM), f"the tensor {LSTM} is missing"),
        (lambda t: t.update({BOOK: torch.zeros(32, 9)}), "[32, 9], expected [32, 8]"),
        (lambda t: t.update({GAIN: torch.ones(1, 1, 1)}), "[1, 1, 1], expected [64, 1, 1]"),
        (lambda t: t.update({DIRECTION: torch.ones(64, 8)}), "[64, 8], expected [64, 8, 7]"),
        (lambda t: t.update({LSTM: torch.zeros(0)}), "[0], expected [256, 64]"),
        (lambda t: t[BOOK].fill_(float("nan")), f"{BOOK} holds NaN or infinity"),
        (lambda t: t[GAIN].fill_(float("inf")), f"{GAIN} holds NaN or infinity"),
        (lambda t: t.update({LSTM: t[LSTM].long()}), f"{LSTM} holds torch.int64"),
        (
            lambda t: (t[DIRECTION].mul_(1e-30), t[GAIN].fill_(1e38)),
            f"{DIRECTION} is too small for its gain",
        ),
    ],
)
def test_a_tensor_that_does_not_fit_is_named_in_one_line(
    model: EncodecModel, spoil: Callable[[Tensors], object], cause: str
) -> None:
    tensors = model.to_hf()
    spoil(tensors)
    loaded = EncodecModel(model.config)
    with pytest.raises(ModelError) as caught:
        loaded.load_hf(tensors)
    assert cause in caught.value.user_message
    assert "\n" not in caught.value.user_message

from __future__ import annotations

import pytest
import torch
from torch import nn

from studio.core.errors import ModelError
from studio.models.torch_backend import packing
from studio.models.torch_backend.packing import (
    LEAST_ROWS,
    QuantisedLinear,
    computed_precisions,
    pack_layers,
    require_precision,
)

# Of the root of the mean square: what 24, 8 and 7 bits leave over.
ERRORS = {"float32": 1e-6, "bfloat16": 5e-3, "int8": 2e-2}

needs_int8 = pytest.mark.skipif(
    "int8" not in computed_precisions(), reason="this processor does not sum bytes up exactly"
)


@pytest.mark.parametrize("precision", computed_precisions())
@pytest.mark.parametrize(("width", "out"), [(64, 48), (512, 2048), (40, 24)])
@torch.inference_mode()
def test_a_packed_product_is_near_the_plain_one(precision: str, width: int, out: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(width, out, bias=False))
    x = torch.randn(3, 5, width)
    expected = model(x)
    pack_layers(model, precision)
    actual = model(x)
    assert (actual.shape, actual.dtype) == (expected.shape, torch.float32)
    assert (actual - expected).norm() / expected.norm() < ERRORS[precision]


@pytest.mark.parametrize("precision", computed_precisions())
@torch.inference_mode()
def test_a_row_has_the_same_bits_in_any_company(precision: str) -> None:
    if LEAST_ROWS > 2:
        pytest.skip("plain layers, which the decoder fills up with rows of its own")
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(1024, 768, bias=False))
    pack_layers(model, precision)
    x = torch.randn(40, 1024) * torch.logspace(-3, 3, 40)[:, None]
    together = model(x)
    for first in range(0, 40, 2):
        assert torch.equal(model(x[first : first + 2]), together[first : first + 2])


@needs_int8
@torch.inference_mode()
def test_integers_are_summed_up_exactly() -> None:
    torch.manual_seed(2)
    levels = torch.randint(-127, 128, (16, 4096)).float()
    levels[:, 0] = 127
    layer = QuantisedLinear(levels)
    x = torch.randint(0, 256, (4, 4096), dtype=torch.uint8)
    exact = (x.long() - 128) @ levels.long().T
    assert torch.equal(layer.multiply_levels(x), exact.float())


@needs_int8
@torch.inference_mode()
def test_rows_and_weights_of_zeros_stay_zero() -> None:
    layer = QuantisedLinear(torch.cat([torch.zeros(1, 32), torch.ones(1, 32)]))
    product = layer(torch.stack([torch.zeros(32), torch.ones(32)]))
    torch.testing.assert_close(product, torch.tensor([[0.0, 0.0], [0.0, 32.0]]))


def test_a_precision_that_is_not_computed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="'int3'; choose float32"):
        require_precision("int3")
    packing._computes.cache_clear()
    monkeypatch.setattr(packing, "_sums_exactly", lambda: False)
    try:
        with pytest.raises(ModelError, match="does not compute with 'int8'"):
            require_precision("int8")
    finally:
        packing._computes.cache_clear()

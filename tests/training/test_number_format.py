from __future__ import annotations

import torch
from torch import Tensor, nn

from studio.training.number_format import Products, relative_error


def smooth() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(1, 32, 9, stride=3), nn.ELU(), nn.Conv1d(32, 1, 5))


class WrongSums(nn.Module):
    """A convolution whose kernel is broken in bfloat16, in one direction."""

    def __init__(self, *, forth: bool) -> None:
        super().__init__()
        self.conv = smooth()
        self.forth = forth

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        if not torch.is_autocast_enabled("cpu"):
            return y
        return y.roll(7, -1) if self.forth else y.detach() + x[..., : y.shape[-1]].mul(1e-3)


def test_products_are_in_bfloat16_where_that_only_rounds() -> None:
    network = smooth()
    assert Products.checked(network).bfloat16
    noise = torch.randn(2, 1, 4_000)
    assert 0 < relative_error(network, noise) < 0.1


def test_wrong_sums_in_either_direction_lead_to_float32() -> None:
    assert not Products.checked(WrongSums(forth=True)).bfloat16
    assert not Products.checked(WrongSums(forth=False)).bfloat16
    assert not Products.checked(smooth(), WrongSums(forth=True)).bfloat16


def test_it_is_found_out_where_nothing_is_trained_too() -> None:
    network, wrong = smooth(), WrongSums(forth=False)
    with torch.inference_mode():
        assert Products.checked(network).bfloat16
        assert not Products.checked(wrong).bfloat16


def test_the_context_is_what_was_found() -> None:
    for bfloat16 in (True, False):
        with Products(bfloat16=bfloat16)():
            assert torch.is_autocast_enabled("cpu") == bfloat16

"""Attention by whole matrices, as it is trained with on a processor."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from studio.models.torch_backend import transformer
from studio.models.torch_backend.transformer import attend


def heads(steps: int, seed: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
    values = torch.randn(2, 3, steps, 16, generator=torch.Generator().manual_seed(seed))
    return values.to(dtype).requires_grad_()


def gradients(seen: torch.Tensor, *parts: torch.Tensor) -> list[torch.Tensor]:
    return list(torch.autograd.grad(seen.float().square().sum(), parts))


@pytest.mark.parametrize("case", ["causal", "masked", "open"])
def test_values_and_gradients_are_those_of_the_fused_kernel(case: str) -> None:
    query, key, value = heads(20, 1), heads(20, 2), heads(20, 3)
    mask = torch.ones(2, 1, 1, 20, dtype=torch.bool)
    mask[1, ..., 13:] = False
    chosen = mask if case == "masked" else None
    causal = case == "causal"
    ours = attend(query, key, value, mask=chosen, causal=causal)
    wide = [part.detach().float().requires_grad_() for part in (query, key, value)]
    fused = functional.scaled_dot_product_attention(*wide, attn_mask=chosen, is_causal=causal)
    assert ours.dtype == torch.bfloat16
    torch.testing.assert_close(ours.float(), fused, atol=0.03, rtol=0.03)
    pairs = zip(gradients(ours, query, key, value), gradients(fused, *wide), strict=True)
    for mine, theirs in pairs:
        torch.testing.assert_close(mine.float(), theirs, atol=0.15, rtol=0.1)


@pytest.mark.parametrize("why", ["float32", "no gradient", "too long"])
def test_elsewhere_the_fused_kernel_is_taken(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bool] = []
    fused = functional.scaled_dot_product_attention

    def noted(*parts: torch.Tensor, **options: object) -> torch.Tensor:
        calls.append(True)
        return fused(*parts, **options)  # type: ignore[arg-type] # passed on as they came

    monkeypatch.setattr(transformer.functional, "scaled_dot_product_attention", noted)
    dtype = torch.float32 if why == "float32" else torch.bfloat16
    if why == "too long":
        monkeypatch.setattr(transformer, "_MOST_KEPT_SCORES", 100)
    parts = [heads(20, seed, dtype) for seed in (1, 2, 3)]
    with torch.set_grad_enabled(why != "no gradient"):
        attend(*parts, causal=True)
    assert calls == [True]

"""Whether a network may be trained in bfloat16 on this processor.

Owns the check alone. Some processors' kernels for convolutions of few channels give wrong sums
in bfloat16: not rounded ones, others. Training goes on with them, and the network is ruined.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

_MOST_APART = 0.3
_NOISE_FRAMES = 16_000

Pass = Callable[[Tensor], Tensor]
"""What a network makes of waveforms [B, 1, N]."""


class Products:
    """The number format of products while a network is trained.

    Attributes:
        bfloat16: Whether it is bfloat16, and not float32.
    """

    def __init__(self, *, bfloat16: bool) -> None:
        self.bfloat16 = bfloat16

    @classmethod
    def checked(cls, *passes: Pass) -> Products:
        """Bfloat16 where all of these passes are right in it, forth and back; else float32.

        WORKAROUND: oneDNN's AMX kernels, https://github.com/pytorch/pytorch/issues/169688.
        """
        with torch.inference_mode(mode=False), torch.enable_grad():
            noise = torch.randn(2, 1, _NOISE_FRAMES, generator=torch.Generator().manual_seed(0))
            apart = [relative_error(one, 0.1 * noise) for one in passes]
        return cls(bfloat16=max(apart) < _MOST_APART)

    def __call__(self) -> AbstractContextManager[object]:
        """The context of one forward pass."""
        return torch.autocast("cpu", torch.bfloat16) if self.bfloat16 else nullcontext()


def relative_error(network: Pass, waveforms: Tensor) -> float:
    """How far bfloat16 is from float32, of the output and of the gradient: the larger one."""
    plain, rounded = (_forth_and_back(network, waveforms, bfloat16=on) for on in (False, True))
    return max(
        float((a - b).norm() / a.norm().clamp_min(1e-12))
        for a, b in zip(plain, rounded, strict=True)
    )


def _forth_and_back(network: Pass, waveforms: Tensor, *, bfloat16: bool) -> tuple[Tensor, Tensor]:
    heard = waveforms.clone().requires_grad_()
    with Products(bfloat16=bfloat16)():
        made = network(heard).float()
    (gradient,) = torch.autograd.grad(made.square().mean(), heard)
    return made.detach(), gradient

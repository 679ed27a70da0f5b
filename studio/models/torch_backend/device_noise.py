"""The chance in sampling, where a device draws.

Owns the noise of `studio.models.noise` in blocks of steps that lie on a device before they are
needed. Its bits are those of Philox4x64-10 (Salmon et al. 2011, "Parallel Random Numbers: As Easy
as 1, 2, 3"), computed with the device's signed 64-bit integers, whose sums and products wrap.

Letters in shapes: N steps of a block, B takes, K codebooks, V codes in a codebook.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from studio.models.noise import gumbel_noise

_ROUNDS = 10
_MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
_WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_WORDS = 4  # of one counter
_LOW = 2**32 - 1
_MANTISSA = 2**53 - 1


class Noise(Protocol):
    """Gumbel noise, block after block.

    Attributes:
        block: float32 [N, B, K, V], always the same tensor.
    """

    block: Tensor

    def begin(self, seeds: Sequence[int], step: int) -> None:
        """Let the next block be that of these takes from `step` on."""
        ...

    def refill(self) -> None:
        """Put the next N steps into `block`."""
        ...


class HostNoise:
    """Noise that the host computes; see `Noise`."""

    def __init__(self, block: Tensor) -> None:
        self.block = block
        self._seeds: tuple[int, ...] = ()
        self._step = 0

    def begin(self, seeds: Sequence[int], step: int) -> None:
        """See `Noise.begin`."""
        self._seeds, self._step = tuple(seeds), step

    def refill(self) -> None:
        """See `Noise.refill`."""
        steps, _, codebooks, vocabulary = self.block.shape
        noise = [
            [gumbel_noise(seed, self._step + step, codebooks, vocabulary) for seed in self._seeds]
            for step in range(steps)
        ]
        self.block.copy_(torch.from_numpy(np.array(noise)))
        self._step += steps


class DeviceNoise:
    """Noise that the device computes; see `Noise`.

    Its bits equal the host's; of the logarithms that follow, the last one may not.
    """

    def __init__(
        self, block: Tensor, graph: Callable[[Callable[[], None]], Callable[[], None]]
    ) -> None:
        """Compute into `block` by what `graph` makes of the work."""
        self.block = block
        _, takes, codebooks, vocabulary = block.shape
        device = block.device
        self._seeds = torch.zeros(takes, dtype=torch.int64, device=device)
        self._step = torch.zeros(1, dtype=torch.int64, device=device)
        self._steps = torch.arange(len(block), device=device)
        self._books = torch.arange(codebooks, device=device)
        self._counts = torch.arange(1, -(-vocabulary // _WORDS) + 1, device=device)
        self.refill = graph(self._refill)

    def begin(self, seeds: Sequence[int], step: int) -> None:
        """See `Noise.begin`."""
        self._seeds.copy_(torch.tensor(seeds, dtype=torch.int64))
        self._step.fill_(step)

    def _refill(self) -> None:
        bits = philox_bits(
            self._seeds[None, :, None, None],
            self._counts,
            self._books[:, None],
            (self._step + self._steps)[:, None, None, None],
        )
        uniform = ((_shifted(bits, 11) & _MANTISSA).double() + 0.5) * 2.0**-53
        noise = -torch.log(-torch.log(uniform))
        self.block.copy_(noise[..., : self.block.shape[-1]])
        self._step.add_(len(self.block))


def philox_bits(key: Tensor, count: Tensor, codebook: Tensor, step: Tensor) -> Tensor:
    """The random words of counters [count, 0, codebook, step] under a key.

    Args:
        key: int64; all four are broadcast to one shape [..., n].
        count: 1 and above, as numpy counts.
        codebook: The counter's third word.
        step: Its fourth.

    Returns:
        int64 [..., 4 n], to be read as unsigned.
    """
    words = [count, torch.zeros_like(count), codebook, step]
    for turn in range(_ROUNDS):
        first, second = (_signed(turn * weyl) for weyl in _WEYL)
        (high, low), (high_2, low_2) = (
            _product(word, multiplier)
            for word, multiplier in zip(words[::2], _MULTIPLIERS, strict=True)
        )
        words = [high_2 ^ words[1] ^ (key + first), low_2, high ^ words[3] ^ second, low]
    shape = torch.broadcast_shapes(*(word.shape for word in words))
    bits: Tensor = torch.stack([word.expand(shape) for word in words], dim=-1).flatten(-2)
    return bits


def _product(x: Tensor, constant: int) -> tuple[Tensor, Tensor]:
    """Upper and lower 64 bits of the unsigned product, from products of 32 bits by 32."""
    low, high = x & _LOW, _shifted(x, 32)
    constant_low, constant_high = constant & _LOW, constant >> 32
    cross, cross_2 = low * constant_high, high * constant_low
    carry = _shifted(low * constant_low, 32) + (cross & _LOW) + (cross_2 & _LOW)
    upper = high * constant_high + _shifted(cross, 32) + _shifted(cross_2, 32) + (carry >> 32)
    return upper, x * _signed(constant)


def _shifted(x: Tensor, places: int) -> Tensor:
    """`x` moved right, zeros moving in."""
    moved: Tensor = (x >> places) & (2 ** (64 - places) - 1)
    return moved


def _signed(word: int) -> int:
    """The signed number with the 64 lowest bits of `word`."""
    word &= 2**64 - 1
    return word - 2**64 if word >= 2**63 else word

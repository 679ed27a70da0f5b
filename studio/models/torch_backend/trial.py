"""Which precision suits a model on this machine.

Owns a short trial of the decoder's products, whose time is nearly all of a step's. It loads no
model: what a product costs does not depend on the numbers in it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import torch
from torch import nn

from studio.models.language_config import DecoderConfig
from studio.models.speeds import Speeds
from studio.models.torch_backend.packing import PRECISIONS, computed_precisions, pack_layers

# Larger than any processor's cache: in a step, every weight comes from memory.
_TRIAL_NUMBERS = 80_000_000
_LEAST_BLOCKS = 2
_ROWS = 2  # a take under guidance
_REPEATS = 4


def fastest_precision(
    config: DecoderConfig, speeds: Speeds, *, among: Sequence[str] = PRECISIONS
) -> str:
    """The precision in which a decoder's step takes least time here.

    Args:
        config: The decoder's sizes.
        speeds: What is known, and where it is kept.
        among: Those that come into question.
    """
    model = f"dim {config.dim}, layers {config.layers}, inner {config.ffn_dim}"
    machine = (
        f"torch {torch.__version__} {torch.backends.cpu.get_cpu_capability()},"
        f" {torch.get_num_threads()} threads of {os.cpu_count()}"
    )
    seconds = speeds.of(model, machine, lambda: time_precisions(config))
    computed = [each for each in among if each in computed_precisions() and each in seconds]
    return min(computed, key=lambda precision: seconds[precision], default="float32")


@torch.inference_mode()
def time_precisions(config: DecoderConfig) -> dict[str, float]:
    """Seconds that the products of one step take in each precision, measured in turns."""
    shapes = [(3 * config.dim, config.dim), (config.dim, config.dim)]
    if config.cross_attention:
        shapes += [(config.dim, config.dim)] * 2
    shapes += [(config.ffn_dim, config.dim), (config.dim, config.ffn_dim)]
    numbers = sum(out * width for out, width in shapes)
    blocks = min(config.layers, max(_LEAST_BLOCKS, _TRIAL_NUMBERS // numbers))
    weights = [torch.rand(shape) for shape in shapes]
    trials = {
        precision: [(_layer(weight, precision), weight.shape[1]) for weight in weights * blocks]
        for precision in computed_precisions()
    }
    rows = {weight.shape[1]: torch.rand(_ROWS, weight.shape[1]) for weight in weights}
    best = dict.fromkeys(trials, float("inf"))
    for _ in range(_REPEATS):
        for precision, layers in trials.items():
            begun = time.perf_counter()
            for layer, width in layers:
                layer(rows[width])
            best[precision] = min(best[precision], time.perf_counter() - begun)
    return {precision: seconds * config.layers / blocks for precision, seconds in best.items()}


def _layer(weight: torch.Tensor, precision: str) -> nn.Module:
    """A layer of its own memory, packed."""
    with torch.device("meta"):
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight = nn.Parameter(weight.clone(), requires_grad=False)
    holder = nn.Sequential(layer)
    pack_layers(holder, precision)
    return holder

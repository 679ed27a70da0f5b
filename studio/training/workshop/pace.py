"""How fast this machine trains, found out by doing a few steps.

Owns the choice of number format, the split of a step so that it fits into memory, the threads,
and the turning of minutes into steps. Measured with random codes: nothing is learnt here.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from studio.core.errors import TrainingError
from studio.training.workshop.company import processes_here
from studio.training.workshop.network import Batch, Network, decoder_of, loss_sums, parameters_of
from studio.training.workshop.settings import TrainingSettings

_TIMED_STEPS = 3
_LONG_SECONDS = 2.0
_CLEARLY_FASTER = 0.9
_BYTES_OF_TRAINING = 16
_BYTES_OF_A_NUMBER = 4
_BYTES_A_WIDTH = 4 * 34
_BYTES_A_WIDTH_RECOMPUTED = 4 * 4
_BYTES_A_CODE = 4 * 4
_SHARE_FOR_TRAINING = 0.75


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What a step takes.

    Attributes:
        seconds_a_step: With all of its segments.
        bfloat16: Whether products are computed in it.
        rows: Segments in one pass; a step takes several where it would not fit.
        threads: Of the processor.
    """

    seconds_a_step: float
    bfloat16: bool
    rows: int
    threads: int


def choose_threads(settings: TrainingSettings) -> None:
    """Set how many threads of the processor this process computes with at most."""
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    elif "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // processes_here()))


def rows_that_fit(
    settings: TrainingSettings, network: Network, *, frames: int, rows: int, device: torch.device
) -> int:
    """How many of `rows` segments fit into one pass.

    Raises:
        TrainingError: Not even one.
    """
    allowed = settings.memory_gigabytes * 1e9
    if device.type == "cuda":
        allowed = float(torch.cuda.mem_get_info(device)[0])
    config = decoder_of(network).config
    width = _BYTES_A_WIDTH_RECOMPUTED if settings.checkpointing else _BYTES_A_WIDTH
    layers = config.layers + (2 if settings.checkpointing else 0)
    attention = 0 if device.type == "cuda" else 4 * config.heads * frames
    step = layers * (config.dim * width + attention)
    step += _BYTES_A_CODE * config.codebooks * config.vocabulary
    row = frames * step
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    frozen = parameters_of(network) - trained
    fixed = _BYTES_OF_TRAINING * trained + _BYTES_OF_A_NUMBER * frozen
    fitting = int((_SHARE_FOR_TRAINING * allowed - fixed) // row)
    if fitting < 1:
        raise TrainingError(
            f"The size {settings.size} needs {(fixed + row) / _SHARE_FOR_TRAINING / 1e9:.1f} GB, "
            f"more than the {allowed / 1e9:.1f} GB it may take: choose a smaller size, "
            "--checkpointing, or more --memory."
        )
    return min(rows, fitting)


def measure_pace(
    network: Network,
    settings: TrainingSettings,
    *,
    frames: int,
    text_length: int,
    rows: int,
    device: torch.device,
    wanted: bool | None = None,
) -> Pace:
    """Do a few steps of `rows` segments and tell how long one takes.

    Where nobody has chosen, one thread is tried beside all: on a busy machine, threads that wait
    for each other are many times slower than one alone.

    Args:
        network: Its weights are left alone.
        settings: Of the run.
        frames: Of a segment.
        text_length: Tokens of a text, 0 without words.
        rows: Segments of this process in a step.
        device: Where.
        wanted: Whether products shall be in bfloat16; None takes what `settings` say, and with
            "auto" what is clearly faster.

    Raises:
        TrainingError: A step does not fit into memory.
    """
    network.to(device).train()
    at_once = rows_that_fit(settings, network, frames=frames, rows=rows, device=device)
    batch = _random_batch(network, at_once, frames, text_length, device)
    passes = -(-rows // at_once)
    if wanted is None and settings.precision != "auto":
        wanted = settings.precision == "bfloat16"
    formats = (False, True) if wanted is None else (wanted,)
    first = batch.parts(1)[0]
    if at_once * _seconds(network, first, bfloat16=formats[0]) > _LONG_SECONDS:
        # One segment tells enough of a large network.
        batch, passes = first, rows
    fastest: Pace | None = None
    for threads in _threads_to_try(settings, device):
        torch.set_num_threads(threads)
        for half in formats:
            seconds = passes * _seconds(network, batch, bfloat16=half)
            if fastest is None or seconds < _CLEARLY_FASTER * fastest.seconds_a_step:
                fastest = Pace(seconds_a_step=seconds, bfloat16=half, rows=at_once, threads=threads)
    assert fastest is not None  # there is always something to try
    torch.set_num_threads(fastest.threads)
    return fastest


def _threads_to_try(settings: TrainingSettings, device: torch.device) -> list[int]:
    most = torch.get_num_threads()
    if settings.threads is not None or most == 1 or device.type == "cuda":
        return [most]
    return [most, 1]


def _random_batch(
    network: Network, rows: int, frames: int, text_length: int, device: torch.device
) -> Batch:
    config = decoder_of(network).config
    rng = np.random.default_rng(0)
    codes = rng.integers(config.vocabulary, size=(rows, config.codebooks, frames))
    ids = torch.ones((rows, text_length), dtype=torch.int64, device=device)
    return Batch(
        codes=torch.from_numpy(codes).to(device),
        frames=torch.full((rows,), frames, device=device),
        ids=ids if text_length else None,
        mask=torch.ones_like(ids, dtype=torch.bool) if text_length else None,
    )


def _seconds(network: Network, batch: Batch, *, bfloat16: bool) -> float:
    """The quickest of a few passes there and back, and what the optimiser takes beside it."""
    trained = [p for p in network.parameters() if p.requires_grad]
    spare = [torch.zeros_like(p, requires_grad=True) for p in trained]
    optimiser = torch.optim.AdamW(spare, lr=0.0, fused=True)

    def step() -> None:
        loss_sums(network, batch, bfloat16=bfloat16).sum().backward()
        for empty, parameter in zip(spare, trained, strict=True):
            empty.grad = parameter.grad
        nn.utils.clip_grad_norm_(spare, 1.0)
        optimiser.step()
        network.zero_grad(set_to_none=True)
        if batch.codes.device.type == "cuda":
            torch.cuda.synchronize()

    first = _timed(step)
    if first > _LONG_SECONDS:
        return first
    return min(_timed(step) for _ in range(_TIMED_STEPS))


def _timed(action: Callable[[], None]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began

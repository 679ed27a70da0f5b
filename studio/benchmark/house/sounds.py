"""Sounds to measure: takes, fresh loops, what the codec makes of them, random codes.

Owns how each kind is made. All sounds are mono float32 at the model's sampling rate.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from studio.benchmark.house.prompts import Asked
from studio.generation.musicgen import MusicGen
from studio.models.backend import MusicBackend
from studio.models.prompting import PromptTemplate
from studio.training.evaluation import captioned
from studio.training.loopsynth import LoopLabels, SynthLoop, render_loop

Sound = NDArray[np.float32]
FRESH_SEED = 40_000_000
_SEED = 500_000
_AT_ONCE = 8


def fresh_loops(count: int, *, offset: int = 0) -> list[SynthLoop]:
    """Loops no part of which was played in training."""
    first = FRESH_SEED + offset
    return [render_loop(seed, split="validation") for seed in range(first, first + count)]


def played(loops: Sequence[SynthLoop], frames: int) -> NDArray[np.float32]:
    """Each loop played round and round: [loops, frames]."""
    return np.stack([np.resize(loop.samples, frames) for loop in loops])


def rebuilt(backend: MusicBackend, sounds: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the codec makes of sounds [N, frames]: [N, frames]."""
    frames = sounds.shape[1]
    parts = []
    for begin in range(0, len(sounds), _AT_ONCE):
        codes = backend.encode(sounds[begin : begin + _AT_ONCE, None])
        parts.append(backend.decode(codes)[:, 0, :frames])
    return np.concatenate(parts).astype(np.float32)


def random_codes(backend: MusicBackend, count: int, code_frames: int) -> NDArray[np.float32]:
    """Sound of codes drawn at random: [count, frames]."""
    rng = np.random.default_rng(0)
    shape = (count, backend.info.codebooks, code_frames)
    codes = rng.integers(backend.info.codebook_size, size=shape)
    parts = [codes[begin : begin + _AT_ONCE] for begin in range(0, count, _AT_ONCE)]
    return np.concatenate([backend.decode(part)[:, 0] for part in parts]).astype(np.float32)


def captioned_takes(
    backend: MusicBackend, template: PromptTemplate, labels: Sequence[LoopLabels], code_frames: int
) -> NDArray[np.float32]:
    """One untiled take for the caption of each loop, the loop itself unseen: [N, frames]."""
    rng = np.random.default_rng(1)
    conditions = [captioned(one, template, rng) for one in labels]
    rows = []
    for begin in range(0, len(conditions), _AT_ONCE):
        part = conditions[begin : begin + _AT_ONCE]
        columns = backend.steps(
            part,
            frames=code_frames,
            seeds=[_SEED + begin + place for place in range(len(part))],
            sampling=backend.info.sampling,
        )
        codes = np.stack(list(columns), axis=2)
        rows.append(backend.decode(codes)[:, 0])
    return np.concatenate(rows).astype(np.float32)


def asked_takes(model: MusicGen, asked: Sequence[Asked]) -> list[Sound]:
    """A take for each prompt, through the whole engine, as a person would get it."""
    sounds = []
    for place, one in enumerate(asked):
        take = model.generate(one.prompt, bars=one.bars, seed=_SEED + place)
        sounds.append(np.asarray(take, dtype=np.float32).mean(axis=0))
    return sounds


def takes_of_one_prompt(model: MusicGen, prompt: str, count: int) -> NDArray[np.float32]:
    """Takes of one prompt and one bar under `count` seeds: [count, frames]."""
    takes = model.takes(prompt, bars=1, seed=_SEED, count=count, batch=_AT_ONCE)
    return np.stack([take.clip.samples.mean(axis=0) for take in takes]).astype(np.float32)

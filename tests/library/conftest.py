"""Small libraries and sounds for the library's tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import studio
from studio.audio.clip import AudioClip
from studio.library.library import Library
from studio.library.records import NewSample, SampleRecord

SAMPLE_RATE = 8_000


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """An empty library."""
    with Library.open(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def noise() -> Callable[..., AudioClip]:
    """Makes a short clip of noise; another seed, another sound."""

    def make(seed: int = 0, frames: int = 400, channels: int = 1) -> AudioClip:
        samples = np.random.default_rng(seed).uniform(-0.5, 0.5, (channels, frames))
        return AudioClip(samples=samples.astype(np.float32), sample_rate=SAMPLE_RATE)

    return make


@pytest.fixture
def add(library: Library, noise: Callable[..., AudioClip]) -> Callable[..., SampleRecord]:
    """Adds a take to `library` and gives its record."""

    def make(seed: int = 0, **facts: object) -> SampleRecord:
        sample = NewSample(clip=noise(seed), seed=seed, **facts)
        (sample_id,) = library.add_take(sample).result().ids
        return library.get(sample_id)

    return make


@pytest.fixture
def python() -> Callable[..., subprocess.Popen[str]]:
    """Starts a Python program that can import the product."""

    def start(program: str, *arguments: object) -> subprocess.Popen[str]:
        root = Path(studio.__file__).parents[1]
        return subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(root)},
        )

    return start

"""Folders of small sounds, a tiny codec, and runs over both that take a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from studio.audio.clip import AudioClip
from studio.models.torch_backend.codec import EncodecModel
from studio.training.workshop.codec_source import load_codec
from studio.training.workshop.settings import TrainingSettings

RATE = 32_000
Settings = Callable[..., TrainingSettings]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def codec_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a codec of 4 x 64 codes."""
    from tests.generation.tiny_bundle import write_tiny_bundle

    return write_tiny_bundle(tmp_path_factory.mktemp("codec") / "tiny")


@pytest.fixture(scope="session")
def codec(codec_folder: Path) -> EncodecModel:
    """Its codec."""
    return load_codec(codec_folder)


def tone(frequency_hz: float, seconds: float, *, decay: float = 0.0) -> np.ndarray:
    """A sine, float32 [frames], that dies away with `decay` nepers a second."""
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.5 * np.sin(2 * np.pi * frequency_hz * time) * np.exp(-decay * time)).astype(
        np.float32
    )


def write(path: Path, samples: np.ndarray, sample_rate: int = RATE) -> Path:
    """A WAV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    AudioClip(samples=samples, sample_rate=sample_rate).save(path, subtype="PCM_16")
    return path


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Twelve sounds in two folders: tones that go on and tones that die away."""
    folder = tmp_path / "sounds"
    for number in range(6):
        write(folder / "pads" / f"warm_{number}.wav", tone(110 * 2 ** (number / 3), 0.7))
        hit = tone(300 + 170 * number, 0.4, decay=20)
        write(folder / "hits" / f"dry_hit_{number}.wav", hit)
    return folder


@pytest.fixture
def settings(sounds: Path, codec_folder: Path, tmp_path: Path) -> Settings:
    """Settings of a run of moments; what is given replaces the rest."""

    def make(**changes: Any) -> TrainingSettings:
        values: dict[str, Any] = {
            "folder": sounds,
            "out": tmp_path / "bundle",
            "codec": codec_folder,
            "size": "nano",
            "steps": 6,
            "context_seconds": 0.5,
            "batch": 4,
            "variants": 1,
            "held_out_share": 0.2,
            "measure_every": 2,
            "preview_every": 0,
            "checkpoint_seconds": 0,
            "precision": "float32",
            "device": "cpu",
            "threads": 1,
        }
        return TrainingSettings(**{**values, **changes})

    return make

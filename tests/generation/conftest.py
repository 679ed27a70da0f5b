"""A backend that needs no network: sine tones instead of music, with every duty of a real one."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.generation.engine import ModelLoader
from studio.generation.loading import LoadedModel
from studio.models.backend import Condition, ModelInfo, Sampling
from studio.models.prompting import PromptTemplate

# Its tests send signals and look into /proc.
collect_ignore = [] if sys.platform == "linux" else ["test_process.py"]

SAMPLE_RATE = 8000
HOP = 160
CODEBOOKS = 4
CODES = 64


def tone(codes: NDArray[np.int64], first_frame: int) -> NDArray[np.float32]:
    """Codes [K, T] as a 440 Hz tone whose level follows the first codebook, [1, T * HOP]."""
    time = (np.arange(codes.shape[1] * HOP) + first_frame * HOP) / SAMPLE_RATE
    level = np.repeat(0.1 + 0.5 * codes[0] / CODES, HOP)
    return (level * np.sin(2 * np.pi * 440 * time)).astype(np.float32)[None]


class ToneStream:
    """Holds four frames back, as a codec that looks ahead does."""

    def __init__(self) -> None:
        self._codes = np.zeros((CODEBOOKS, 0), dtype=np.int64)
        self._told = 0

    def push(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        self._codes = np.concatenate([self._codes, codes], axis=1)
        return self._upto(max(self._told, self._codes.shape[1] - 4))

    def finish(self) -> NDArray[np.float32]:
        return self._upto(self._codes.shape[1])

    def _upto(self, frame: int) -> NDArray[np.float32]:
        new = tone(self._codes[:, self._told : frame], self._told)
        self._told = frame
        return new


class ToneBackend:
    """Codes depend on seed, text and place in the take, never on the windows."""

    def __init__(self, window_frames: int = 100) -> None:
        self.info = ModelInfo(
            name="tone",
            sample_rate=SAMPLE_RATE,
            channels=1,
            codebooks=CODEBOOKS,
            codebook_size=CODES,
            frame_rate=SAMPLE_RATE / HOP,
            window_frames=window_frames,
            has_text=True,
            has_melody=False,
            parameters=1,
            cache_bytes=1,
            fingerprint="ab" * 32,
            sampling=Sampling(top_k=30, temperature=0.8, guidance=1.5),
        )
        self.calls: list[dict[str, Any]] = []
        self.frames_made = 0

    def code(self, text: str, seed: int, frame: int) -> NDArray[np.int64]:
        key = [seed, frame, sum(text.encode())]
        return np.random.default_rng(key).integers(0, CODES, CODEBOOKS)

    def codes(self, text: str, seed: int, frames: int) -> NDArray[np.int64]:
        """The codes [K, T] of a take."""
        return np.stack([self.code(text, seed, frame) for frame in range(frames)], axis=1)

    def steps(
        self,
        conditions: Sequence[Condition],
        *,
        frames: int,
        seeds: Sequence[int],
        sampling: Sampling,
        prefix: NDArray[np.int64] | None = None,
        first_step: int = 0,
        closed: bool = False,
    ) -> Iterator[NDArray[np.int64]]:
        texts = [condition.text for condition in conditions]
        known = 0 if prefix is None else prefix.shape[2]
        assert known + frames <= self.info.window_frames
        melody = conditions[0].melody
        self.calls.append(
            {
                "texts": texts,
                "frames": frames,
                "first_step": first_step,
                "closed": closed,
                "melody": None if melody is None else melody.tolist(),
                "prefix": prefix,
            }
        )
        for place in range(known, known + frames):
            self.frames_made += 1
            yield np.stack(
                [self.code(t, s, first_step + place) for t, s in zip(texts, seeds, strict=True)]
            )

    def encode(self, audio: NDArray[np.float32]) -> NDArray[np.int64]:
        return np.zeros((audio.shape[0], CODEBOOKS, -(-audio.shape[2] // HOP)), dtype=np.int64)

    def decode(self, codes: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.stack([tone(each, 0) for each in codes])

    def decoder_stream(self) -> ToneStream:
        return ToneStream()

    def logits(
        self, tokens: NDArray[np.int64], conditions: Sequence[Condition] | None
    ) -> NDArray[np.float32]:
        return np.zeros((*tokens.shape, CODES), dtype=np.float32)


def grid_template(context_frames: int = 256) -> PromptTemplate:
    return PromptTemplate(
        words=("jungle", "dark", "key:am"),
        genres=("jungle",),
        aliases={"jungle break": "jungle"},
        grids=(4, 5, 6, 7, 8, 9),
        context_frames=context_frames,
        frame_rate=50.0,
        tempos={"jungle": 168.0},
    )


@pytest.fixture
def backend() -> ToneBackend:
    return ToneBackend()


@pytest.fixture
def template() -> PromptTemplate:
    return grid_template()


@pytest.fixture
def plain_model(backend: ToneBackend) -> LoadedModel:
    return LoadedModel(backend=backend)


@pytest.fixture
def load_plain(plain_model: LoadedModel) -> ModelLoader:
    return lambda name, precision=None, adapters=(): plain_model


@pytest.fixture
def grid_model(template: PromptTemplate) -> LoadedModel:
    return LoadedModel(backend=ToneBackend(window_frames=256), template=template)


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real model with random weights."""
    from tests.generation.tiny_bundle import write_tiny_bundle

    return write_tiny_bundle(tmp_path_factory.mktemp("models") / "tiny")

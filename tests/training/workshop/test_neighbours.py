from __future__ import annotations

import numpy as np
import pytest

from studio.training.workshop.dataset import Corpus
from studio.training.workshop.neighbours import Neighbourhood
from studio.training.workshop.words import Caption

FRAMES = 60


@pytest.fixture(scope="module")
def train() -> Corpus:
    rng = np.random.default_rng(0)
    return Corpus(
        codes=rng.integers(64, size=(40, 2, FRAMES)).astype(np.int16),
        frames=np.full(40, FRAMES, dtype=np.int32),
        sketches=rng.normal(-3, 1, size=(40, 24)).astype(np.float16),
        variants=np.zeros(40, dtype=np.int16),
        sounds=np.arange(40, dtype=np.int32),
        paths=tuple(f"{n}.wav" for n in range(40)),
        captions=(Caption(words=()),) * 40,
        groups=np.arange(40),
    )


def test_a_copy_is_found_at_any_shift(train: Corpus) -> None:
    meter = Neighbourhood(train, seed=0)
    for shift in (-15, 0, 11):
        copy = np.roll(train.codes[7], shift, axis=1).astype(np.int64)
        near = meter.nearest(copy, train.sketches[7])
        assert near.path == "7.wav"
        assert near.agreement > 0.95
        assert near.mel_distance == 0
        assert meter.copies(near)


def test_something_new_is_told_from_a_copy(train: Corpus) -> None:
    meter = Neighbourhood(train, seed=0)
    rng = np.random.default_rng(9)
    for _ in range(5):
        near = meter.nearest(
            rng.integers(64, size=(2, FRAMES)), rng.normal(-3, 1, size=24).astype(np.float16)
        )
        assert not meter.copies(near)
        assert near.agreement < 0.5
    assert 0 < meter.usual_agreement < 0.5
    assert meter.usual_mel_distance > 0.3


def test_shared_silence_is_no_copy(train: Corpus) -> None:
    silent = train.part(np.arange(40))
    silent.codes[:, :, 20:] = 3
    meter = Neighbourhood(silent, seed=0)
    codes = np.random.default_rng(5).integers(64, size=(2, FRAMES))
    codes[:, 20:] = 3
    assert meter.nearest(codes, train.sketches[0]).agreement < 0.5


def test_a_single_sound_has_nothing_usual(train: Corpus) -> None:
    meter = Neighbourhood(train.part(np.zeros(1, dtype=np.int64)), seed=0)
    assert (meter.usual_agreement, meter.usual_mel_distance) == (0, 0)
    near = meter.nearest(train.codes[0].astype(np.int64), train.sketches[0])
    assert near.agreement == 1
    assert not meter.copies(near)

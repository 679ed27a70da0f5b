from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.models.backend import Condition, MusicBackend, Sampling
from studio.models.native_backend.backend import NativeBackend
from tests.models.conditions import FRAMES, conditions_of
from tests.models.reference import Reference

Oracle = Callable[[str], Reference]
Ours = Callable[[str], NativeBackend]


def _greedy(
    backend: MusicBackend,
    conditions: list[Condition],
    guidance: float,
    frames: int = FRAMES,
    prefix: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    steps = backend.steps(
        conditions,
        frames=frames,
        seeds=[0] * len(conditions),
        sampling=Sampling(top_k=1, guidance=guidance),
        prefix=prefix,
        closed=True,
    )
    return np.stack(list(steps), axis=-1)


@pytest.mark.parametrize("guidance", [1.0, 3.0], ids=["unguided", "guided"])
@pytest.mark.parametrize("name", ["mono", "stereo", "melody", "stereo melody"])
def test_greedy_takes_equal_those_of_transformers(
    oracle: Oracle, ours: Ours, name: str, guidance: float
) -> None:
    reference, backend = oracle(name), ours(name)
    conditions = conditions_of(reference.kind)
    codes, audio = reference.greedy(conditions, frames=FRAMES, guidance=guidance)
    assert codes.shape == (5, backend.info.codebooks, FRAMES)
    assert len(np.unique(codes)) > 10
    for takes in (slice(0, 5), slice(1, 3), slice(4, 5)):
        actual = _greedy(backend, conditions[takes], guidance)
        np.testing.assert_array_equal(actual, codes[takes])
    np.testing.assert_allclose(backend.decode(codes), audio, atol=1e-5, rtol=0.0)


@pytest.mark.parametrize("batch", [1, 2])
def test_smaller_batches_of_transformers_are_alike(oracle: Oracle, ours: Ours, batch: int) -> None:
    conditions = conditions_of("text")[:batch]
    codes, _ = oracle("mono").greedy(conditions, frames=FRAMES, guidance=3.0)
    np.testing.assert_array_equal(_greedy(ours("mono"), conditions, 3.0), codes)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_an_unconditional_decoder_makes_what_it_makes_in_transformers(
    oracle: Oracle, ours: Ours, batch: int
) -> None:
    conditions = conditions_of("unconditional")[:batch]
    codes, _ = oracle("unconditional").greedy(conditions, frames=FRAMES, guidance=1.0)
    assert len(np.unique(codes)) > 5
    for guidance in (1.0, 3.0):
        actual = _greedy(ours("unconditional"), conditions, guidance)
        np.testing.assert_array_equal(actual, codes)


@pytest.mark.parametrize("name", ["mono", "stereo", "melody", "unconditional"])
def test_codes_are_continued_as_in_transformers(oracle: Oracle, ours: Ours, name: str) -> None:
    reference, backend = oracle(name), ours(name)
    conditions = conditions_of(reference.kind)[:2]
    shape = (2, backend.info.codebooks, 25)
    prefix = np.random.default_rng(4).integers(0, backend.info.codebook_size, shape)
    guidance = 1.0 if name == "unconditional" else 3.0
    codes, _ = reference.greedy(conditions, frames=60, guidance=guidance, prefix=prefix)
    np.testing.assert_array_equal(codes[..., :25], prefix)
    actual = _greedy(backend, conditions, guidance, frames=60, prefix=prefix)
    np.testing.assert_array_equal(actual, codes[..., 25:])

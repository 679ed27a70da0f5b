"""The mlx backend computes what the torch backend computes, from the same bundles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from studio.models.backend import Condition, MusicBackend, Sampling
from studio.models.bundle import open_bundle
from studio.models.mlx_backend.backend import MlxBackend
from studio.models.torch_backend.backend import TorchBackend
from tests.models.reference import PROMPT, SHORT_PROMPT, WORDS, Shape, build_model, save_model

KINDS = ("mono", "equal widths", "stereo", "melody", "stereo melody", "unconditional")
HOP = 640

Ours = Callable[[str], TorchBackend]
Mirrored = Callable[..., MlxBackend]


def conditions_for(backend: MusicBackend) -> list[Condition]:
    """Four: long, short with a negative, none, beyond one block of text."""
    if not backend.info.has_text:
        return [Condition()] * 4
    random = np.random.default_rng(3)
    melodies: list[NDArray[np.int8] | None] = [None] * 4
    if backend.info.has_melody:
        melodies = [random.integers(0, 12, 4 + 5 * i, dtype=np.int8) for i in range(3)] + [None]
    texts = (PROMPT, SHORT_PROMPT, "", " ".join(WORDS * 4))
    return [
        Condition(text=text, melody=melody, negative="hat kick" if text == SHORT_PROMPT else "")
        for text, melody in zip(texts, melodies, strict=True)
    ]


def codes_of(
    backend: MusicBackend, conditions: list[Condition], frames: int, **options: Any
) -> NDArray[np.int64]:
    """All frames of the takes, [B, K, T]."""
    options = {"seeds": list(range(50, 50 + len(conditions))), "sampling": Sampling(), **options}
    return np.stack(list(backend.steps(conditions, frames=frames, **options)), axis=-1)


def grid_for(backend: MusicBackend, steps: int) -> NDArray[np.int64]:
    info = backend.info
    return np.random.default_rng(1).integers(
        0, info.codebook_size + 1, (4, info.codebooks, steps), dtype=np.int64
    )


@pytest.mark.parametrize("name", KINDS)
def test_both_know_the_same_facts(ours: Ours, mirrored: Mirrored, name: str) -> None:
    theirs, mine = ours(name).info, mirrored(name).info
    for fact in ("name", "sample_rate", "channels", "codebooks", "window_frames", "parameters"):
        assert getattr(mine, fact) == getattr(theirs, fact)
    assert (mine.has_text, mine.has_melody) == (theirs.has_text, theirs.has_melody)
    assert (mine.fingerprint, mine.sampling) == (theirs.fingerprint, theirs.sampling)
    assert mine.cache_bytes == theirs.cache_bytes


@pytest.mark.parametrize("name", KINDS)
def test_logits_equal_those_of_torch(ours: Ours, mirrored: Mirrored, name: str) -> None:
    theirs, mine = ours(name), mirrored(name)
    grid, conditions = grid_for(theirs, 300), conditions_for(theirs)
    expected = theirs.logits(grid, conditions)
    assert np.abs(expected).max() > 1.0
    np.testing.assert_allclose(mine.logits(grid, conditions), expected, atol=1e-4, rtol=0.0)


def test_logits_stay_equal_to_the_end_of_the_longest_window(ours: Ours, mirrored: Mirrored) -> None:
    grid = grid_for(ours("mono"), 1503)[:1]
    conditions = [Condition(text=PROMPT)]
    expected = ours("mono").logits(grid, conditions)
    actual = mirrored("mono").logits(grid, conditions)
    np.testing.assert_allclose(actual, expected, atol=1e-4, rtol=0.0)


@settings(deadline=None, max_examples=8)
@given(
    kind=st.sampled_from(["text", "melody", "unconditional"]),
    channels=st.sampled_from([1, 2]),
    codebooks=st.integers(1, 3),
    heads=st.integers(1, 3),
    width=st.sampled_from([4, 10, 32]),
    layers=st.integers(1, 2),
    steps=st.integers(1, 40),
)
def test_logits_of_a_model_of_any_shape_equal_those_of_torch(
    kind: str, channels: int, codebooks: int, heads: int, width: int, layers: int, steps: int
) -> None:
    shape = Shape(
        kind=kind,
        channels=channels,
        codebooks=codebooks,
        heads=heads,
        dim=heads * width,
        ffn_dim=3 * width,
        layers=layers,
    )
    with TemporaryDirectory() as folder:
        bundle = open_bundle(save_model(build_model(shape), Path(folder)).folder)
        theirs, mine = TorchBackend(bundle), MlxBackend(bundle)
    grid, conditions = grid_for(theirs, steps), conditions_for(theirs)
    expected = theirs.logits(grid, conditions)
    np.testing.assert_allclose(mine.logits(grid, conditions), expected, atol=1e-4, rtol=0.0)


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
@pytest.mark.parametrize("name", KINDS)
def test_greedy_takes_equal_those_of_torch(
    ours: Ours, mirrored: Mirrored, name: str, closed: bool
) -> None:
    conditions = conditions_for(ours(name))
    options = {"sampling": Sampling(top_k=1), "closed": closed}
    expected = codes_of(ours(name), conditions, 60, **options)
    assert len(np.unique(expected)) > 5
    np.testing.assert_array_equal(codes_of(mirrored(name), conditions, 60, **options), expected)


@pytest.mark.parametrize("sampling", [Sampling(top_k=12), Sampling(top_p=0.9, guidance=1.0)])
@pytest.mark.parametrize("name", ["mono", "stereo", "melody", "unconditional"])
def test_a_seed_makes_the_same_take_as_in_torch(
    ours: Ours, mirrored: Mirrored, name: str, sampling: Sampling
) -> None:
    conditions = conditions_for(ours(name))
    expected = codes_of(ours(name), conditions, 100, sampling=sampling)
    actual = codes_of(mirrored(name), conditions, 100, sampling=sampling)
    assert (actual == expected).all(axis=1).mean() >= 0.99


@pytest.mark.parametrize("name", ["mono", "stereo", "melody", "unconditional"])
def test_a_window_further_on_goes_on_as_in_torch(ours: Ours, mirrored: Mirrored, name: str) -> None:
    conditions = conditions_for(ours(name))
    info = ours(name).info
    prefix = np.random.default_rng(4).integers(0, info.codebook_size, (4, info.codebooks, 25))
    options = {"prefix": prefix, "first_step": 900}
    expected = codes_of(ours(name), conditions, 30, **options)
    actual = codes_of(mirrored(name), conditions, 30, **options)
    assert (actual == expected).all(axis=1).mean() >= 0.99


@pytest.mark.parametrize("name", ["mono", "stereo"])
def test_sound_becomes_the_same_codes_and_codes_the_same_sound(
    ours: Ours, mirrored: Mirrored, name: str
) -> None:
    theirs, mine = ours(name), mirrored(name)
    shape = (2, theirs.info.channels, 30 * HOP + 77)
    audio = np.random.default_rng(5).normal(0.0, 0.3, shape).astype(np.float32)
    codes = theirs.encode(audio)
    np.testing.assert_array_equal(mine.encode(audio), codes)
    sound = mine.decode(codes)
    np.testing.assert_allclose(sound, theirs.decode(codes), atol=1e-5, rtol=0.0)
    stream = mine.decoder_stream()
    heard = [stream.push(part) for part in np.array_split(codes[0], 6, axis=1)]
    joined = np.concatenate([*heard, stream.finish()], axis=1)
    np.testing.assert_allclose(joined, sound[0], atol=1e-5, rtol=0.0)

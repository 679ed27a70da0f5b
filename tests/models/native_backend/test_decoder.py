"""A row's numbers depend on its own stream: not on company, on threads, or on how it is read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.core.errors import ModelError
from studio.models.native_backend import decoder as decoder_module
from studio.models.native_backend.decoder import CachedDecoder, sinusoids
from studio.models.native_backend.decoder_weights import DecoderWeights
from studio.models.native_backend.panels import PRECISIONS
from studio.models.patterns import delay
from studio.models.streams import Stream, Streams
from tests.models.native_backend.random_decoder import WIDE, random_decoder, random_tensors

STEPS = 20


def _text(length: int) -> NDArray[np.float32]:
    return np.random.default_rng(length).standard_normal((length, WIDE.dim), dtype=np.float32)


TAKES = [(Stream(text=_text(length)), Stream()) for length in (1, 5, 31, 64, 65)]
TAKES += [(Stream(),)] * 4 + [(Stream(prefix=_text(3)), Stream(prefix=_text(2)))]
GRID = delay(np.random.default_rng(0).integers(0, WIDE.vocabulary, (10, 4, STEPS)), WIDE.vocabulary)


def _step_by_step(
    weights: DecoderWeights, takes: slice, *, threads: int = 1, read: int = 1
) -> NDArray[np.float32]:
    """Logits after each step from `read` on, guided: [S, B, K, V]."""
    streams, grid = Streams(TAKES[takes]), GRID[takes]
    cached = CachedDecoder(WIDE, weights, streams, steps=24, threads=threads)
    found = [cached.advance(grid[:, :, :read])]
    found += [cached.advance(grid[:, :, step : step + 1]) for step in range(read, STEPS)]
    return np.stack([streams.combine(logits, 2.0) for logits in found])


@pytest.fixture(scope="module", params=PRECISIONS)
def weights(request: pytest.FixtureRequest) -> DecoderWeights:
    return random_decoder(request.param)


def test_a_take_is_the_same_in_any_company_and_on_any_number_of_threads(
    weights: DecoderWeights,
) -> None:
    together = _step_by_step(weights, slice(None), threads=3)
    assert np.abs(together).max() > 1.0
    for take in range(len(TAKES)):
        alone = _step_by_step(weights, slice(take, take + 1))
        np.testing.assert_array_equal(alone[:, 0], together[:, take])


def test_reading_at_once_equals_reading_step_by_step(
    weights: DecoderWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    stepped = _step_by_step(weights, slice(0, 2))
    for rows in (32, 3):
        monkeypatch.setattr(decoder_module, "READ_ROWS", rows)
        for read in (2, 7, STEPS):
            at_once = _step_by_step(weights, slice(0, 2), read=read)
            np.testing.assert_array_equal(at_once, stepped[read - 1 :])
    streams = Streams([(Stream(text=TAKES[1][0].text),)])
    cached = CachedDecoder(WIDE, weights, streams, steps=24, threads=2)
    every = cached.read(GRID[1:2, :, :STEPS])[0]
    unguided = CachedDecoder(WIDE, weights, streams, steps=24, threads=1)
    for step in range(STEPS):
        np.testing.assert_array_equal(
            unguided.advance(GRID[1:2, :, step : step + 1])[0], every[step]
        )


def test_precisions_differ_by_their_rounding_alone() -> None:
    exact = _step_by_step(random_decoder("float32"), slice(0, 3))
    spread = exact.std()
    for precision, share in (("bfloat16", 0.02), ("int8", 0.06), ("int4", 0.7)):
        off = _step_by_step(random_decoder(precision), slice(0, 3)) - exact
        assert 0 < off.std() < share * spread, precision


def test_a_layer_alone_and_all_layers_are_one_way() -> None:
    """What `Fidelity` goes through is what takes go through."""
    weights = random_decoder("int8", replace(WIDE, cross_attention=False))
    streams = Streams([(Stream(),)])
    cached = CachedDecoder(WIDE, weights, streams, steps=STEPS, threads=1)
    expected = cached.read(GRID[:1, :, :STEPS])[0]
    names = ("norms", "qkv", "out", "inner", "outer")
    keys = [name for name in weights.arrays if name.removesuffix("_scales") in names]

    def only(layers: slice) -> CachedDecoder:
        part = {**weights.arrays, **{key: weights.arrays[key][layers] for key in keys}}
        chosen = DecoderWeights(arrays=part, precision="int8")
        return CachedDecoder(WIDE, chosen, streams, steps=STEPS, threads=1)

    x = cached.embedded(GRID[0, :, :STEPS])
    for layer in range(weights.layers):
        x = only(slice(layer, layer + 1)).passed(x)
    np.testing.assert_array_equal(only(slice(0)).predicted(x), expected)


def test_positions_are_cosines_then_sines() -> None:
    table = sinusoids(5, 8)
    rates = 10_000.0 ** (-np.arange(4) / 3)
    expected = np.concatenate([np.cos(3 * rates), np.sin(3 * rates)])
    np.testing.assert_allclose(table[3], expected, atol=1e-6)


@pytest.mark.parametrize("fault", ["missing", "misshapen", "not finite"])
def test_a_faulty_tensor_is_named(fault: str) -> None:
    tensors = random_tensors(WIDE)
    name = "decoder.model.decoder.layers.1.fc2.weight"
    if fault == "missing":
        del tensors[name]
    elif fault == "misshapen":
        tensors[name] = tensors[name].T
    else:
        tensors[name][3, 4] = np.nan
    with pytest.raises(ModelError, match=r"layers\.1\.fc2\.weight"):
        DecoderWeights.read(tensors, WIDE, "int8")

"""Models on a device, here the CPU asked for by name, make what they make in transformers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from studio.models.backend import Condition, Sampling
from studio.models.bundle import open_bundle
from studio.models.decode import generate_frames
from studio.models.streams import Streams
from studio.models.torch_backend.backend import TorchBackend
from studio.models.torch_backend.device_language import DeviceLanguage
from studio.models.torch_backend.loading import Networks, load_networks
from tests.models.conditions import FRAMES, TEXTS, conditions_of
from tests.models.reference import (
    CODEBOOKS,
    PROMPT,
    SHORT_PROMPT,
    VOCABULARY,
    Reference,
    under,
)

IS_HERE = {
    "cpu": lambda: True,
    "cuda": torch.cuda.is_available,
    "mps": torch.backends.mps.is_available,
}
DEVICES = [name for name, is_here in IS_HERE.items() if is_here()]
Oracle = Callable[[str], Reference]
Ours = Callable[[str], TorchBackend]


@pytest.fixture(scope="module")
def on_device(oracle: Oracle) -> Ours:
    @cache
    def loaded(name: str) -> TorchBackend:
        return TorchBackend(open_bundle(oracle(name).folder), device="cpu")

    return loaded


def _codes(
    backend: TorchBackend,
    conditions: list[Condition],
    sampling: Sampling,
    frames: int = FRAMES,
    prefix: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    steps = backend.steps(
        conditions,
        frames=frames,
        seeds=list(range(len(conditions))),
        sampling=sampling,
        prefix=prefix,
        closed=sampling.greedy,
    )
    return np.stack(list(steps), axis=-1)


@pytest.mark.parametrize("guidance", [1.0, 3.0], ids=["unguided", "guided"])
@pytest.mark.parametrize("name", ["mono", "stereo", "melody", "stereo melody"])
def test_greedy_takes_equal_those_of_transformers(
    oracle: Oracle, on_device: Ours, name: str, guidance: float
) -> None:
    """Some are alone, some among others, and all are longer than one stretch of attention."""
    reference, backend = oracle(name), on_device(name)
    conditions = conditions_of(reference.kind)
    codes, audio = reference.greedy(conditions, frames=FRAMES, guidance=guidance)
    for takes in (slice(0, 5), slice(4, 5)):
        actual = _codes(backend, conditions[takes], Sampling(top_k=1, guidance=guidance))
        np.testing.assert_array_equal(actual, codes[takes])
    np.testing.assert_allclose(backend.decode(codes), audio, atol=1e-5, rtol=0.0)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", ["mono", "stereo", "melody", "stereo melody"])
def test_every_device_here_makes_short_takes_of_transformers(
    oracle: Oracle, caplog: pytest.LogCaptureFixture, name: str, device: str
) -> None:
    """So short that rounding, another one on each device, decides no code.

    Each is made twice: what was recorded for the first is what makes the second.
    """
    reference = oracle(name)
    backend = TorchBackend(open_bundle(reference.folder), device=device)
    conditions = conditions_of(reference.kind)[:2]
    codes, audio = reference.greedy(conditions, frames=40, guidance=3.0)
    for _ in range(2):
        actual = _codes(backend, conditions, Sampling(top_k=1, guidance=3.0), 40)
        np.testing.assert_array_equal(actual, codes)
    np.testing.assert_allclose(backend.decode(codes), audio, atol=1e-4, rtol=0.0)
    drawn = [_codes(backend, conditions, Sampling(top_k=12), 40) for _ in range(2)]
    np.testing.assert_array_equal(*drawn)
    assert [record.getMessage() for record in caplog.records] == []


def test_an_unconditional_decoder_makes_what_it_makes_in_transformers(
    oracle: Oracle, on_device: Ours
) -> None:
    conditions = conditions_of("unconditional")
    codes, _ = oracle("unconditional").greedy(conditions, frames=FRAMES, guidance=1.0)
    actual = _codes(on_device("unconditional"), conditions, Sampling(top_k=1))
    np.testing.assert_array_equal(actual, codes)


@pytest.mark.parametrize("name", ["mono", "stereo", "melody", "unconditional"])
def test_codes_are_continued_as_in_transformers(oracle: Oracle, on_device: Ours, name: str) -> None:
    reference, backend = oracle(name), on_device(name)
    conditions = conditions_of(reference.kind)[:2]
    shape = (2, backend.info.codebooks, 25)
    prefix = np.random.default_rng(4).integers(0, backend.info.codebook_size, shape)
    guidance = 1.0 if name == "unconditional" else 3.0
    codes, _ = reference.greedy(conditions, frames=60, guidance=guidance, prefix=prefix)
    sampling = Sampling(top_k=1, guidance=guidance)
    actual = _codes(backend, conditions, sampling, frames=60, prefix=prefix)
    np.testing.assert_array_equal(actual, codes[..., 25:])


def _drawn_on_the_host(
    networks: Networks,
    conditions: list[Condition],
    sampling: Sampling,
    prefix: NDArray[np.int64],
    frames: int,
) -> NDArray[np.int64]:
    """Takes that read everything anew at each step, their codes picked in numpy."""
    language = DeviceLanguage(networks.decoder)
    streams = Streams(networks.conditioner.streams(conditions, guidance=sampling.guidance))
    seen: list[NDArray[np.int64]] = []

    def advance(tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        seen.append(tokens.copy())
        grid = np.concatenate(seen, axis=2)
        rows = zip(streams.takes, streams.ordered, strict=True)
        return np.stack([language.logits(grid[take], stream)[:, -1] for take, stream in rows])

    steps = generate_frames(
        lambda columns: advance,
        streams,
        networks.decoder.config,
        prefix=prefix,
        frames=frames,
        seeds=list(range(len(conditions))),
        sampling=sampling,
        first_step=0,
        closed=False,
    )
    return np.stack(list(steps), axis=-1)


@pytest.mark.parametrize("name", ["mono", "stereo", "melody", "stereo melody", "unconditional"])
@pytest.mark.parametrize("known", [0, 1, 9])
def test_drawn_takes_equal_those_of_the_host(
    oracle: Oracle, on_device: Ours, name: str, known: int
) -> None:
    """Texts, negatives and melodies of unequal length, some missing; and the same chance."""
    random = np.random.default_rng(6)
    conditions = [Condition()] * 4
    if name != "unconditional":
        conditions = [
            Condition(
                text="" if take == 2 else " ".join(["dub", "hat", "kick"] * (1 + 5 * take)),
                negative="swing " * take,
                melody=random.integers(0, 12, 1 + take, dtype=np.int8)
                if "melody" in name and take != 1
                else None,
            )
            for take in range(4)
        ]
    backend = on_device(name)
    networks = load_networks(open_bundle(oracle(name).folder), None, torch.device("cpu"))
    prefix = random.integers(0, VOCABULARY, (4, backend.info.codebooks, known))
    for sampling in (Sampling(top_k=12, guidance=2.5), Sampling(top_p=0.9, temperature=1.3)):
        expected = _drawn_on_the_host(networks, conditions, sampling, prefix, 15)
        actual = _codes(backend, conditions, sampling, 15, prefix)
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("bucket", [1, 7, 64, 4096])
def test_the_stretches_of_attention_change_no_code(oracle: Oracle, bucket: int) -> None:
    networks = load_networks(open_bundle(oracle("melody").folder), None, torch.device("cpu"))
    sampling = Sampling(top_k=12, guidance=2.0)
    conditions = [Condition(text=text) for text in TEXTS]
    made = []
    for size in (256, bucket):
        language = DeviceLanguage(networks.decoder, bucket=size)
        frames = language.frames(
            networks.conditioner.streams(conditions, guidance=2.0),
            prefix=np.zeros((5, CODEBOOKS, 3), dtype=np.int64),
            frames=60,
            seeds=[1, 2, 3, 4, 5],
            sampling=sampling,
            first_step=0,
            closed=False,
        )
        made.append(np.stack(list(frames), axis=-1))
    np.testing.assert_array_equal(made[0], made[1])


@pytest.mark.parametrize("name", ["mono", "equal widths", "stereo", "melody"])
def test_logits_are_those_of_transformers(oracle: Oracle, on_device: Ours, name: str) -> None:
    backend = on_device(name)
    shape = (2, backend.info.codebooks, 40)
    tokens = np.random.default_rng(1).integers(0, VOCABULARY + 1, shape)
    conditions = under(PROMPT, PROMPT if name == "melody" else SHORT_PROMPT)
    expected = oracle(name).logits(tokens, conditions)
    np.testing.assert_allclose(backend.logits(tokens, conditions), expected, atol=1e-4, rtol=0.0)


@pytest.mark.parametrize(("precision", "tolerance"), [("float16", 0.05), ("bfloat16", 0.4)])
@pytest.mark.parametrize("name", ["mono", "melody"])
def test_half_the_bits_change_little(
    oracle: Oracle, on_device: Ours, name: str, precision: str, tolerance: float
) -> None:
    half = TorchBackend(open_bundle(oracle(name).folder), precision, device="cpu")
    tokens = np.random.default_rng(1).integers(0, VOCABULARY + 1, (1, CODEBOOKS, 40))
    conditions = under(PROMPT)
    expected = on_device(name).logits(tokens, conditions)
    actual = half.logits(tokens, conditions)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, atol=tolerance)
    sampling = Sampling(top_k=1, guidance=2.0)
    exact, rough = (_codes(each, conditions, sampling, 8) for each in (on_device(name), half))
    assert rough.shape == exact.shape
    assert (rough == exact).mean() > 0.5

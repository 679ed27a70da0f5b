"""What a take may depend on: its own condition and seed, not its neighbours, not its length."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from studio.models.backend import Condition, Sampling
from studio.models.language_config import DecoderConfig
from studio.models.patterns import delay
from studio.models.streams import Stream, Streams
from studio.models.torch_backend.backend import TorchBackend
from studio.models.torch_backend.cached_decoder import CachedDecoder
from studio.models.torch_backend.packing import LEAST_ROWS, computed_precisions, pack_layers
from studio.models.torch_backend.transformer import MusicDecoder
from tests.models.reference import WORDS

TAKES = 16
Ours = Callable[[str], TorchBackend]


def _prompt(words: int) -> str:
    return " ".join(WORDS[(words * 3 + i) % len(WORDS)] for i in range(words))


def _conditions(name: str, *, negative: bool) -> list[Condition]:
    """Sixteen that differ in length, some empty, some beyond one block of text."""
    random = np.random.default_rng(6)
    conditions = []
    for take in range(TAKES):
        melody = random.integers(0, 12, 1 + 2 * take, dtype=np.int8)
        conditions.append(
            Condition(
                text="" if take in (3, 8) else _prompt(1 + take * take // 5),
                negative=_prompt(1 + take % 3) if negative and take % 4 != 1 else "",
                melody=melody if "melody" in name and take % 5 != 2 else None,
            )
        )
    return [Condition()] * TAKES if name == "unconditional" else conditions


def _codes(
    backend: TorchBackend, conditions: list[Condition], seeds: list[int], **options: Any
) -> NDArray[np.int64]:
    options = {"frames": 12, "sampling": Sampling(top_k=12, guidance=2.0), **options}
    return np.stack(list(backend.steps(conditions, seeds=seeds, **options)), axis=-1)


@pytest.mark.parametrize("name", ["mono", "stereo", "melody", "stereo melody", "unconditional"])
@pytest.mark.parametrize("case", ["unguided", "guided", "negative"])
def test_a_take_is_the_same_alone_and_among_others(ours: Ours, name: str, case: str) -> None:
    backend = ours(name)
    conditions = _conditions(name, negative=case == "negative")
    sampling = Sampling(top_k=12, guidance=1.0 if case == "unguided" else 2.5)
    seeds = list(range(100, 100 + TAKES))
    together = _codes(backend, conditions, seeds, sampling=sampling)
    for take in range(TAKES):
        alone = _codes(
            backend, conditions[take : take + 1], seeds[take : take + 1], sampling=sampling
        )
        np.testing.assert_array_equal(together[take], alone[0])


@pytest.mark.parametrize("name", ["mono", "stereo", "melody"])
def test_a_continued_take_is_the_same_alone_and_among_others(ours: Ours, name: str) -> None:
    backend = ours(name)
    conditions = _conditions(name, negative=True)[:5]
    shape = (5, backend.info.codebooks, 9)
    prefix = np.random.default_rng(1).integers(0, backend.info.codebook_size, shape)
    together = _codes(backend, conditions, [1, 2, 3, 4, 5], prefix=prefix)
    for take in range(5):
        one = slice(take, take + 1)
        alone = _codes(backend, conditions[one], [take + 1], prefix=prefix[one])
        np.testing.assert_array_equal(together[one], alone)


@pytest.mark.parametrize("name", ["mono", "stereo", "melody", "stereo melody", "unconditional"])
@pytest.mark.parametrize("known", [0, 1, 7])
def test_a_longer_take_begins_with_the_same_codes(ours: Ours, name: str, known: int) -> None:
    backend = ours(name)
    conditions = _conditions(name, negative=True)[:2]
    shape = (2, backend.info.codebooks, known)
    prefix = np.random.default_rng(1).integers(0, backend.info.codebook_size, shape)
    for frames in (1, 2, 15):
        short = _codes(backend, conditions, [8, 9], frames=frames, prefix=prefix)
        long = _codes(backend, conditions, [8, 9], frames=2 * frames, prefix=prefix)
        np.testing.assert_array_equal(short, long[..., :frames])


def test_a_closed_end_knows_that_it_is_the_end(ours: Ours) -> None:
    backend = ours("mono")
    conditions, seeds = _conditions("mono", negative=False), list(range(TAKES))
    opened = _codes(backend, conditions, seeds)
    closed = _codes(backend, conditions, seeds, closed=True)
    settled = 12 - (backend.info.codebooks - 1)
    np.testing.assert_array_equal(opened[..., :settled], closed[..., :settled])
    assert (opened[..., settled:] != closed[..., settled:]).any()


@pytest.mark.parametrize("name", ["mono", "stereo"])
def test_a_take_that_goes_on_goes_on_as_if_it_had_never_stopped(ours: Ours, name: str) -> None:
    backend = ours(name)
    conditions = _conditions(name, negative=True)[4:5]
    whole = _codes(backend, conditions, [7], frames=40)
    rest = _codes(backend, conditions, [7], frames=15, prefix=whole[..., :25])
    np.testing.assert_array_equal(rest, whole[..., 25:])


def test_the_rest_of_a_batch_goes_on_where_it_was_left(ours: Ours) -> None:
    backend = ours("melody")
    conditions = _conditions("melody", negative=False)[:3]
    steps = backend.steps(conditions, frames=900, seeds=[1, 2, 3], sampling=Sampling(top_k=12))
    begun = np.stack(list(islice(steps, 5)), axis=-1)
    whole = _codes(backend, conditions, [1, 2, 3], sampling=Sampling(top_k=12))
    np.testing.assert_array_equal(begun, whole[..., :5])


def _wide_decoder(precision: str) -> MusicDecoder:
    """Inner widths at which libraries change the kernel by the number of rows."""
    torch.manual_seed(3)
    config = DecoderConfig(
        codebooks=4, vocabulary=50, dim=512, layers=2, heads=4, ffn_dim=2304, max_positions=64
    )
    decoder = MusicDecoder(config).requires_grad_(False).eval()
    decoder.embedding.weight.mul_(20.0)
    pack_layers(decoder, precision)
    return decoder


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("precision", computed_precisions())
@torch.inference_mode()
def test_the_decoder_gives_a_row_the_same_numbers_in_any_company(precision: str) -> None:
    decoder = _wide_decoder(precision)
    random = torch.Generator().manual_seed(0)
    texts = [torch.randn(length, 512, generator=random) for length in (1, 5, 31, 32, 33, 60)]
    takes = [(Stream(text=text), Stream()) for text in texts] + [(Stream(),)] * 11
    grid = delay(np.random.default_rng(0).integers(0, 50, (17, 4, 20)), 50)
    tokens = torch.from_numpy(grid)

    def run(streams: Streams, rows: torch.Tensor) -> NDArray[np.float32]:
        cached = CachedDecoder(decoder, streams, steps=24)
        found = [
            streams.combine(cached.advance(rows[:, :, step : step + 1]).numpy(), 2.0)
            for step in range(20)
        ]
        return np.stack(found)

    together = run(Streams(takes), tokens)
    for take in (0, 1, 3, 5, 6, 16):
        alone = run(Streams(takes[take : take + 1]), tokens[take : take + 1])
        if LEAST_ROWS == 2:
            np.testing.assert_array_equal(alone[:, 0], together[:, take])
        else:
            np.testing.assert_allclose(alone[:, 0], together[:, take], atol=1e-4)


@torch.inference_mode()
def test_packed_layers_give_what_plain_ones_give() -> None:
    config = DecoderConfig(codebooks=2, vocabulary=9, dim=24, layers=2, heads=3, ffn_dim=40)
    decoder = MusicDecoder(config).requires_grad_(False).eval()
    tokens = torch.arange(2 * 2 * 30).view(2, 2, 30) % 10
    text = torch.randn(2, 7, 24)
    expected = decoder(tokens, text)
    pack_layers(decoder)
    assert not [name for name, _ in decoder.named_parameters() if "qkv" in name] or LEAST_ROWS > 2
    torch.testing.assert_close(decoder(tokens, text), expected, atol=1e-5, rtol=1e-5)

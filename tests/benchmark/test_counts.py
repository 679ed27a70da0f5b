"""The decoder does no more work in a step than it has to.

These are counts, not times: they fail on any machine when the loop begins to copy its memory, to
read a text again, or to run a stream too many. Bounds are what the loop needs now; when it needs
less, lower them.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from studio.benchmark.random_bundle import write_random_bundle
from studio.benchmark.traffic import Load, step_bytes, weight_numbers
from studio.models.backend import Condition, MusicBackend
from studio.models.selection import PRECISIONS, load_backend
from studio.models.streams import TEXT_BLOCK
from studio.models.torch_backend.packing import LEAST_ROWS
from tests.benchmark.conftest import tiny_shapes
from tests.benchmark.counting import Operator, count_steps, new_bytes, products

PIANO = Condition(text="warm piano")
FRAMES = 60
LAYERS = 2
DIM, HEADS, FFN, CODES = 128, 4, 512, 4 * 64
NUMBER_BYTES = 4

# A layer under guidance: three norms, six products, two attentions, gelu, sums, and their views.
# Rows for bfloat16 are converted there and back, rows for int8 scaled and rounded.
OPERATORS_OF_A_LAYER = {"float32": 38, "bfloat16": 51, "int8": 112}
# Embedding, positions, last norm and output layer, and their views.
OPERATORS_AROUND_THE_LAYERS = {"float32": 21, "bfloat16": 23, "int8": 33}
# New memory of a layer, in units of D numbers a row: the results of norms, products, attentions
# and gelu; for bfloat16 and int8 also the rows of each product as they are multiplied.
NUMBERS_OF_A_LAYER = {"float32": 20, "bfloat16": 32, "int8": 46}
# For each head, stream and step of the past: as they are, and after their softmax.
SCORES = 2


@pytest.fixture(scope="module", params=PRECISIONS)
def precision(request: pytest.FixtureRequest) -> str:
    """Every precision that the torch backend offers."""
    return str(request.param)


@pytest.fixture(scope="module")
def backend(tiny_folder: Path, precision: str) -> MusicBackend:
    return load_backend(tiny_folder, backend="torch", precision=precision)


@pytest.fixture(scope="module")
def guided(backend: MusicBackend) -> list[list[Operator]]:
    return count_steps(backend, [PIANO], guidance=3.0, frames=FRAMES)


def test_a_step_late_in_the_take_asks_for_what_an_early_one_did(
    guided: list[list[Operator]],
) -> None:
    counts = {len(step) for step in guided[1:]}
    assert len(counts) == 1


def test_memory_does_not_grow_by_the_keys_and_values_of_the_past(
    guided: list[list[Operator]],
) -> None:
    """Only scores may, before and after their softmax. A copy would take 2 D numbers a step."""
    growth = new_bytes(guided[-1]) - new_bytes(guided[1])
    passed = FRAMES - 2
    scores = SCORES * HEADS * 2 * LAYERS * NUMBER_BYTES
    copied = 2 * DIM * 2 * LAYERS * NUMBER_BYTES
    assert 0 <= growth <= passed * scores < passed * copied


def test_a_step_allocates_what_its_rows_need(guided: list[list[Operator]], precision: str) -> None:
    rows = LEAST_ROWS * LAYERS * NUMBERS_OF_A_LAYER[precision] * DIM
    logits = 2 * LEAST_ROWS * CODES
    scores = SCORES * HEADS * 2 * LAYERS * (FRAMES + TEXT_BLOCK)
    assert new_bytes(guided[1]) <= NUMBER_BYTES * (rows + logits + scores)


def test_a_layer_costs_a_bounded_number_of_operators(
    guided: list[list[Operator]], precision: str, tmp_path: Path
) -> None:
    write_random_bundle(tiny_shapes(layers=LAYERS + 2), tmp_path / "deeper")
    deeper = load_backend(tmp_path / "deeper", backend="torch", precision=precision)
    longer = len(count_steps(deeper, [PIANO], guidance=3.0, frames=4)[-1])
    layer = (longer - len(guided[-1])) // 2
    assert layer <= OPERATORS_OF_A_LAYER[precision]
    assert len(guided[-1]) - LAYERS * layer <= OPERATORS_AROUND_THE_LAYERS[precision]


def test_eight_takes_ask_for_as_many_operators_as_one(
    backend: MusicBackend, guided: list[list[Operator]]
) -> None:
    eight = count_steps(backend, [PIANO] * 8, guidance=3.0, frames=4)
    assert len(eight[-1]) == len(guided[-1])


def test_the_weights_read_in_a_step_are_those_that_the_benchmark_counts(
    guided: list[list[Operator]], precision: str
) -> None:
    config = tiny_shapes().decoder
    nothing_past = Load(streams=2, texts=1, text_tokens=0, past_steps=0)
    expected = step_bytes(config, "torch", precision, 0, nothing_past)
    read = sum(product.weight_bytes for product in products(guided[-1], guided[-2]))
    assert expected == read
    if precision == "float32":
        assert read == NUMBER_BYTES * weight_numbers(config, with_text=True)


def test_the_null_stream_goes_around_the_text(backend: MusicBackend) -> None:
    takes = 4
    steps = count_steps(backend, [PIANO] * takes, guidance=3.0, frames=4)
    rows = [product.rows for product in products(steps[-1], steps[-2])]
    # Query and output of the attention to the text; qkv, output, two of the feed-forward layer.
    assert sorted(rows) == [takes] * 2 * LAYERS + [2 * takes] * (4 * LAYERS + 1)


@pytest.mark.parametrize(
    ("condition", "guidance", "products_of_a_layer"),
    [(PIANO, 1.0, 6), (Condition(), 3.0, 4), (Condition(), 1.0, 4)],
    ids=["unguided", "without a prompt", "neither"],
)
def test_one_stream_runs_where_one_will_do(
    backend: MusicBackend, condition: Condition, guidance: float, products_of_a_layer: int
) -> None:
    takes = 4
    steps = count_steps(backend, [condition] * takes, guidance=guidance, frames=4)
    rows = [product.rows for product in products(steps[-1], steps[-2])]
    assert rows == [takes] * (products_of_a_layer * LAYERS + 1)


def test_a_text_is_read_once_however_many_takes_and_steps(backend: MusicBackend) -> None:
    """Its keys and values are made before the first step, in one product for each layer."""
    other = Condition(text="upright bass")
    for conditions, texts in (([PIANO] * 3, 1), ([PIANO, other, PIANO], 2)):
        one, again = (count_steps(backend, conditions, guidance=3.0, frames=4) for _ in range(2))
        before = [product.rows for product in products(one[0], again[0])]
        assert before.count(TEXT_BLOCK) == texts * LAYERS
        for step, same_step in zip(one[1:], again[1:], strict=True):
            rows = [product.rows for product in products(step, same_step)]
            assert max(rows) == 2 * len(conditions)


def test_other_kinds_of_models_do_not_grow_either(tmp_path: Path) -> None:
    for kind, channels in (("text", 2), ("melody", 1), ("nothing", 1)):
        folder = tmp_path / f"{kind}-{channels}"
        write_random_bundle(tiny_shapes(kind, channels=channels), folder)
        backend = load_backend(folder, backend="torch", precision="float32")
        condition = Condition(
            text="" if kind == "nothing" else "warm piano",
            melody=np.zeros(11, dtype=np.int8) if kind == "melody" else None,
        )
        steps = count_steps(backend, [condition], guidance=3.0, frames=20)
        for early, late in pairwise(steps[1:]):
            assert len(early) == len(late)
            assert new_bytes(late) - new_bytes(early) <= SCORES * HEADS * 2 * LAYERS * NUMBER_BYTES

"""The decoder does no more work in a step than it has to.

These are counts, not times: they fail on any machine when the loop begins to copy its memory, to
read a text again, to call for each layer, or to run a stream too many. Bounds are what the loop
needs now; when it needs less, lower them.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from studio.benchmark.random_bundle import write_random_bundle
from studio.benchmark.traffic import Load, past_bytes, step_bytes, table_bytes, weight_bytes
from studio.models.backend import Condition, MusicBackend
from studio.models.native_backend import backend as native
from studio.models.selection import PRECISIONS, load_backend
from tests.benchmark.conftest import tiny_shapes
from tests.benchmark.counting import PASS, Step, count_steps, measure_memory

PIANO = Condition(text="warm piano")
OTHER = Condition(text="upright bass")
CONFIG = tiny_shapes().decoder
FRAMES = 70  # more than one panel of keys
LATEST = 3
"""Steps that the last codebook trails the first; they all belong to the first frame."""

# What Python calls in a step, by one thread: the rows, all layers at once, the codes.
CALLS = {"embed": 1, PASS: 1, "pick": 1}
# Phases of a layer: norm and product, attention, product, each once for the past and once for a
# text; then the two products of the feed-forward network. One more for the output layer.
PHASES_OF_A_LAYER = {"with a text": 8, "without": 5}
PHASES_AROUND_THE_LAYERS = 1
# New memory at once in a step: the logits, and small arrays of rows, codes and places with what
# Python needs to hold them. One layer's keys of one stream would take more.
NEW_BYTES = {"for each row": 4 * CONFIG.codebooks * CONFIG.vocabulary, "besides": 3_000}
# What a step leaves behind, in the mean: less than any array, the numbers counted here included.
KEPT = {"bytes": 64, "blocks": 2}


@pytest.fixture(scope="module", params=PRECISIONS)
def precision(request: pytest.FixtureRequest) -> str:
    """Every precision that the native backend offers."""
    return str(request.param)


@pytest.fixture(scope="module")
def backend(tiny_folder: Path, precision: str) -> MusicBackend:
    return load_backend(tiny_folder, backend="native", precision=precision)


@pytest.fixture(scope="module")
def guided(backend: MusicBackend) -> list[Step]:
    return count_steps(backend, [PIANO], guidance=3.0, frames=FRAMES)


def test_a_step_is_three_calls_however_late_it_is(guided: list[Step]) -> None:
    for step in guided[1:]:
        assert step.calls == Counter(CALLS)


def test_more_layers_and_more_takes_are_no_more_calls(
    precision: str, backend: MusicBackend, tmp_path: Path
) -> None:
    write_random_bundle(tiny_shapes(layers=CONFIG.layers + 2), tmp_path / "deeper")
    deeper = load_backend(tmp_path / "deeper", backend="native", precision=precision)
    for steps in (
        count_steps(deeper, [PIANO], guidance=3.0, frames=3),
        count_steps(backend, [PIANO, OTHER] * 4, guidance=3.0, frames=3),
    ):
        assert steps[-1].calls == Counter(CALLS)


def test_a_text_is_read_once_however_many_takes_and_steps(backend: MusicBackend) -> None:
    """Its keys and values are made before the first step, and never again."""
    for conditions, texts in (([PIANO] * 3, 1), ([PIANO, OTHER, PIANO], 2)):
        first, *others = count_steps(backend, conditions, guidance=3.0, frames=4)
        assert first.calls["read_text"] == texts
        assert all("read_text" not in step.calls for step in others)


def test_everything_that_lasts_stays_where_it_is(guided: list[Step]) -> None:
    """Weights, keys and values, those of the texts, and the rooms that threads compute in."""
    begin = guided[0].passes[0].lasting()
    for step in guided:
        for each in step.passes:
            assert each.lasting() == begin


def test_a_step_asks_for_no_memory_but_its_logits(backend: MusicBackend) -> None:
    for takes in (1, 4):
        steps = measure_memory(backend, [PIANO] * takes, guidance=3.0, frames=FRAMES)
        allowed = 2 * takes * NEW_BYTES["for each row"] + NEW_BYTES["besides"]
        assert max(step.peak_bytes for step in steps[1:]) <= allowed
        assert np.mean([step.kept_bytes for step in steps[1:]]) <= KEPT["bytes"]
        assert np.mean([step.kept_blocks for step in steps[1:]]) <= KEPT["blocks"]
    assert 2 * NEW_BYTES["for each row"] + NEW_BYTES["besides"] < 2 * CONFIG.dim * FRAMES


@pytest.mark.parametrize(
    ("condition", "guidance", "streams", "kind"),
    [
        (PIANO, 3.0, 2, "with a text"),
        (PIANO, 1.0, 1, "with a text"),
        (Condition(), 3.0, 1, "without"),
        (Condition(negative="hiss"), 3.0, 2, "with a text"),
    ],
    ids=["guided", "unguided", "without a prompt", "negative"],
)
def test_one_thread_does_each_product_in_one_piece(
    backend: MusicBackend, condition: Condition, guidance: float, streams: int, kind: str
) -> None:
    """Attention is one piece for each head of each row; the null stream attends to no text."""
    takes = 4
    steps = count_steps(backend, [condition] * takes, guidance=guidance, frames=4)
    rows, looks = takes * streams, takes * CONFIG.heads
    text = [1, looks, 1] if kind == "with a text" else []
    layer = [1, rows * CONFIG.heads, 1, *text, 1, 1]
    assert len(layer) == PHASES_OF_A_LAYER[kind]
    expected = layer * CONFIG.layers + [1] * PHASES_AROUND_THE_LAYERS
    assert steps[-1].pieces == expected
    assert steps[-1].claims == [pieces + 1 for pieces in expected]
    assert [len(each.places) for each in steps[-1].passes] == [rows]


def test_two_threads_share_the_pieces_of_the_same_phases(
    tiny_folder: Path, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "threads_for", lambda parameters, streams: 2)
    backend = load_backend(tiny_folder, backend="native", precision=precision)
    steps = count_steps(backend, [PIANO], guidance=3.0, frames=4)
    assert steps[-1].calls == Counter(CALLS | {PASS: 2})
    phases = CONFIG.layers * PHASES_OF_A_LAYER["with a text"] + PHASES_AROUND_THE_LAYERS
    assert len(steps[-1].pieces) == phases
    for pieces, claims in zip(steps[-1].pieces, steps[-1].claims, strict=True):
        assert pieces <= claims <= pieces + 2
    # 6, 2 and 8 panels, and 4 of the output layer: no more than four pieces for each thread.
    assert max(steps[-1].pieces) <= 4 * 2


def test_what_is_handed_to_a_step_is_what_the_benchmark_counts(
    backend: MusicBackend, guided: list[Step], precision: str
) -> None:
    cache_bytes = backend.info.cache_bytes
    text_tokens = len(PIANO.text.split()) + 1
    for number, step in enumerate(guided[1:], start=LATEST + 2):
        (one,) = step.passes
        assert one.weight_bytes == weight_bytes(CONFIG, "native", precision, with_text=True)
        assert one.past_bytes == 2 * past_bytes(CONFIG, "native", cache_bytes, number)
        assert one.text_bytes == past_bytes(CONFIG, "native", cache_bytes, text_tokens)
        load = Load(
            streams=2, attending=1, texts=1, text_tokens=text_tokens, past=range(number, number + 1)
        )
        handed = one.weight_bytes + one.past_bytes + one.text_bytes
        tables = table_bytes(CONFIG, "native", precision, load)
        assert step_bytes(CONFIG, "native", precision, cache_bytes, load) == handed + tables
        assert tables < 0.1 * handed


def test_takes_under_one_text_share_it(backend: MusicBackend) -> None:
    cache_bytes = backend.info.cache_bytes
    for conditions, texts in (([PIANO] * 4, 1), ([PIANO, OTHER], 2)):
        (one,) = count_steps(backend, conditions, guidance=3.0, frames=4)[-1].passes
        assert one.text_bytes == texts * past_bytes(CONFIG, "native", cache_bytes, 3)


def test_a_prompt_that_nobody_gave_costs_no_weights(backend: MusicBackend, precision: str) -> None:
    (one,) = count_steps(backend, [Condition()], guidance=3.0, frames=4)[-1].passes
    assert one.weight_bytes == weight_bytes(CONFIG, "native", precision, with_text=False)
    assert one.text_bytes == 0


def test_other_kinds_of_models_do_no_more(tmp_path: Path) -> None:
    for kind, channels in (("text", 2), ("melody", 1), ("nothing", 1)):
        folder = tmp_path / f"{kind}-{channels}"
        write_random_bundle(tiny_shapes(kind, channels=channels), folder)
        backend = load_backend(folder, backend="native", precision="float32")
        condition = Condition(
            text="" if kind == "nothing" else "warm piano",
            melody=np.zeros(11, dtype=np.int8) if kind == "melody" else None,
        )
        steps = count_steps(backend, [condition], guidance=3.0, frames=6)
        phases = PHASES_OF_A_LAYER["with a text" if kind == "text" else "without"]
        for step in steps[1:]:
            assert step.calls == Counter(CALLS)
            assert len(step.pieces) == CONFIG.layers * phases + PHASES_AROUND_THE_LAYERS

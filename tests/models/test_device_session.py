"""Steps that a device makes ahead of the host, on the CPU and on a CUDA device that it plays."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from studio.core.errors import ModelError
from studio.models.backend import Condition, Sampling
from studio.models.bundle import open_bundle
from studio.models.language_config import DecoderConfig
from studio.models.streams import Stream
from studio.models.torch_backend import device_language
from studio.models.torch_backend.device_decoder import DeviceDecoder
from studio.models.torch_backend.device_language import DeviceLanguage
from studio.models.torch_backend.device_session import (
    DeviceSession,
    Rows,
    SessionShape,
    open_grid,
)
from studio.models.torch_backend.loading import Networks, load_networks
from studio.models.torch_backend.step_graph import CudaLane, Lane, PlainLane, StepGraph, open_lane
from studio.models.torch_backend.transformer import MusicDecoder
from tests.models.device_doubles import WAITING, Event, Graph, Watch, cuda_lane
from tests.models.reference import PROMPT, SHORT_PROMPT, VOCABULARY, Reference, under

__all__ = ["cuda_lane"]
CPU = torch.device("cpu")
BUCKET = 16
SAMPLING = Sampling(top_k=12, guidance=2.0)
RULES = [
    Sampling(top_k=1, guidance=3.0),
    SAMPLING,
    Sampling(top_k=0, guidance=1.0, temperature=0.7),
    Sampling(top_p=0.8, guidance=4.0),
]
Loaded = Callable[[str], Networks]


@pytest.fixture(scope="module")
def loaded(oracle: Callable[[str], Reference]) -> Loaded:
    @cache
    def networks(name: str) -> Networks:
        return load_networks(open_bundle(oracle(name).folder), None, CPU)

    return networks


def _conditions(name: str) -> list[Condition]:
    """Of unequal length, so that melody models begin at different places."""
    if name == "unconditional":
        return [Condition()] * 3
    melody = np.arange(5, dtype=np.int8) if "melody" in name else None
    return [
        Condition(text=text, negative=negative, melody=melody)
        for text, negative in ((PROMPT, "hat"), (SHORT_PROMPT, ""), ("", ""))
    ]


def _language(networks: Networks, lane: Lane | None = None) -> DeviceLanguage:
    return DeviceLanguage(networks.decoder, lane=lane or PlainLane(CPU), bucket=BUCKET)


def _steps(
    language: DeviceLanguage, networks: Networks, conditions: list[Condition], **options: Any
) -> Any:
    takes, sampling = len(conditions), options.get("sampling", SAMPLING)
    known = np.zeros((takes, networks.decoder.config.codebooks, 0), dtype=np.int64)
    options = {
        "prefix": known,
        "frames": 2 * BUCKET + 5,
        "seeds": list(range(7, 7 + takes)),
        "sampling": sampling,
        "first_step": 3,
        "closed": False,
        **options,
    }
    plans = networks.conditioner.streams(conditions, guidance=sampling.guidance)
    return language.frames(plans, **options)


def _codes(*arguments: Any, **options: Any) -> NDArray[np.int64]:
    return np.stack(list(_steps(*arguments, **options)), axis=-1)


@pytest.mark.parametrize("name", ["mono", "stereo", "melody", "unconditional"])
@pytest.mark.parametrize("sampling", RULES, ids=["greedy", "top-k", "all", "nucleus"])
def test_replayed_steps_make_the_codes_of_plain_ones(
    loaded: Loaded, cuda_lane: CudaLane, name: str, sampling: Sampling
) -> None:
    """Three takes after another, over several lengths of attention and blocks of noise."""
    networks = loaded(name)
    plain, replayed = _language(networks), _language(networks, cuda_lane)
    random = np.random.default_rng(0)
    for turn, known in enumerate((9, 0, 4)):
        prefix = random.integers(0, VOCABULARY, (3, networks.decoder.config.codebooks, known))
        options: dict[str, Any] = {
            "sampling": sampling,
            "prefix": prefix,
            "frames": 75,
            "seeds": [turn, 2, 3],
            "first_step": 100 * turn,
        }
        expected = _codes(plain, networks, _conditions(name), **options)
        codes = _codes(replayed, networks, _conditions(name), **options)
        np.testing.assert_array_equal(codes, expected)
        if turn == 0:
            recorded = Graph.made
    # One a length of attention, and one that draws.
    assert Graph.made == recorded > 4


def test_numbers_of_the_sampling_are_not_recorded(loaded: Loaded, cuda_lane: CudaLane) -> None:
    networks = loaded("mono")
    plain, replayed = _language(networks), _language(networks, cuda_lane)
    made = []
    for guidance, temperature in ((2.0, 1.0), (5.0, 0.6)):
        sampling = Sampling(top_k=12, guidance=guidance, temperature=temperature)
        expected = _codes(plain, networks, under(PROMPT), sampling=sampling)
        codes = _codes(replayed, networks, under(PROMPT), sampling=sampling)
        np.testing.assert_array_equal(codes, expected)
        made.append(Graph.made)
    assert made[0] == made[1]


@pytest.mark.parametrize("longest", [1, 3, 4])
@pytest.mark.parametrize("ahead", [0, 1, 2])
@pytest.mark.parametrize("frames", [1, 2, 30])
def test_blocks_change_no_frame(loaded: Loaded, longest: int, ahead: int, frames: int) -> None:
    networks = loaded("stereo")
    lane = PlainLane(CPU, longest_block=longest, ahead=ahead, draws=True)
    options: dict[str, Any] = {"frames": frames, "closed": True}
    expected = _codes(_language(networks), networks, _conditions("stereo"), **options)
    assert expected.shape == (3, 8, frames)
    codes = _codes(_language(networks, lane), networks, _conditions("stereo"), **options)
    np.testing.assert_array_equal(codes, expected)


def test_the_host_waits_once_a_block_and_is_at_most_eight_frames_behind(
    loaded: Loaded, cuda_lane: CudaLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    advance = DeviceSession.advance
    monkeypatch.setattr(
        DeviceSession, "advance", lambda session: (asked.append(1), advance(session))[1]
    )
    networks, frames = loaded("mono"), 100
    steps = _steps(_language(networks, cuda_lane), networks, under(PROMPT), frames=frames)
    behind, fill = [], networks.decoder.config.codebooks - 1
    for made, _ in enumerate(steps, 1):
        behind.append(len(asked) - fill - made)
    assert behind[0] <= 1
    assert max(behind) <= 2 * cuda_lane.longest_block - 1 <= 8
    assert len(asked) == frames + fill
    assert Event.waits <= len(asked) / cuda_lane.longest_block + 4


@pytest.mark.parametrize("name", ["mono", "melody", "unconditional"])
@pytest.mark.parametrize("sampling", RULES, ids=["greedy", "top-k", "all", "nucleus"])
def test_a_step_asks_for_no_number_and_for_the_same_as_the_one_before(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, name: str, sampling: Sampling
) -> None:
    seen: list[list[tuple[str, tuple[tuple[int, ...], ...]]]] = []
    advance = DeviceSession.advance

    def watched(session: DeviceSession) -> None:
        with Watch() as watch:
            advance(session)
        seen.append(watch.seen)

    monkeypatch.setattr(DeviceSession, "advance", watched)
    networks = loaded(name)
    lane = PlainLane(CPU, draws=True)
    _codes(_language(networks, lane), networks, _conditions(name), sampling=sampling, frames=45)
    operators = {operator for step in seen for operator, _ in step}
    assert not [each for each in operators if any(word in each for word in WAITING)]
    # One kind of step a length of attention, and one that draws a block of noise first.
    kinds = {tuple(step) for step in seen}
    drawing = 0 if sampling.greedy else 1
    assert len(kinds) <= -(-(45 + 3 + 20) // BUCKET) + drawing


def _session(decoder: MusicDecoder, device: torch.device, sampling: Sampling) -> DeviceSession:
    """In the middle of two guided takes."""
    plans = [(Stream(text=torch.randn(5, decoder.config.dim)), Stream())] * 2
    rows = Rows.of(plans)
    shape = SessionShape.of(rows, sampling, decoder.config.vocabulary)
    session = DeviceSession(
        DeviceDecoder(decoder), PlainLane(device, draws=True), shape, cells=40, bucket=BUCKET
    )
    prefix = np.zeros((2, decoder.config.codebooks, 6), dtype=np.int64)
    grid = open_grid(prefix, 20, decoder.config, closed=False)
    session.begin(rows, grid, known=6, sampling=sampling, seeds=[1, 2], step=6)
    return session


@pytest.mark.parametrize("sampling", RULES[:2], ids=["greedy", "top-k"])
def test_a_step_runs_where_there_are_no_numbers(loaded: Loaded, sampling: Sampling) -> None:
    """On the meta device only shapes are known, and nothing may lie on another device."""
    import copy

    decoder = copy.deepcopy(loaded("mono").decoder).to("meta")
    session = _session(decoder, torch.device("meta"), sampling)
    with torch.no_grad():
        for _ in range(20):
            session.advance()


def test_attention_costs_what_the_used_length_costs(loaded: Loaded) -> None:
    session = _session(loaded("mono").decoder, CPU, SAMPLING)
    longest = []
    with torch.no_grad():
        for _ in range(20):
            with Watch() as watch:
                session.advance()
            names = [
                shape
                for name, shapes in watch.seen
                if "slice" in name
                for shape in shapes
                if len(shape) == 4 and shape[2] in (BUCKET, 2 * BUCKET, 3 * BUCKET)
            ]
            longest.append(max(shape[2] for shape in names))
    assert longest == [BUCKET] * 10 + [2 * BUCKET] * 10


@pytest.mark.parametrize(("name", "most"), [("text", 14), ("null", 9)])
def test_a_layer_asks_for_few_operators(name: str, most: int) -> None:
    """These are counts of what a device is asked for; where they can be lower, lower them."""
    counts = []
    for layers in (1, 4):
        config = DecoderConfig(
            codebooks=4, vocabulary=30, dim=32, layers=layers, heads=2, ffn_dim=40
        )
        decoder = MusicDecoder(config).requires_grad_(False)
        plan = [Stream(text=torch.ones(5, 32)), Stream()] if name == "text" else [Stream()]
        rows = Rows.of([plan])
        shape = SessionShape.of(rows, SAMPLING, 30)
        session = DeviceSession(DeviceDecoder(decoder), PlainLane(CPU), shape, cells=9)
        grid = open_grid(np.zeros((1, 4, 0), dtype=np.int64), 5, config, closed=False)
        session.begin(rows, grid, known=0, sampling=SAMPLING, seeds=[1], step=0)
        with torch.no_grad(), Watch() as watch:
            session.advance()
        counts.append(watch.launches)
    layer, rest = divmod(counts[1] - counts[0], 3)
    assert (layer, rest) == (most, 0)
    assert counts[0] - layer <= 36


def test_takes_that_are_made_in_turns_do_not_meet(loaded: Loaded, cuda_lane: CudaLane) -> None:
    networks = loaded("mono")
    language = _language(networks, cuda_lane)
    alone = [_codes(_language(networks), networks, under(PROMPT), seeds=[seed]) for seed in (1, 2)]
    both = [_steps(language, networks, under(PROMPT), seeds=[seed]) for seed in (1, 2)]
    frames = list(zip(*both, strict=True))
    for take in range(2):
        made = np.stack([frame[take] for frame in frames], axis=-1)
        np.testing.assert_array_equal(made, alone[take])


def test_a_take_that_is_left_leaves_its_graphs_to_the_next(
    loaded: Loaded, cuda_lane: CudaLane
) -> None:
    networks = loaded("mono")
    language = _language(networks, cuda_lane)
    steps = _steps(language, networks, under(PROMPT))
    assert len(list(islice(steps, 5))) == 5
    steps.close()
    made = Graph.made
    again = list(islice(_steps(language, networks, under(SHORT_PROMPT)), 5))
    assert Graph.made == made
    expected = _codes(_language(networks), networks, under(SHORT_PROMPT))
    np.testing.assert_array_equal(np.stack(again, axis=-1), expected[..., :5])


def test_steps_that_cannot_be_recorded_are_made_one_by_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    done: list[int] = []

    class Refusing:
        def __init__(self, graph: object) -> None: ...

        def __enter__(self) -> None:
            raise RuntimeError("operation not permitted\nwhen stream is capturing")

        def __exit__(self, *error: object) -> None: ...

    step = StepGraph(lambda: done.append(1), Refusing)
    for _ in range(3):
        step()
    assert len(done) == 3
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "not permitted when stream" in caplog.text


def test_too_many_takes_for_the_memory_are_refused_in_one_line(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*arguments: object, **options: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate")

    monkeypatch.setattr(device_language, "DeviceSession", none_left)
    networks = loaded("mono")
    steps = _steps(_language(networks), networks, under(PROMPT, "hat"))
    with pytest.raises(ModelError, match="not enough memory for this model and 2 takes") as caught:
        next(steps)
    assert "\n" not in caught.value.user_message


def test_memory_of_other_shapes_is_given_up_for_a_new_one(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = loaded("mono")
    language = _language(networks)
    _codes(language, networks, under(PROMPT))
    refused: list[int] = []

    def at_first_none_left(*arguments: Any, **options: Any) -> DeviceSession:
        if not refused:
            refused.append(1)
            raise torch.OutOfMemoryError
        return DeviceSession(*arguments, **options)

    monkeypatch.setattr(device_language, "DeviceSession", at_first_none_left)
    codes = _codes(language, networks, under(PROMPT, "hat"))
    assert refused
    assert codes.shape[0] == 2


def test_the_cpu_makes_no_step_before_it_is_asked_for() -> None:
    lane = open_lane(CPU)
    assert (lane.longest_block, lane.ahead, lane.draws) == (1, 0, False)
    assert open_lane(torch.device("mps")).ahead == 0

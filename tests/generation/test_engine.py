from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.audio.clip import AudioClip
from studio.core.errors import CancelledError, EngineError, InputError, ModelError
from studio.editing.loops import seam_step
from studio.generation.engine import Adapters, Engine, ModelLoader
from studio.generation.loading import LoadedModel
from studio.generation.request import Chunk, GenerationRequest, Take
from studio.generation.revision import extended, regenerated
from studio.models.codes import CodeSequence
from tests.generation.conftest import ToneBackend


@pytest.fixture
def engine(plain_model: LoadedModel) -> Engine:
    return Engine(lambda name, precision=None, adapters=(): plain_model)


@pytest.fixture
def grid_engine(grid_model: LoadedModel) -> Engine:
    return Engine(lambda name, precision=None, adapters=(): grid_model)


def request(**values: Any) -> GenerationRequest:
    return GenerationRequest(**{"prompt": "dark break", "seed": 7, **values})


def test_the_sound_is_that_of_the_codes(engine: Engine) -> None:
    take = engine.generate(request(max_steps=70))
    assert take.codes.shape == (4, 70)
    assert np.array_equal(take.clip.samples, engine.decode("tone", take.codes[None])[0])


def test_bars_at_any_tempo_are_exact_to_the_sample(grid_engine: Engine) -> None:
    for tempo_bpm in (60.0, 97.3, 174.0, 187.5, 200.0):
        take = grid_engine.generate(request(tempo_bpm=tempo_bpm, bars=2))
        assert take.clip.frames == round(2 * 240 / tempo_bpm * 8000)
        assert (take.tempo_bpm, take.bars) == (tempo_bpm, 2)


def test_pitch_stays_true_when_the_tempo_is_reached_by_stretching(grid_engine: Engine) -> None:
    take = grid_engine.generate(request(tempo_bpm=174.0, bars=4))
    spectrum = np.abs(np.fft.rfft(take.clip.samples[0] * np.hanning(take.clip.frames)))
    assert abs(np.argmax(spectrum) * 8000 / take.clip.frames - 440) < 3


def test_a_loop_runs_on_over_its_seam(grid_engine: Engine) -> None:
    for seed in range(4):
        take = grid_engine.generate(request(tempo_bpm=174.0, bars=2, seed=seed))
        assert seam_step(take.clip.samples) < 5


def test_chunks_follow_without_a_gap_and_are_the_take(engine: Engine) -> None:
    chunks: list[Chunk] = []
    take = engine.generate(request(duration_seconds=3.21), chunks.append)
    ends = np.cumsum([0] + [chunk.samples.shape[1] for chunk in chunks])
    assert [chunk.start_frame for chunk in chunks] == ends[:-1].tolist()
    assert np.array_equal(
        np.concatenate([chunk.samples for chunk in chunks], axis=1), take.clip.samples
    )
    assert [chunk.done_steps for chunk in chunks] == [12, 28, 48, 73, 98, 123, 148, 161]
    assert {chunk.total_steps for chunk in chunks} == {161}


def test_the_chunks_of_a_loop_differ_from_it_only_in_the_seam(grid_engine: Engine) -> None:
    chunks: list[Chunk] = []
    take = grid_engine.generate(request(tempo_bpm=150.0, bars=2), chunks.append)
    heard = np.concatenate([chunk.samples for chunk in chunks], axis=1)
    assert heard.shape == take.clip.samples.shape
    seam_frames = round(0.010 * 8000)
    assert np.array_equal(heard[:, seam_frames:], take.clip.samples[:, seam_frames:])


def test_the_first_sound_comes_after_a_quarter_of_a_second_of_codes(engine: Engine) -> None:
    stream = engine.stream(request(max_steps=100))
    first = next(stream)
    assert first.done_steps <= 12
    assert first.samples.shape[1] > 0
    stream.close()


def test_the_same_request_gives_the_same_take(grid_engine: Engine) -> None:
    one = grid_engine.generate(request(tempo_bpm=174.0, bars=1))
    again = grid_engine.generate(request(tempo_bpm=174.0, bars=1))
    other = grid_engine.generate(request(tempo_bpm=174.0, bars=1, seed=8))
    assert np.array_equal(one.codes, again.codes)
    assert np.array_equal(one.clip.samples, again.clip.samples)
    assert not np.array_equal(one.codes, other.codes)


def test_the_recipe_alone_makes_the_same_take_again(grid_engine: Engine) -> None:
    take = grid_engine.generate(request(prompt="jungle in A minor"))
    recipe = GenerationRequest.from_json(take.request.to_json())
    again = grid_engine.generate(recipe)
    assert again.request == take.request
    assert np.array_equal(again.clip.samples, take.clip.samples)
    assert take.key == "Am"


def test_windows_join_into_the_codes_of_one_long_take(engine: Engine, backend: ToneBackend) -> None:
    take = engine.generate(request(max_steps=333))
    expected = backend.codes("dark break", 7, 333)
    assert len(backend.calls) > 3
    assert np.array_equal(take.codes, expected)
    for call in backend.calls[1:]:
        known = expected[:, call["first_step"] :][:, : call["prefix"].shape[2]]
        assert np.array_equal(call["prefix"][0], known)


def test_codes_are_those_of_the_take(grid_engine: Engine) -> None:
    asked = request(tempo_bpm=174.0, bars=1)
    (codes,) = grid_engine.codes([asked])
    assert np.array_equal(codes, grid_engine.generate(asked).codes)


def test_a_loud_sound_is_bent_under_full_scale(
    plain_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = plain_model.backend
    stream_of = backend.decoder_stream

    class Loud:
        def __init__(self) -> None:
            self._stream = stream_of()

        def push(self, codes: np.ndarray) -> np.ndarray:
            return self._stream.push(codes) * np.float32(9)

        def finish(self) -> np.ndarray:
            return self._stream.finish() * np.float32(9)

    monkeypatch.setattr(backend, "decoder_stream", Loud)
    take = Engine(lambda name, precision=None, adapters=(): plain_model).generate(
        request(max_steps=60)
    )
    assert 0.9 < np.abs(take.clip.samples).max() <= 0.98


def test_cancelling_stops_before_the_next_step(engine: Engine, backend: ToneBackend) -> None:
    with pytest.raises(CancelledError):
        engine.generate(request(max_steps=90), cancelled=lambda: backend.frames_made >= 20)
    assert backend.frames_made == 20


def test_a_model_is_loaded_once_and_replaced_by_another(plain_model: LoadedModel) -> None:
    loaded: list[str] = []

    def load(name: str, *, precision: str | None = None, adapters: Adapters = ()) -> LoadedModel:
        loaded.append(name)
        return plain_model

    engine = Engine(load)
    for name in ("a", "a", "b", "b", "a"):
        engine.generate(request(model=name, max_steps=2))
    assert loaded == ["a", "b", "a"]


def test_a_precision_is_loaded_when_it_is_asked_for_and_kept_in_the_recipe(
    backend: ToneBackend,
) -> None:
    asked: list[str | None] = []

    def load(name: str, *, precision: str | None = None, adapters: Adapters = ()) -> LoadedModel:
        asked.append(precision)
        backend.info = replace(backend.info, precision=precision or "float32")
        return LoadedModel(backend=backend)

    engine = Engine(load)
    for precision in (None, "float32", "int8", "int8", None):
        take = engine.generate(request(max_steps=2, precision=precision))
        assert take.request.precision == (precision or "float32")
    assert asked == [None, "int8", None]
    assert engine.is_loaded("house", "float32")
    assert not engine.is_loaded("house", "int8")
    engine.warm_up("house", "bfloat16")
    assert asked[-1] == "bfloat16"
    assert engine.info("house").precision == "bfloat16"
    with pytest.raises(InputError, match="precision must be one of float32"):
        engine.generate(request(precision="int3"))


def test_other_adapters_are_another_model_and_those_of_no_strength_are_none(
    plain_model: LoadedModel,
) -> None:
    asked: list[Adapters] = []

    def load(name: str, *, precision: str | None = None, adapters: Adapters = ()) -> LoadedModel:
        asked.append(adapters)
        return plain_model

    engine = Engine(load)
    uses: list[Adapters] = [
        (),
        (("a", 0.0),),
        (("a", 1.0),),
        (("a", 1.0), ("b", 0.0)),
        (("a", 2.0),),
    ]
    for adapters in uses:
        take = engine.generate(request(max_steps=2, adapters=adapters))
        assert take.request.adapters == adapters
    assert asked == [(), (("a", 1.0),), (("a", 2.0),)]
    assert engine.is_loaded("house", None, (("a", 2.0),))
    assert not engine.is_loaded("house", None)
    engine.warm_up("house", adapters=(("b", 1.0),))
    assert asked[-1] == (("b", 1.0),)


def test_takes_with_other_adapters_are_not_made_together(plain_model: LoadedModel) -> None:
    asked: list[Adapters] = []

    def load(name: str, *, precision: str | None = None, adapters: Adapters = ()) -> LoadedModel:
        asked.append(adapters)
        return plain_model

    first, second = request(max_steps=4, adapters=(("a", 1.0),)), request(max_steps=4)
    takes = Engine(load).generate_many([first, first.with_seed(2), second])
    assert [take.request.adapters for take in takes] == [(("a", 1.0),)] * 2 + [()]
    assert asked == [(("a", 1.0),), ()]


def test_a_recipe_names_a_model_folder_in_full(
    plain_model: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("bundle", "house"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    engine = Engine(lambda name, precision=None, adapters=(): plain_model)
    assert engine.generate(request(model="./bundle", max_steps=2)).request.model == str(
        tmp_path / "bundle"
    )
    assert engine.is_loaded("bundle", None)
    assert engine.generate(request(model="house", max_steps=2)).request.model == "house"


def test_an_impossible_request_is_refused_before_the_model_is_loaded() -> None:
    def load(name: str, *, precision: str | None = None, adapters: Adapters = ()) -> LoadedModel:
        raise AssertionError("not to be loaded")

    with pytest.raises(InputError, match="tempo"):
        Engine(load).generate(request(tempo_bpm=1000.0))


def test_too_little_memory_is_said_in_one_line(
    plain_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory() -> object:
        raise MemoryError

    monkeypatch.setattr(plain_model.backend, "decoder_stream", no_memory)
    with pytest.raises(EngineError, match="not enough memory"):
        Engine(lambda name, precision=None, adapters=(): plain_model).generate(request(max_steps=2))


def test_sound_that_is_no_number_is_refused(
    plain_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def push(self, codes: np.ndarray) -> np.ndarray:
            return np.full((1, 160), np.nan, dtype=np.float32)

        def finish(self) -> np.ndarray:
            return np.zeros((1, 0), dtype=np.float32)

    monkeypatch.setattr(plain_model.backend, "decoder_stream", Broken)
    with pytest.raises(ModelError, match="not made of numbers"):
        Engine(lambda name, precision=None, adapters=(): plain_model).generate(
            request(max_steps=20)
        )


@pytest.mark.parametrize(
    "codes",
    [
        np.zeros((4, 3), dtype=np.int64),
        np.zeros((1, 3, 3), dtype=np.int64),
        np.zeros((1, 4, 0), dtype=np.int64),
        np.full((1, 4, 3), 64),
        np.full((1, 4, 3), -1),
        np.zeros((1, 4, 3)),
    ],
)
def test_codes_that_do_not_fit_are_refused(engine: Engine, codes: np.ndarray) -> None:
    with pytest.raises(InputError, match="codes"):
        engine.decode("tone", codes)


def test_fillers_belong_into_logits_only(engine: Engine) -> None:
    grid = np.full((2, 4, 3), 64)
    assert engine.logits("tone", grid, ["a", "b"]).shape == (2, 4, 3, 64)
    with pytest.raises(InputError, match="one text for each"):
        engine.logits("tone", grid, ["a"])


@pytest.mark.parametrize("shape", [(1, 2, 100), (1, 1, 0), (1, 100)])
def test_sound_that_does_not_fit_is_refused(engine: Engine, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="sound must be"):
        engine.encode("tone", np.zeros(shape, dtype=np.float32))


def test_warming_up_loads_the_model(
    load_plain: ModelLoader,
) -> None:
    engine = Engine(load_plain)
    assert not engine.is_loaded("tone", None)
    engine.warm_up("tone")
    assert engine.is_loaded("tone", None)


def test_many_takes_are_each_as_if_alone(engine: Engine, backend: ToneBackend) -> None:
    requests = [request(prompt=p, seed=s, max_steps=150) for p in ("a", "b") for s in (1, 2, 3)]
    chunks: dict[int, list[Chunk]] = {}
    finished: list[int] = []
    takes = engine.generate_many(
        requests,
        batch=4,
        on_chunk=lambda place, chunk: chunks.setdefault(place, []).append(chunk),
        on_take=lambda place, take: finished.append(place),
    )
    sizes = [len(call["texts"]) for call in backend.calls]
    assert sizes == [4, 4, 2, 2]
    assert finished == list(range(6))
    for place, asked in enumerate(requests):
        alone = engine.generate(asked)
        assert np.array_equal(takes[place].codes, alone.codes)
        assert np.array_equal(takes[place].clip.samples, alone.clip.samples)
        heard = np.concatenate([chunk.samples for chunk in chunks[place]], axis=1)
        assert np.array_equal(heard, alone.clip.samples)


def test_takes_of_different_lengths_or_sampling_do_not_share_steps(
    engine: Engine, backend: ToneBackend
) -> None:
    asked = [request(max_steps=5), request(max_steps=6), request(max_steps=6, top_k=3)]
    engine.generate_many(asked)
    assert [len(call["texts"]) for call in backend.calls] == [1, 1, 1]
    with pytest.raises(InputError, match="batch"):
        engine.generate_many(asked, batch=0)


def test_codes_of_many_takes_are_made_in_batches(engine: Engine, backend: ToneBackend) -> None:
    requests = [request(seed=seed, max_steps=20) for seed in range(5)]
    codes = engine.codes(requests, batch=3)
    assert [len(call["texts"]) for call in backend.calls] == [3, 2]
    for asked, each in zip(requests, codes, strict=True):
        assert np.array_equal(each, engine.generate(asked).codes)


def test_a_batch_keeps_within_its_memory(plain_model: LoadedModel, backend: ToneBackend) -> None:
    backend.info = replace(backend.info, cache_bytes=2**23)
    Engine(lambda name, precision=None, adapters=(): plain_model).generate_many(
        [request(max_steps=60, seed=s) for s in range(5)]
    )
    assert [len(call["texts"]) for call in backend.calls] == [2, 2, 1]


def test_takes_finished_before_a_cancel_are_handed_over(
    engine: Engine, backend: ToneBackend
) -> None:
    kept: list[Take] = []
    with pytest.raises(CancelledError):
        engine.generate_many(
            [request(max_steps=10, seed=seed) for seed in range(4)],
            batch=2,
            on_take=lambda place, take: kept.append(take),
            cancelled=lambda: backend.frames_made >= 15,
        )
    assert [take.request.seed for take in kept] == [0, 1]


def test_only_greedy_takes_end_as_the_reference_does(engine: Engine, backend: ToneBackend) -> None:
    engine.generate(request(max_steps=150))
    engine.generate(request(max_steps=150, top_k=1))
    assert [call["closed"] for call in backend.calls] == [False, False, False, True]


@pytest.mark.parametrize("seconds", [2.5, 7.0])
def test_an_extended_take_goes_on_as_the_longer_one_would_have(
    engine: Engine, seconds: float
) -> None:
    short = engine.generate(request(duration_seconds=seconds))
    longer = extended(
        short.request,
        short.codes,
        model_hash=short.model_hash,
        length_seconds=short.clip.duration_seconds,
        duration_seconds=9.0,
    )
    take = engine.generate(longer)
    whole = engine.generate(request(duration_seconds=9.0))
    assert np.array_equal(take.codes, whole.codes)
    assert np.array_equal(take.clip.samples, whole.clip.samples)


def test_a_loop_is_extended_by_whole_bars(grid_engine: Engine) -> None:
    loop = grid_engine.generate(request(tempo_bpm=174.0, bars=1))
    longer = grid_engine.generate(
        extended(
            loop.request, loop.codes, model_hash=None, length_seconds=loop.clip.duration_seconds
        )
    )
    assert (longer.bars, longer.clip.frames) == (2, round(2 * 240 / 174 * 8000))
    bar_frames = 4 * 16
    assert np.array_equal(longer.codes[:, :bar_frames], loop.codes[:, :bar_frames])
    recipe = GenerationRequest.from_json(longer.request.to_json())
    assert np.array_equal(grid_engine.generate(recipe).codes, longer.codes)


def test_a_part_made_anew_leaves_the_rest_as_it_was(engine: Engine) -> None:
    take = engine.generate(request(duration_seconds=8.0))
    part = regenerated(
        take.request,
        take.codes,
        model_hash=take.model_hash,
        from_seconds=2.0,
        to_seconds=3.0,
        seed=99,
    )
    chunks: list[Chunk] = []
    other = engine.generate(part, chunks.append)
    first, last = 100, 150
    assert np.array_equal(other.codes[:, :first], take.codes[:, :first])
    assert not np.array_equal(other.codes[:, first:last], take.codes[:, first:last])
    assert np.array_equal(other.codes[:, last:], take.codes[:, last:])
    heard = np.concatenate([chunk.samples for chunk in chunks], axis=1)
    assert np.array_equal(heard, other.clip.samples)
    assert {chunk.total_steps for chunk in chunks} == {50}
    assert chunks[-1].done_steps == 50


def test_a_take_begins_with_the_sound_that_it_continues(engine: Engine, tmp_path: Path) -> None:
    sound = AudioClip(samples=np.full((2, 44_100), 0.1, dtype=np.float32), sample_rate=44_100)
    sound.save(tmp_path / "intro.wav")
    asked = request(continue_file=str(tmp_path / "intro.wav"), duration_seconds=3.0)
    take = engine.generate(asked)
    assert take.codes.shape == (4, 150)
    assert not take.codes[:, :50].any()
    (tmp_path / "intro.wav").unlink()
    again = engine.generate(GenerationRequest.from_json(take.request.to_json()))
    assert np.array_equal(again.codes, take.codes)
    assert np.array_equal(
        engine.generate(engine.continued(request(duration_seconds=3.0), sound)).codes, take.codes
    )


def test_only_the_end_of_a_long_sound_is_continued(grid_engine: Engine, tmp_path: Path) -> None:
    sound = AudioClip(samples=np.zeros((1, 80_000), dtype=np.float32), sample_rate=8000)
    sound.save(tmp_path / "long.wav")
    take = grid_engine.generate(
        request(
            continue_file=str(tmp_path / "long.wav"),
            continue_seconds=60 / 174 * 4,
            tempo_bpm=174.0,
            bars=2,
        )
    )
    assert take.request.source is not None
    assert take.request.source.frames == 64


@pytest.mark.parametrize("melody", [None, "0123456789ab" * 20])
def test_a_melody_runs_through_the_windows(
    backend: ToneBackend, plain_model: LoadedModel, melody: str | None
) -> None:
    backend.info = replace(backend.info, has_melody=True)
    Engine(lambda name, precision=None, adapters=(): plain_model).generate(
        request(melody=melody, max_steps=250)
    )
    heard = [call["melody"] for call in backend.calls]
    starts = [call["first_step"] for call in backend.calls]
    if melody is None:
        assert heard == [None] * len(heard)
        return
    for first_frame, line in zip(starts, heard, strict=True):
        assert line[0] == round(first_frame / 50 * 7.8125) % 12


def test_codes_of_another_model_are_refused(engine: Engine) -> None:
    codes = CodeSequence.from_array(np.zeros((4, 4), dtype=int))
    with pytest.raises(InputError, match="has changed since it made the codes"):
        engine.generate(request(source=codes, source_hash="cd" * 32, max_steps=9))
    with pytest.raises(InputError, match="take the model that made them"):
        engine.generate(
            request(source=CodeSequence.from_array(np.zeros((8, 4), dtype=int)), max_steps=9)
        )

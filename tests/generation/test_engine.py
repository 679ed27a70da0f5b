from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from studio.core.errors import CancelledError, EngineError, InputError, ModelError
from studio.editing.loops import seam_step
from studio.generation.engine import Engine
from studio.generation.loading import LoadedModel
from studio.generation.request import Chunk, GenerationRequest


@pytest.fixture
def engine(plain_model: LoadedModel) -> Engine:
    return Engine(lambda name: plain_model)


@pytest.fixture
def grid_engine(grid_model: LoadedModel) -> Engine:
    return Engine(lambda name: grid_model)


def request(**values: object) -> GenerationRequest:
    return GenerationRequest(**{"prompt": "dark break", "seed": 7, **values})  # type: ignore[arg-type]


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


def test_windows_join_into_the_codes_of_one_long_take(
    engine: Engine, plain_model: LoadedModel
) -> None:
    backend = plain_model.backend
    take = engine.generate(request(max_steps=333))
    assert len(backend.calls) > 3  # type: ignore[attr-defined]
    expected = [backend.code("dark break", 7, frame) for frame in range(333)]  # type: ignore[attr-defined]
    assert np.array_equal(take.codes, np.stack(expected, axis=1))


def test_codes_are_those_of_the_take(grid_engine: Engine) -> None:
    asked = request(tempo_bpm=174.0, bars=1)
    assert np.array_equal(grid_engine.codes(asked), grid_engine.generate(asked).codes)


def test_a_loud_sound_is_bent_under_full_scale(plain_model: LoadedModel) -> None:
    backend = plain_model.backend
    stream_of = backend.decoder_stream

    class Loud:
        def __init__(self) -> None:
            self._stream = stream_of()

        def push(self, codes: np.ndarray) -> np.ndarray:
            return self._stream.push(codes) * np.float32(9)

        def finish(self) -> np.ndarray:
            return self._stream.finish() * np.float32(9)

    backend.decoder_stream = Loud  # type: ignore[method-assign]
    take = Engine(lambda name: plain_model).generate(request(max_steps=60))
    assert 0.9 < np.abs(take.clip.samples).max() <= 0.98


def test_cancelling_stops_before_the_next_step(engine: Engine, plain_model: LoadedModel) -> None:
    backend = plain_model.backend
    with pytest.raises(CancelledError):
        engine.generate(request(max_steps=90), cancelled=lambda: backend.frames_made >= 20)  # type: ignore[attr-defined]
    assert backend.frames_made == 20  # type: ignore[attr-defined]


def test_a_model_is_loaded_once_and_replaced_by_another(plain_model: LoadedModel) -> None:
    loaded: list[str] = []

    def load(name: str) -> LoadedModel:
        loaded.append(name)
        return plain_model

    engine = Engine(load)
    for name in ("a", "a", "b", "b", "a"):
        engine.generate(request(model=name, max_steps=2))
    assert loaded == ["a", "b", "a"]


def test_a_recipe_names_a_model_folder_in_full(
    plain_model: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("bundle", "house"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    engine = Engine(lambda name: plain_model)
    assert engine.generate(request(model="./bundle", max_steps=2)).request.model == str(
        tmp_path / "bundle"
    )
    assert engine.is_loaded("bundle")
    assert engine.generate(request(model="house", max_steps=2)).request.model == "house"


def test_an_impossible_request_is_refused_before_the_model_is_loaded() -> None:
    def load(name: str) -> LoadedModel:
        raise AssertionError("not to be loaded")

    with pytest.raises(InputError, match="tempo"):
        Engine(load).generate(request(tempo_bpm=1000.0))


def test_too_little_memory_is_said_in_one_line(plain_model: LoadedModel) -> None:
    def no_memory() -> object:
        raise MemoryError

    plain_model.backend.decoder_stream = no_memory  # type: ignore[method-assign, assignment]
    with pytest.raises(EngineError, match="not enough memory"):
        Engine(lambda name: plain_model).generate(request(max_steps=2))


def test_sound_that_is_no_number_is_refused(plain_model: LoadedModel) -> None:
    class Broken:
        def push(self, codes: np.ndarray) -> np.ndarray:
            return np.full((1, 160), np.nan, dtype=np.float32)

        def finish(self) -> np.ndarray:
            return np.zeros((1, 0), dtype=np.float32)

    plain_model.backend.decoder_stream = Broken  # type: ignore[method-assign]
    with pytest.raises(ModelError, match="not made of numbers"):
        Engine(lambda name: plain_model).generate(request(max_steps=20))


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
    load_plain: Callable[[str], LoadedModel],
) -> None:
    engine = Engine(load_plain)
    assert not engine.is_loaded("tone")
    engine.warm_up("tone")
    assert engine.is_loaded("tone")

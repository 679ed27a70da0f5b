from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.core.errors import InputError, ModelError
from studio.generation.planning import plan_render, slide
from studio.generation.request import GenerationRequest
from studio.models.backend import ModelInfo, Sampling
from studio.models.prompting import PromptTemplate

INFO = ModelInfo(
    name="tone",
    sample_rate=32000,
    channels=1,
    codebooks=4,
    codebook_size=512,
    frame_rate=50.0,
    window_frames=256,
    has_text=True,
    has_melody=False,
    parameters=1,
    cache_bytes=1,
    fingerprint="ab" * 32,
    sampling=Sampling(top_k=30, temperature=0.8, guidance=1.5),
)


def request(prompt: str = "dark break", **values: object) -> GenerationRequest:
    return GenerationRequest(prompt=prompt, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tempo_bpm", "bars", "frames"),
    [(174.0, 2, 88276), (120.0, 1, 64000), (60.0, 1, 128000), (200.0, 64, 2457600)],
)
def test_bars_and_tempo_give_the_exact_length(
    tempo_bpm: float, bars: int, frames: int, template: PromptTemplate
) -> None:
    for model_template in (None, template):
        plan = plan_render(request(tempo_bpm=tempo_bpm, bars=bars), INFO, model_template)
        assert plan.sample_frames == frames
        assert plan.tempo_bpm == tempo_bpm
        rendered = round(plan.codec_frames * 640 / plan.speed)
        assert rendered >= plan.sample_frames + plan.seam_frames


def test_a_template_model_renders_the_nearest_grid_and_plays_it_faster(
    template: PromptTemplate,
) -> None:
    plan = plan_render(request(tempo_bpm=174.0, bars=2), INFO, template)
    assert plan.speed == 174.0 / 187.5
    assert plan.text.startswith("g4 l2 dark r4_0 r4_1")


def test_a_plain_model_gets_the_prompt_as_typed_at_its_own_speed() -> None:
    plan = plan_render(request("Lo-fi, 85 BPM!", bars=2), INFO, None)
    assert plan.text == "Lo-fi, 85 BPM!"
    assert plan.speed == 1.0
    assert plan.sample_frames == round(2 * 240 / 85 * 32000)


@pytest.mark.parametrize("seconds", [0.1, 3.3333, 17.0])
def test_a_duration_gives_the_exact_length_and_no_seam(
    seconds: float, template: PromptTemplate
) -> None:
    for model_template in (None, template):
        plan = plan_render(request("100 bpm dub", duration_seconds=seconds), INFO, model_template)
        assert plan.sample_frames == round(seconds * 32000)
        assert plan.seam_frames == 0


def test_max_steps_is_the_number_of_codec_frames_of_a_plain_model() -> None:
    plan = plan_render(request(max_steps=500), INFO, None)
    assert (plan.codec_frames, plan.sample_frames) == (500, 500 * 640)


def test_the_length_that_nobody_gave() -> None:
    assert plan_render(request("174 bpm break"), INFO, None).request.bars == 2
    assert plan_render(request(tempo_bpm=90.0), INFO, None).request.bars == 2
    plain = plan_render(request("rain"), INFO, None)
    assert (plain.request.bars, plain.request.duration_seconds) == (None, 8.0)


def test_a_template_model_always_loops_at_its_genres_usual_tempo(
    template: PromptTemplate,
) -> None:
    jungle = plan_render(request("dark jungle break"), INFO, template)
    assert (jungle.request.bars, jungle.tempo_bpm) == (2, 168.0)
    other = plan_render(request("something else"), INFO, template)
    assert (other.request.bars, other.tempo_bpm) == (2, 120.0)


def test_bars_without_any_tempo_are_refused_by_a_plain_model() -> None:
    with pytest.raises(InputError, match="tempo"):
        plan_render(request("rain", bars=4), INFO, None)


def test_the_recipe_is_complete_and_plans_the_same_again(template: PromptTemplate) -> None:
    for model_template in (None, template):
        plan = plan_render(request("168 bpm break in A minor"), INFO, model_template)
        recipe = plan.request
        assert (recipe.top_k, recipe.top_p) == (30, 0.0)
        assert (recipe.temperature, recipe.guidance) == (0.8, 1.5)
        assert (recipe.tempo_bpm, recipe.bars) == (168.0, 2)
        other_defaults = replace(INFO, sampling=Sampling())
        assert plan_render(recipe, other_defaults, model_template) == plan


def test_the_key_of_the_prompt_becomes_a_fact_of_a_template_model(
    template: PromptTemplate,
) -> None:
    assert plan_render(request("jungle in A minor"), INFO, template).key == "Am"


def test_an_asked_top_k_is_not_overridden_by_the_models_own_nucleus() -> None:
    nucleus = replace(INFO, sampling=Sampling(top_p=0.9))
    assert plan_render(request(top_k=1), nucleus, None).sampling.greedy


def test_a_tempo_out_of_reach_of_every_grid_is_refused(template: PromptTemplate) -> None:
    slow = replace(template, grids=(4,))
    with pytest.raises(InputError, match=r"187\.5 bpm, too far from 90"):
        plan_render(request(tempo_bpm=90.0), INFO, slow)


def test_a_codec_whose_frames_are_no_whole_samples_is_refused() -> None:
    with pytest.raises(ModelError, match="sample rate"):
        plan_render(request(), replace(INFO, frame_rate=75.0), None)


def test_long_form_moves_thirty_second_windows_by_eighteen() -> None:
    assert slide(3000, 1500) == [(0, 0, 1500), (900, 600, 900), (1800, 600, 600)]


def test_windows_of_a_bar_model_begin_at_whole_bars_and_keep_a_period_in_sight() -> None:
    windows = slide(1000, 256, bar_frames=64, period_frames=128)
    assert all(first % 64 == 0 for first, _, _ in windows)
    assert all(prefix >= 128 for _, prefix, _ in windows[1:])


def test_a_period_that_fills_the_window_still_leaves_a_way_forward() -> None:
    assert slide(268, 256, bar_frames=128, period_frames=256) == [(0, 0, 256), (128, 128, 12)]


def test_a_bar_longer_than_the_window_is_refused() -> None:
    with pytest.raises(ModelError, match="too short"):
        slide(400, 100, bar_frames=144, period_frames=144)


@given(
    st.integers(1, 5000),
    st.integers(150, 1500),
    st.none() | st.tuples(st.integers(64, 149), st.integers(1, 2)),
)
def test_windows_cover_the_take_once_and_fit_the_model(
    frames: int, window_frames: int, bar: tuple[int, int] | None
) -> None:
    bar_frames = bar[0] if bar else None
    period_frames = bar[0] * bar[1] if bar else None
    made = 0
    for first, prefix, new in slide(
        frames, window_frames, bar_frames=bar_frames, period_frames=period_frames
    ):
        assert first + prefix == made
        assert new > 0
        assert prefix + new <= window_frames
        made += new
    assert made == frames

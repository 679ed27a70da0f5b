from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from studio.core.errors import InputError, ModelError
from studio.generation.planning import plan_render
from studio.generation.request import GenerationRequest
from studio.models.backend import ModelInfo, Sampling
from studio.models.codes import CodeSequence
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


def request(prompt: str = "dark break", **values: Any) -> GenerationRequest:
    return GenerationRequest(prompt=prompt, **values)


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
    assert plan.condition.text.startswith("g4 l2 dark r4_0 r4_1")


def test_a_plain_model_gets_the_prompt_as_typed_at_its_own_speed() -> None:
    plan = plan_render(request("Lo-fi, 85 BPM!", bars=2), INFO, None)
    assert plan.condition.text == "Lo-fi, 85 BPM!"
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


def test_a_negative_prompt_lies_on_the_same_grid(template: PromptTemplate) -> None:
    plan = plan_render(request(tempo_bpm=174.0, bars=2, negative="jungle"), INFO, template)
    assert plan.condition.negative.startswith("g4 l2 jungle r4_0 r4_1")
    assert plan_render(request(negative="noise"), INFO, None).condition.negative == "noise"


def test_without_one_guidance_leads_away_from_the_bare_grid(template: PromptTemplate) -> None:
    plan = plan_render(request(tempo_bpm=174.0, bars=2), INFO, template)
    assert plan.condition.negative.startswith("g4 l2 r4_0 r4_1")
    assert plan_render(request(), INFO, None).condition.negative == ""


def test_words_and_melodies_are_refused_by_models_that_hear_none() -> None:
    deaf = replace(INFO, has_text=False)
    for values in ({"prompt": "dub"}, {"prompt": "", "negative": "noise"}):
        with pytest.raises(ModelError, match="leave the prompt empty"):
            plan_render(request(**values), deaf, None)
    assert plan_render(request(""), deaf, None).condition.text == ""
    with pytest.raises(ModelError, match="follows no melody"):
        plan_render(request(melody="047"), INFO, None)


def test_a_melody_becomes_pitch_classes() -> None:
    plan = plan_render(request(melody="07b"), replace(INFO, has_melody=True), None)
    assert plan.condition.melody is not None
    assert plan.condition.melody.tolist() == [0, 7, 11]


def codes_of(frames: int, codebooks: int = 4, highest: int = 511) -> CodeSequence:
    return CodeSequence.from_array(np.full((codebooks, frames), highest))


def test_a_longer_take_keeps_the_source_and_makes_the_rest() -> None:
    plan = plan_render(request(source=codes_of(100), duration_seconds=4.0), INFO, None)
    assert (plan.new_from, plan.new_to, plan.codec_frames) == (100, 200, 200)
    assert plan.windows[0].prefix_frames == 100
    loop = request(source=codes_of(150), from_seconds=2.0, bars=2, tempo_bpm=120.0)
    assert plan_render(loop, INFO, None).new_from == 100


def test_a_part_is_made_anew_at_the_takes_own_speed(template: PromptTemplate) -> None:
    part = request(source=codes_of(160), from_seconds=0.5, to_seconds=1.0, bars=2, tempo_bpm=174.0)
    plan = plan_render(part, INFO, template)
    assert (plan.new_from, plan.new_to) == (round(25 * plan.speed), round(50 * plan.speed))
    assert plan.codec_frames > plan.new_to


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"source": codes_of(200), "duration_seconds": 4.0}, "Nothing would be new"),
        ({"source": codes_of(200), "duration_seconds": 2.0}, "Nothing would be new"),
        ({"source": codes_of(10), "from_seconds": 1.0, "duration_seconds": 4.0}, "0.20 s"),
        (
            {"source": codes_of(50), "from_seconds": 0.1, "to_seconds": 0.5, "max_steps": 100},
            "leave the end",
        ),
        ({"source": codes_of(50, codebooks=8), "max_steps": 100}, "8|4 codebooks"),
        ({"source": codes_of(50, highest=512), "max_steps": 100}, "of 512"),
    ],
)
def test_an_impossible_part_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan_render(request(**values), INFO, None)

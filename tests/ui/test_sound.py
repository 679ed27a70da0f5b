from __future__ import annotations

import numpy as np
import pytest

from studio.audio.clip import AudioClip
from studio.generation.request import GenerationRequest
from studio.ui.sound import Sound


def growing(**facts: object) -> Sound:
    request = GenerationRequest(prompt="jungle\nmore", seed=3, **facts)
    return Sound.from_job(9, request, 32_000, 1)


def test_a_loop_knows_its_length_before_it_is_there():
    sound = growing(tempo_bpm=174.0, bars=2)
    assert sound.growing
    assert sound.shown_frames == 88_276


def test_without_a_tempo_the_length_follows_from_the_progress():
    sound = growing()
    sound.append(np.zeros((1, 8_000), np.float32), 0.25)
    assert sound.shown_frames == 32_000


def test_a_finished_sound_is_as_long_as_its_clip():
    sound = growing(tempo_bpm=120.0, bars=1)
    sound.append(np.ones((1, 100), np.float32), 0.1)
    sound.complete(AudioClip(samples=np.zeros((1, 64_000), np.float32), sample_rate=32_000))
    assert not sound.growing
    assert sound.frames == sound.shown_frames == 64_000
    assert sound.parts == []


def test_its_name_is_the_first_line_of_the_prompt():
    assert growing().name == "jungle"
    assert Sound.from_job(1, GenerationRequest(prompt=" "), 32_000, 1).name == "Untitled"


def test_facts_leave_out_what_is_unknown():
    sound = growing(tempo_bpm=120.0, bars=1, key="Am")
    assert sound.facts().split("   ") == ["120 BPM", "Am", "1 bar", "2.00 s", "seed 3"]
    sound = Sound.from_job(1, GenerationRequest(prompt="x"), 32_000, 1)
    assert "BPM" not in sound.facts()


def test_the_level_is_that_of_the_frames_just_heard():
    samples = np.zeros((1, 32_000), np.float32)
    samples[0, 16_000:16_100] = -0.5
    sound = growing()
    sound.complete(AudioClip(samples=samples, sample_rate=32_000))
    assert sound.level_at(16_200) == pytest.approx(0.5)
    assert sound.level_at(8_000) == 0.0
    assert sound.level_at(0) == 0.0

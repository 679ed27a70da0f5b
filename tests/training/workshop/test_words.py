from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from studio.training.workshop.words import Caption, caption_of


@pytest.mark.parametrize(
    ("path", "caption"),
    [
        (
            "Drums/Kicks/DustyKick_01.wav",
            Caption(words=("drums", "kicks", "dusty", "kick")),
        ),
        (
            "jungle/Amen break 174bpm F#m final.wav",
            Caption(words=("jungle", "amen", "break"), tempo_bpm=174, key="f# minor"),
        ),
        (
            "bass_loop_120_BPM_A_minor.wav",
            Caption(words=("bass", "loop"), tempo_bpm=120, key="a minor"),
        ),
        ("0001.wav", Caption(words=())),
        ("a man.wav", Caption(words=("man",))),
    ],
)
def test_names_and_folders_become_words(tmp_path: Path, path: str, caption: Caption) -> None:
    assert caption_of(tmp_path, path, {}) == caption


def test_a_sidecar_in_audiocrafts_form_comes_first(tmp_path: Path) -> None:
    sidecar = {
        "description": "Slow, dusty drum break.",
        "keywords": "vinyl, hiss",
        "bpm": "90",
        "key": "A minor",
        "genre": "hip hop",
        "moods": ["dark"],
        "instrument": "drums",
        "title": None,
        "sample_rate": 44100,
    }
    (tmp_path / "x_100bpm.json").write_text(json.dumps(sidecar))
    caption = caption_of(tmp_path, "x_100bpm.wav", {"genre": "Rock"})
    assert caption.tempo_bpm == 90
    assert caption.key == "a minor"
    assert caption.words == (
        "slow", "dusty", "drum", "break", "hip", "hop", "drums", "dark", "vinyl", "hiss",
    )  # fmt: skip


@pytest.mark.parametrize(
    "content",
    ["", "[1, 2]", "{", '{"bpm": 1e999, "keywords": [1, null], "description": 7}', "\udcff" * 3],
)
def test_a_senseless_sidecar_is_passed_over(tmp_path: Path, content: str) -> None:
    (tmp_path / "kick.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    assert caption_of(tmp_path, "kick.wav", {}).words == ("kick",)


def test_words_in_the_file_itself_are_read(tmp_path: Path) -> None:
    caption = caption_of(tmp_path, "01.wav", {"title": "Rain on tin", "software": "Recorder 3"})
    assert caption.words == ("rain", "tin")


def test_random_captions_hold_nothing_untrue_and_at_least_a_word() -> None:
    caption = Caption(words=("dub", "bass"), tempo_bpm=140, key="c minor")
    seen = {caption.random(np.random.default_rng(seed)) for seed in range(200)}
    assert len(seen) > 10
    for text in seen:
        rest = text.replace("140 bpm", "").replace("c minor", "").split()
        assert rest
        assert set(rest) <= {"dub", "bass"}
    assert Caption(words=()).random(np.random.default_rng(0)) == ""

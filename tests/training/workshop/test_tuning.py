from __future__ import annotations

import time
from pathlib import Path

import pytest

from studio.training.workshop import tuning
from studio.training.workshop.codec_source import fingerprint, load_codec
from studio.training.workshop.events import CodecTuned, Event, Notice
from studio.training.workshop.scan import Survey, survey
from studio.training.workshop.tuning import tuned_codec

MOMENT = 0.005


@pytest.fixture
def heard(sounds: Path) -> Survey:
    return survey(sounds)


def test_a_fitted_codec_is_kept_and_found_again(
    heard: Survey, codec_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measures = iter([{"log_mel": 2.0}, {"log_mel": 1.0}])
    monkeypatch.setattr(tuning, "measure_codec", lambda *_: next(measures))
    events: list[Event] = []
    plain = fingerprint(load_codec(codec_folder))
    fitted = tuned_codec(
        load_codec(codec_folder), heard, tmp_path, minutes=MOMENT, seed=0, tell=events.append
    )
    assert fingerprint(fitted) != plain
    assert not fitted.training
    assert isinstance(events[0], CodecTuned)
    began = time.monotonic()
    again = tuned_codec(
        load_codec(codec_folder), heard, tmp_path, minutes=MOMENT, seed=0, tell=events.append
    )
    assert fingerprint(again) == fingerprint(fitted)
    assert len(events) == 1
    assert time.monotonic() - began < 1


def test_a_codec_that_got_worse_is_left_as_it_was(
    heard: Survey, codec_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measures = iter([{"log_mel": 1.0}, {"log_mel": 2.0}])
    monkeypatch.setattr(tuning, "measure_codec", lambda *_: next(measures))
    events: list[Event] = []
    codec = load_codec(codec_folder)
    plain = fingerprint(codec)
    kept = tuned_codec(codec, heard, tmp_path, minutes=MOMENT, seed=0, tell=events.append)
    assert fingerprint(kept) == plain
    assert isinstance(events[-1], Notice)


def test_a_tenth_of_the_sounds_is_held_out(heard: Survey) -> None:
    train, held_out = tuning._banks(heard, 32_000, seed=0)
    assert (len(train), len(held_out)) == (11, 1)
    alone = Survey(
        folder=heard.folder, sounds=heard.sounds[:1], skipped=(), other_files=0, repeats=(),
        clipped=(),
    )  # fmt: skip
    train, held_out = tuning._banks(alone, 32_000, seed=0)
    assert (len(train), len(held_out)) == (1, 1)
    assert abs(len(held_out.samples) - len(train.samples)) <= 1

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from studio.core.errors import InputError
from studio.ui import facts


@pytest.mark.parametrize(
    ("tempo_bpm", "text"), [(174.0, "174"), (92.5, "92.5"), (120.25, "120.25"), (None, "")]
)
def test_tempo_has_no_superfluous_digits(tempo_bpm, text):
    assert facts.tempo_text(tempo_bpm) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.7586, "2.76 s"), (59.0, "59.00 s"), (83.44, "1:23.4")]
)
def test_length(seconds, text):
    assert facts.length_text(seconds) == text


def test_position_counts_bars_beats_and_sixteenths_from_one():
    beat = 60 / 120 * 32_000
    assert facts.position_text(0, 32_000, 120) == "1.1.1"
    assert facts.position_text(round(beat * 5.75), 32_000, 120) == "2.2.4"


def test_position_without_a_tempo_is_seconds():
    assert facts.position_text(16_000, 32_000, None) == "0.50 s"


def test_dates_get_coarser_with_age():
    now = datetime(2026, 11, 20, 12, 0).astimezone()

    def text(age: timedelta) -> str:
        return facts.date_text((now - age).astimezone(UTC).isoformat(), now)

    assert text(timedelta(hours=2)) == "10:00"
    assert text(timedelta(days=1)) == "Yesterday"
    assert text(timedelta(days=40)) == "11 Oct"
    assert text(timedelta(days=400)) == "Oct 2025"


def test_a_date_that_is_none_is_shown_as_it_is():
    assert facts.date_text("some day") == "some day"
    assert facts.exact_date_text("some day") == "some day"


def test_remaining_time_is_vague_on_purpose():
    assert facts.remaining_text(None) == ""
    assert facts.remaining_text(0.4) == "almost done"
    assert facts.remaining_text(7.6) == "about 8 s left"
    assert facts.remaining_text(125) == "about 2:05 left"


def test_sizes_are_short():
    assert facts.size_text(25) == "25 MB"
    assert facts.size_text(2_360) == "2.4 GB"


def test_counts_agree_with_their_noun():
    assert facts.count_text(1) == "1 sound"
    assert facts.count_text(1204, "file") == "1,204 files"


def test_an_error_is_worded_by_itself_or_by_its_name():
    assert facts.error_line(InputError("Too slow.")) == "Too slow."
    assert facts.error_line(KeyError("x")) == "KeyError: 'x'"

from __future__ import annotations

import numpy as np
import pytest

from studio.core.errors import TrainingError
from studio.training.loopsynth.basses import bass_note
from studio.training.loopsynth.composition import draw_composition
from studio.training.loopsynth.drums import kit_sounds
from studio.training.loopsynth.labels import GENRES
from studio.training.loopsynth.oscillators import Sound
from studio.training.loopsynth.render import (
    Event,
    SynthLoop,
    events_of,
    mix_circular,
    render_loop,
    treble_balance,
)
from studio.training.loopsynth.timing import FRAME_SAMPLES, GRIDS, STEPS_PER_BAR

_BLOCK = 64


@pytest.fixture(scope="module")
def loops() -> list[SynthLoop]:
    return [render_loop(seed) for seed in range(120)]


def _sharp_rises(samples: Sound) -> list[int]:
    """Samples at which the treble grows fourfold over the two frames before, on a circle."""
    twice = np.concatenate([samples, samples]).astype(np.float64)
    treble = np.diff(twice, n=2, prepend=twice[:2])
    energy = np.sqrt((treble.reshape(-1, _BLOCK) ** 2).mean(axis=1)) + 2e-3
    before = 2 * FRAME_SAMPLES // _BLOCK
    floor = np.lib.stride_tricks.sliding_window_view(energy, before)[:-1].max(axis=1)
    rises = np.flatnonzero(energy[before:] > 4 * floor) + before
    return [int(rise) * _BLOCK % len(samples) for rise in rises]


def test_a_period_is_exactly_its_bars_on_its_grid(loops: list[SynthLoop]) -> None:
    for loop in loops:
        labels = loop.labels
        assert labels.period_frames == labels.bars * STEPS_PER_BAR * labels.grid
        assert loop.samples.shape == (labels.period_frames * FRAME_SAMPLES,)
        assert loop.samples.dtype == np.float32


def test_sharp_attacks_fall_on_labelled_frames(loops: list[SynthLoop]) -> None:
    found = 0
    for loop in loops:
        onsets = np.array(loop.labels.onset_frames) * FRAME_SAMPLES
        for place in _sharp_rises(loop.samples):
            late = (place - onsets) % len(loop.samples)
            assert late.min() < 0.008 * 32_000, (loop.labels.seed, place)
            found += 1
    assert found > 400


def test_every_labelled_onset_is_a_sixteenth_or_a_whole_frame_of_swing_later(
    loops: list[SynthLoop],
) -> None:
    for loop in loops:
        labels = loop.labels
        assert labels.onset_frames == tuple(sorted(set(labels.onset_frames)))
        late = {frame % labels.grid for frame in labels.onset_frames}
        allowed = {1, 2} if labels.swing else {0}
        assert late - {0} <= allowed
        assert bool(late & {1, 2}) == labels.swing
        assert 0 <= labels.onset_frames[0] <= labels.onset_frames[-1] < labels.period_frames


def test_a_seed_gives_the_same_samples_even_from_fresh_banks() -> None:
    before = [render_loop(seed) for seed in range(6)]
    kit_sounds.cache_clear()
    after = [render_loop(seed) for seed in range(6)]
    for first, second in zip(before, after, strict=True):
        assert first.labels == second.labels
        assert np.array_equal(first.samples, second.samples)


def test_seeds_give_different_loops(loops: list[SynthLoop]) -> None:
    assert len({loop.samples.tobytes() for loop in loops}) == len(loops)


def test_the_seam_of_a_tiled_loop_is_no_larger_step_than_those_inside(
    loops: list[SynthLoop],
) -> None:
    for loop in loops:
        seam = abs(float(loop.samples[0]) - float(loop.samples[-1]))
        assert seam <= float(np.abs(np.diff(loop.samples)).max())


def test_tails_wrap_round_to_the_start() -> None:
    sound = bass_note(0, 40, 10)
    events = [Event(frame=4, sound=sound, gain=0.5), Event(frame=0, sound=sound, gain=1.0)]
    line = np.zeros(21 * FRAME_SAMPLES, dtype=np.float32)
    for event in events:
        start = event.frame * FRAME_SAMPLES
        line[start : start + len(sound)] += np.float32(event.gain) * sound
    folded = line.reshape(3, -1).sum(axis=0)
    assert np.allclose(mix_circular(events, 7), folded, atol=1e-6)


def test_loops_are_loud_enough_and_never_clip(loops: list[SynthLoop]) -> None:
    peaks = np.array([np.abs(loop.samples).max() for loop in loops])
    levels = np.array([np.sqrt(np.mean(loop.samples**2)) for loop in loops])
    assert peaks.max() < 0.99
    assert levels.min() > 0.02
    assert 0.1 < np.median(levels) < 0.25


def test_equal_hits_are_equal_samples() -> None:
    loop = draw_composition(11, genre="techno", grid=7, bars=1)
    kicks = [e for e in events_of(loop) if e.sound is kit_sounds(loop.kit)["kick"]]
    assert len(kicks) >= 4


def test_dark_loops_have_less_treble_than_bright_ones(loops: list[SynthLoop]) -> None:
    balances = {tone: [0.0] for tone in ("dark", "", "bright")}
    balances |= {
        tone: [treble_balance(loop.samples) for loop in loops if loop.labels.tone == tone]
        for tone in balances
    }
    assert max(balances["dark"]) < min(balances[""])
    assert max(balances[""]) < min(balances["bright"])


def test_labels_name_the_parts_that_sound(loops: list[SynthLoop]) -> None:
    for loop in loops:
        labels = loop.labels
        composition = draw_composition(labels.seed)
        assert (labels.bass is None) == (not composition.bass)
        assert (labels.stab is None) == (not composition.stabs)
        assert (labels.arp is None) == (not composition.arp)
        assert (labels.kit is None) == (not composition.drums)
        pitched = labels.bass or labels.stab or labels.arp or labels.pad is not None
        assert (labels.key is None) == (not pitched)
        if labels.fill:
            assert labels.bars == 2
            assert any(levels[-1] or levels[-2] for _, levels in composition.drums)


@pytest.mark.parametrize("genre", GENRES)
def test_ambient_and_every_other_genre_has_a_pulse(genre: str) -> None:
    for seed in range(12):
        labels = render_loop(seed, genre=genre).labels
        assert labels.genre == genre
        assert len(labels.onset_frames) >= 4 * labels.bars


@pytest.mark.parametrize("grid", GRIDS)
def test_genre_grid_and_length_can_be_fixed(grid: int) -> None:
    labels = render_loop(3, genre="house", grid=grid, bars=1).labels
    assert (labels.genre, labels.grid, labels.bars) == ("house", grid, 1)


def test_a_fixed_length_of_two_bars_finds_a_grid_it_fits() -> None:
    for seed in range(12):
        labels = render_loop(seed, genre="ambient", bars=2).labels
        assert labels.bars == 2
        assert labels.period_frames <= 256


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"genre": "polka"}, "polka"),
        ({"grid": 3}, "3"),
        ({"grid": 12, "bars": 2}, "2 bars"),
        ({"bars": 3}, "3 bars"),
        ({"split": "test"}, "test"),
    ],
)
def test_what_the_synthesiser_does_not_have_is_named(
    arguments: dict[str, object], named: str
) -> None:
    with pytest.raises(TrainingError) as caught:
        render_loop(0, **arguments)
    assert named in caught.value.user_message
    assert "\n" not in caught.value.user_message


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(TrainingError, match="-1"):
        render_loop(-1)

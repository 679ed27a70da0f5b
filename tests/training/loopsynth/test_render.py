from __future__ import annotations

import numpy as np
import pytest

from studio.core.errors import TrainingError
from studio.training.loopsynth.basses import bass_note
from studio.training.loopsynth.describing import treble_balance
from studio.training.loopsynth.drawing import draw_composition
from studio.training.loopsynth.drums import kit_sounds
from studio.training.loopsynth.labels import GENRES
from studio.training.loopsynth.oscillators import Sound
from studio.training.loopsynth.render import (
    Event,
    SynthLoop,
    events_of,
    mix_circular,
    render_loop,
)
from studio.training.loopsynth.timing import FRAME_SAMPLES, GRIDS, STEPS_PER_BAR

_BLOCK = 64
_EARLIEST = 144


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
            late = (place + _EARLIEST - onsets) % len(loop.samples)
            assert late.min() < 0.015 * 32_000 + _EARLIEST, (loop.labels.seed, place)
            found += 1
    assert found > 400


def test_every_labelled_onset_is_a_sixteenth_or_a_whole_frame_of_swing_later(
    loops: list[SynthLoop],
) -> None:
    for loop in loops:
        labels = loop.labels
        if labels.roll:
            continue
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


def _event(frame: int, sound: Sound, gain: float) -> Event:
    return Event(track="bass", frame=frame, late_samples=0, sound=sound, gain=gain)


def test_tails_wrap_round_to_the_start() -> None:
    sound = bass_note(0, 40, 10)
    events = [_event(4, sound, 0.5), _event(0, sound, 1.0)]
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


def test_the_true_peak_of_loops_stays_under_full_scale(loops: list[SynthLoop]) -> None:
    for loop in loops:
        fine = np.fft.irfft(np.fft.rfft(loop.samples), 8 * len(loop.samples)) * 8
        assert np.abs(fine).max() < 1.0


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
        assert (labels.arp is None) == (not composition.melody)
        assert (labels.pad is None) == (composition.pad_patch is None)
        assert (labels.kit is None) == (not composition.drums)
        pitched = labels.bass or labels.stab or labels.arp or labels.pad is not None
        assert (labels.key is None) == (not pitched)
        if labels.fill:
            assert labels.bars > 1
            assert any(levels[-1] or levels[-2] for _, levels in composition.drums)


@pytest.mark.parametrize("genre", GENRES)
def test_ambient_and_every_other_genre_has_a_pulse(genre: str) -> None:
    for seed in range(12):
        labels = render_loop(seed, genre=genre).labels
        assert labels.genre == genre
        assert len(labels.onset_frames) >= 2 * labels.bars


@pytest.mark.parametrize("grid", GRIDS)
def test_genre_grid_and_length_can_be_fixed(grid: int) -> None:
    labels = render_loop(3, genre="house", grid=grid, bars=1).labels
    assert (labels.genre, labels.grid, labels.bars) == ("house", grid, 1)


def test_a_fixed_length_of_two_bars_finds_a_grid_it_fits() -> None:
    for seed in range(12):
        labels = render_loop(seed, genre="ambient", bars=2).labels
        assert labels.bars == 2
        assert labels.period_frames <= 384


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"genre": "polka"}, "polka"),
        ({"grid": 3}, "3"),
        ({"grid": 7, "bars": 4}, "4 bars"),
        ({"bars": 3}, "3 bars"),
        ({"kind": "song"}, "song"),
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


def test_four_bars_are_longer_than_two_and_never_repeat_themselves() -> None:
    for seed in range(8):
        loop = render_loop(seed, bars=4)
        half = len(loop.samples) // 2
        assert loop.labels.period_frames == 64 * loop.labels.grid
        assert not np.allclose(loop.samples[:half], loop.samples[half:], atol=0.05)


def test_a_single_hit_is_one_attack_and_then_silence() -> None:
    for seed in range(40):
        loop = render_loop(seed, kind="oneshot")
        assert loop.labels.onset_frames == (0,)
        assert 0.3 < np.abs(loop.samples).max() < 0.99
        assert np.abs(loop.samples[-640:]).max() < 0.02


def test_a_riser_grows_towards_its_end() -> None:
    for seed in range(24):
        samples = render_loop(seed, kind="riser").samples
        quarter = len(samples) // 4
        assert np.std(samples[-quarter:]) > 1.5 * np.std(samples[:quarter])


def test_a_pumping_loop_is_ducked_after_each_kick() -> None:
    loops = [render_loop(seed, genre="trance").labels for seed in range(60)]
    assert sum(labels.pumping for labels in loops) > 10

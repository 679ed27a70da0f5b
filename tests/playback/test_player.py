from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import ParamSpec

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.audio.clip import AudioClip
from studio.audio.resample import resample
from studio.playback.player import Player
from tests.playback.sound_card import NullSoundCard, find

RATE = 32_000
RAMP = 160


@pytest.fixture
def player(sound_card: NullSoundCard) -> Iterator[Player]:
    # Longer buffers than the product's own, for machines that do much else meanwhile.
    player = Player(ahead_seconds=0.4, latency_seconds=0.2)
    yield player
    player.close()


P = ParamSpec("P")


def undisturbed(test: Callable[P, None]) -> Callable[P, None]:
    """Repeat a test while the player or the sound server counted a gap: the machine was busy.

    A difference without a counted gap fails at once.
    """

    @functools.wraps(test)
    def repeated(*args: P.args, **kwargs: P.kwargs) -> None:
        player, card = kwargs["player"], kwargs["sound_card"]
        assert isinstance(player, Player)
        assert isinstance(card, NullSoundCard)
        for attempt in range(6):
            gaps = player.underruns, card.underruns
            try:
                return test(*args, **kwargs)
            except AssertionError:
                if (player.underruns, card.underruns) == gaps or attempt == 5:
                    raise
                player.stop()
                time.sleep(1.5)
        return None

    return repeated


def noise(seconds: float, *, channels: int = 1, rate: int = RATE, seed: int = 1) -> AudioClip:
    generator = np.random.default_rng(seed)
    samples = generator.uniform(-0.5, 0.5, (channels, round(seconds * rate))).astype(np.float32)
    return AudioClip(samples=samples, sample_rate=rate)


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.005)


def hear(card: NullSoundCard, since: int, frames: float) -> None:
    """Wait until so many frames were heard."""
    wait_until(lambda: np.count_nonzero(card.recording(since)[:, 0]) > frames)


def heard_from(
    card: NullSoundCard, since: int, sound: NDArray[np.float32], *, at: int = RAMP
) -> NDArray[np.float32]:
    """The recording [frames, 2] from where frame `at` of `sound` was heard."""
    heard = card.wait_for_silence(since)
    return heard[find(heard[:, 0], sound[at : at + 4_000]) :]


@undisturbed
def test_a_clip_is_heard_sample_for_sample(sound_card: NullSoundCard, player: Player) -> None:
    clip = noise(0.8, channels=2)
    since = sound_card.recorded_frames
    player.play(clip, loop=False)
    heard = heard_from(sound_card, since, clip.samples[0])

    body = clip.samples.T[RAMP:-RAMP]
    np.testing.assert_array_equal(heard[: len(body)], body)
    assert not heard[len(body) + RAMP :].any()


@undisturbed
def test_a_loop_repeats_exactly_across_its_seam(sound_card: NullSoundCard, player: Player) -> None:
    clip = noise(0.5317)
    since = sound_card.recorded_frames
    player.play(clip, loop=True)
    hear(sound_card, since, 3.1 * clip.frames)
    player.stop()
    heard = heard_from(sound_card, since, clip.samples[0])

    rounds = np.tile(clip.samples[0], 3)[RAMP:]
    for channel in (0, 1):
        np.testing.assert_array_equal(heard[: len(rounds), channel], rounds)


@undisturbed
def test_start_and_stop_are_ramps_of_five_milliseconds(
    sound_card: NullSoundCard, player: Player
) -> None:
    flat = AudioClip(samples=np.full((1, RATE), 0.5, np.float32), sample_rate=RATE)
    since = sound_card.recorded_frames
    player.play(flat, loop=True)
    time.sleep(0.4)
    player.stop()
    heard = sound_card.wait_for_silence(since)[:, 0]

    sounding = np.flatnonzero(heard)
    heard = heard[sounding[0] : sounding[-1] + 1]
    assert np.abs(np.diff(heard)).max() < 0.5 / RAMP * 1.01
    np.testing.assert_allclose(heard[:RAMP], 0.5 * np.arange(1, RAMP + 1) / RAMP, atol=1e-6)
    np.testing.assert_allclose(heard[-RAMP:], 0.5 * np.arange(RAMP, 0, -1) / RAMP, atol=0.004)
    assert (heard[RAMP:-RAMP] == 0.5).all()


@undisturbed
def test_a_switch_of_sounds_has_no_step(sound_card: NullSoundCard, player: Player) -> None:
    high = AudioClip(samples=np.full((1, RATE), 0.5, np.float32), sample_rate=RATE)
    low = AudioClip(samples=np.full((1, RATE), -0.5, np.float32), sample_rate=RATE)
    since = sound_card.recorded_frames
    player.play(high, loop=True)
    time.sleep(0.3)
    player.play(low, loop=True)
    time.sleep(0.3)
    player.stop()
    heard = sound_card.wait_for_silence(since)[:, 0]

    assert heard.max() == 0.5
    assert heard.min() == -0.5
    assert np.abs(np.diff(heard)).max() < 1.0 / RAMP * 1.01


@undisturbed
def test_loop_can_be_switched_off_and_on_while_playing(
    sound_card: NullSoundCard, player: Player
) -> None:
    clip = noise(0.6)
    since = sound_card.recorded_frames
    player.play(clip, loop=True)
    wait_until(lambda: (player.position_frame or 0) > clip.frames // 2)
    player.set_loop(False)
    wait_until(lambda: not player.playing)
    heard = heard_from(sound_card, since, clip.samples[0])[:, 0]

    rounds, rest = divmod(int(np.flatnonzero(heard)[-1]) + 1 + RAMP, clip.frames)
    if rest > clip.frames - 10:
        rounds += 1
    expected = np.tile(clip.samples[0], rounds)[RAMP:-RAMP]
    np.testing.assert_array_equal(heard[: len(expected)], expected)
    assert not heard[len(expected) + RAMP :].any()

    player.play(clip, loop=False)
    player.set_loop(True)
    time.sleep(1.0)
    assert player.playing


@undisturbed
def test_the_playhead_counts_what_the_device_took(
    sound_card: NullSoundCard, player: Player
) -> None:
    clip = noise(1.5)
    assert player.position_frame is None
    player.play(clip, loop=False, start_frame=8_000)
    began = time.monotonic()
    seen: list[int] = []
    while player.playing:
        position = player.position_frame
        if position is not None:
            seen.append(position)
        time.sleep(0.01)
    seconds = time.monotonic() - began

    assert seen == sorted(seen)
    assert 8_000 <= seen[0] < 8_000 + RATE * 0.2
    assert clip.frames - RATE * 0.1 < seen[-1] <= clip.frames
    assert len(set(seen)) > 20
    assert seconds == pytest.approx((clip.frames - 8_000) / RATE, abs=0.8)
    assert player.position_frame is None


def test_the_playhead_of_a_loop_stays_inside_it(sound_card: NullSoundCard, player: Player) -> None:
    clip = noise(0.25)
    player.play(clip, loop=True)
    seen = []
    for _ in range(80):
        seen.append(player.position_frame or 0)
        time.sleep(0.01)
    assert max(seen) < clip.frames
    assert sum(later < earlier for earlier, later in pairwise(seen)) > 1


@undisturbed
def test_seek_goes_on_from_there(sound_card: NullSoundCard, player: Player) -> None:
    clip = noise(2.0)
    since = sound_card.recorded_frames
    player.play(clip, loop=False)
    time.sleep(0.3)
    player.seek(48_000)
    wait_until(lambda: not player.playing)
    heard = heard_from(sound_card, since, clip.samples[0], at=48_000 + RAMP)
    rest = clip.samples[0, 48_000 + RAMP : -RAMP]
    np.testing.assert_array_equal(heard[: len(rest), 0], rest)


@undisturbed
def test_volume_moves_without_a_step(sound_card: NullSoundCard, player: Player) -> None:
    flat = AudioClip(samples=np.full((1, RATE), 0.5, np.float32), sample_rate=RATE)
    since = sound_card.recorded_frames
    player.play(flat, loop=True)
    time.sleep(0.3)
    quiet = 0.5 * 10 ** (-6 / 20)
    player.set_volume_db(-6.0)
    wait_until(lambda: np.isclose(sound_card.recording(since)[-1, 0], quiet, atol=1e-6))
    player.set_volume_db(float("-inf"))
    wait_until(lambda: sound_card.recording(since)[-1, 0] == 0.0)
    assert player.playing
    player.stop()
    heard = sound_card.wait_for_silence(since)[:, 0]
    assert np.abs(np.diff(heard)).max() < 0.5 / RAMP * 1.01


@undisturbed
def test_a_take_is_heard_while_it_grows_and_loops_into_the_finished_clip(
    sound_card: NullSoundCard, player: Player
) -> None:
    grown = noise(0.9).samples
    finished = grown.copy()
    finished[:, :500] *= -0.5  # The finished loop's head is joined with what followed its end.
    clip = AudioClip(samples=finished, sample_rate=RATE)
    since = sound_card.recorded_frames
    voice = player.stream(RATE, 1, loop=True)
    for start in range(0, clip.frames, 3_200):
        voice.push(grown[:, start : start + 3_200])
        time.sleep(0.05)
    voice.finish(clip)
    hear(sound_card, since, 2.1 * clip.frames)
    assert voice.active
    player.stop()
    heard = heard_from(sound_card, since, grown[0])

    expected = np.concatenate([grown[0], finished[0]])[RAMP:]
    np.testing.assert_array_equal(heard[: len(expected), 0], expected)
    assert not voice.active


@undisturbed
def test_a_take_that_was_sought_in_still_loops_in_the_finished_clip(
    sound_card: NullSoundCard, player: Player
) -> None:
    grown = noise(1.0).samples
    finished = -grown
    since = sound_card.recorded_frames
    voice = player.stream(RATE, 1)
    voice.push(grown[:, :24_000])
    wait_until(lambda: player.position_frame is not None)
    player.seek(4_000)
    player.set_loop(True)
    voice.push(grown[:, 24_000:])
    voice.finish(AudioClip(samples=finished, sample_rate=RATE))
    assert voice.active
    hear(sound_card, since, 2.5 * RATE)
    player.stop()
    heard = heard_from(sound_card, since, np.tile(finished[0], 2), at=30_000)[:, 0]
    expected = np.tile(finished[0], 2)[30_000:50_000]
    np.testing.assert_array_equal(heard[: len(expected)], expected)


@undisturbed
def test_a_take_that_comes_too_slowly_pauses_and_goes_on_where_it_was(
    sound_card: NullSoundCard, player: Player
) -> None:
    grown = noise(1.2).samples
    half = grown.shape[1] // 2
    since = sound_card.recorded_frames
    voice = player.stream(RATE, 1)
    voice.push(grown[:, :half])
    wait_until(lambda: player.position_frame is not None and player.position_frame >= half - RAMP)
    time.sleep(0.3)
    assert player.playing
    voice.push(grown[:, half:])
    voice.finish()
    wait_until(lambda: not player.playing)
    heard = sound_card.wait_for_silence(since, seconds=1.0)[:, 0]

    first = find(heard, grown[0, RAMP : half - RAMP])
    np.testing.assert_array_equal(
        heard[first : first + half - 2 * RAMP], grown[0, RAMP : half - RAMP]
    )
    second = find(heard, grown[0, half + RAMP : -RAMP])
    assert second - first > half + RATE * 0.1
    np.testing.assert_array_equal(
        heard[second : second + half - 2 * RAMP], grown[0, half + RAMP : -RAMP]
    )


def test_a_rate_the_device_refuses_is_resampled(sound_card: NullSoundCard, player: Player) -> None:
    clip = noise(0.5, rate=400_000)
    smooth = resample(resample(clip, 8_000), 400_000)
    player.play(smooth, loop=False)
    seen = 0
    while player.playing:
        seen = max(seen, player.position_frame or 0)
        time.sleep(0.01)
    assert smooth.frames * 0.8 < seen <= smooth.frames


def test_another_rate_reopens_the_device(sound_card: NullSoundCard, player: Player) -> None:
    player.play(noise(5.0), loop=True)
    time.sleep(0.2)
    other = noise(0.3, rate=48_000)
    player.play(other, loop=False)
    wait_until(lambda: not player.playing)


@undisturbed
def test_a_busy_interpreter_does_not_interrupt_the_sound(
    sound_card: NullSoundCard, player: Player
) -> None:
    clip = noise(0.5)
    since = sound_card.recorded_frames
    player.play(clip, loop=True)
    until = time.monotonic() + 2.0
    while time.monotonic() < until:
        sum(range(200_000))
    hear(sound_card, since, 3.1 * clip.frames)
    player.stop()
    heard = heard_from(sound_card, since, clip.samples[0])
    rounds = np.tile(clip.samples[0], 3)[RAMP:]
    np.testing.assert_array_equal(heard[: len(rounds), 0], rounds)


def test_a_new_sound_has_no_position_before_it_is_heard(
    sound_card: NullSoundCard, player: Player
) -> None:
    player.play(noise(5.0, seed=2), loop=False, start_frame=64_000)
    wait_until(lambda: (player.position_frame or 0) > 70_000)
    player.play(noise(5.0), loop=False)
    first = None
    while first is None:
        first = player.position_frame
        time.sleep(0.002)
    assert first < 16_000
    player.stop()
    assert player.position_frame is None


def test_close_ends_the_thread_and_gives_the_device_back(sound_card: NullSoundCard) -> None:
    before = set(threading.enumerate())
    player = Player()
    player.play(noise(2.0), loop=True)
    assert set(threading.enumerate()) - before
    time.sleep(0.2)
    player.close()
    assert not set(threading.enumerate()) - before
    assert player.device_name is None
    assert not player.playing


def test_closing_a_player_that_never_played_needs_no_device() -> None:
    Player(device="no such thing").close()

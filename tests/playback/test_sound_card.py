from __future__ import annotations

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.audio.clip import AudioClip
from studio.playback.player import Player
from tests.playback.sound_card import NullSoundCard, find

RATE = 32_000
NOISE = np.random.default_rng(1).uniform(-0.5, 0.5, RATE).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(
    before=st.integers(0, 12_000),
    length=st.integers(5_000, 20_000),
    after=st.integers(0, 16_000),
)
def test_a_sound_that_repeats_is_found_where_it_begins(
    before: int, length: int, after: int
) -> None:
    rounds = np.tile(NOISE[:length], 4)
    silence = np.zeros(max(before, after), np.float32)
    recording = np.concatenate([silence[:before], rounds, silence[:after]])
    assert find(recording, NOISE[:4_000]) == before
    assert find(recording, NOISE[160:4_160]) == before + 160


def test_a_sound_is_found_where_it_is_whole() -> None:
    ramped = NOISE.copy()
    ramped[:160] *= np.arange(160, dtype=np.float32) / 160
    recording = np.concatenate([ramped[:9_000], NOISE[:9_000]])
    assert find(recording, NOISE[:4_000]) == 9_000


def test_the_sound_server_itself_tells_of_a_gap(sound_card: NullSoundCard) -> None:
    player = Player()
    player.play(AudioClip(samples=NOISE[None], sample_rate=RATE), loop=True)
    time.sleep(0.5)
    before = sound_card.underruns
    with sound_card.held_up():
        time.sleep(1.0)
    deadline = time.monotonic() + 20
    while sound_card.underruns == before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sound_card.underruns > before
    player.close()

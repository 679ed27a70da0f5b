from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from studio.audio.clip import AudioClip
from studio.core.errors import DeviceError
from studio.playback.player import Player
from tests.playback.sound_card import NullSoundCard

PLAY = """
import numpy as np
from studio.audio.clip import AudioClip
from studio.core.errors import DeviceError
from studio.playback.player import Player
player = Player()
try:
    player.play(AudioClip(samples=np.zeros((1, 100), np.float32), sample_rate=32000), loop=False)
except DeviceError as error:
    print(error.user_message)
player.close()
"""


def silence(seconds: float) -> AudioClip:
    return AudioClip(samples=np.zeros((1, int(32_000 * seconds)), np.float32), sample_rate=32_000)


def test_without_a_sound_card_one_line_says_what_to_do(tmp_path: Path, repository: Path) -> None:
    nothing = tmp_path / "asound.conf"
    nothing.write_text("</usr/share/alsa/alsa.conf>\npcm.!default { type hw card 77 }\n")
    done = subprocess.run(
        [sys.executable, "-c", PLAY],
        env={
            **os.environ,
            "ALSA_CONFIG_PATH": str(nothing),
            "PULSE_SERVER": "unix:/nonexistent",
            "PYTHONPATH": str(repository),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    # A machine with a card of its own lists it, and its default output is the one that fails.
    assert re.match("No sound card was found: connect|The sound card .* refused", done.stdout)
    assert done.stdout.count("\n") == 1
    assert "press play again" in done.stdout


def test_without_portaudio_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    player = Player()
    with pytest.raises(DeviceError, match="apt install libportaudio2"):
        player.play(silence(0.1), loop=False)
    player.close()


def test_an_unknown_device_is_named(sound_card: NullSoundCard) -> None:
    player = Player(device="theremin")
    with pytest.raises(DeviceError, match='no output device "theremin"'):
        player.play(silence(0.1), loop=False)
    player.close()


def test_a_lost_device_is_reported_and_plays_again_when_it_is_back(
    sound_card: NullSoundCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[DeviceError] = []
    heard_of_it = threading.Event()

    def tell(error: DeviceError) -> None:
        told.append(error)
        heard_of_it.set()

    with NullSoundCard(tmp_path / "other") as card:
        for name, value in card.environment.items():
            monkeypatch.setenv(name, value)
        player = Player(on_error=tell)
        player.play(silence(60), loop=True)
        time.sleep(0.5)
        card.stop()
        assert heard_of_it.wait(20)
        assert "stopped answering" in told[0].user_message
        assert player.error is told[0]
        assert not player.playing
        assert player.position_frame is None

        with pytest.raises(DeviceError, match="press play again"):
            player.play(silence(1), loop=False)

        card.start()
        sound = np.full((1, 8_000), 0.5, np.float32)
        since = card.recorded_frames
        player.play(AudioClip(samples=sound, sample_rate=32_000), loop=False)
        assert player.error is None
        assert np.abs(card.wait_for_silence(since)).max() == 0.5
        player.close()

"""The sound card of the playback tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.playback.sound_card import NullSoundCard

# The null sound card is PulseAudio's, and so is the recorder: these tests have no counterpart on
# other systems, where the same code is covered by test_mixer.py and test_sources.py.
_ON_LINUX = ["test_device.py", "test_player.py", "test_sound_card.py"]
collect_ignore = [] if sys.platform == "linux" else _ON_LINUX


@pytest.fixture(scope="session")
def sound_card(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NullSoundCard]:
    """A sound card that records what it plays; the default output of this process."""
    with NullSoundCard(tmp_path_factory.mktemp("sound")) as card, pytest.MonkeyPatch.context() as p:
        for name, value in card.environment.items():
            p.setenv(name, value)
        yield card

"""A screen, a sound card and an empty library for the end-to-end tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.program import Studio
from tests.end_to_end.screen import Screen
from tests.playback.sound_card import NullSoundCard

# Screen, hand and sound card are those of a Linux desktop.
collect_ignore_glob = [] if sys.platform == "linux" else ["test_*.py"]


@pytest.fixture(scope="session")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screen]:
    """A screen of 1440x900 with a window manager."""
    with Screen(tmp_path_factory.mktemp("screen")) as screen:
        yield screen


@pytest.fixture(scope="session")
def null_sound_card(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NullSoundCard]:
    """A sound card that records; only the program under test uses it."""
    with NullSoundCard(tmp_path_factory.mktemp("sound")) as card:
        yield card


@pytest.fixture
def studio(tmp_path: Path, screen: Screen, null_sound_card: NullSoundCard) -> Iterator[Studio]:
    """A library with a sound card, no window yet."""
    studio = Studio(tmp_path, screen, null_sound_card.environment)
    yield studio
    studio.end()


@pytest.fixture
def silent_studio(tmp_path: Path, screen: Screen) -> Iterator[Studio]:
    """A library on a machine without a sound card, no window yet."""
    nothing = tmp_path / "asound.conf"
    nothing.write_text("</usr/share/alsa/alsa.conf>\npcm.!default { type hw card 77 }\n")
    sound = {"ALSA_CONFIG_PATH": str(nothing), "PULSE_SERVER": "unix:/nonexistent"}
    studio = Studio(tmp_path, screen, sound)
    yield studio
    studio.end()


@pytest.fixture
def drop_target(tmp_path: Path, screen: Screen) -> Iterator[Callable[[], dict[str, Any] | None]]:
    """A second program at (1330, 825); calling it gives what was dropped on it so far."""
    result = tmp_path / "dropped.json"
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("drop_target.py")), str(result)],
        env={**os.environ, **screen.environment, "QT_QPA_PLATFORM": "xcb"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "shown\n"
    yield lambda: json.loads(result.read_text()) if result.exists() else None
    process.terminate()
    process.wait(20)
    process.stdout.close()


@pytest.fixture
def photograph(request: pytest.FixtureRequest, screen: Screen) -> Callable[[str], None]:
    """Save the screen under a name, when SEEDCRATE_SCREENSHOTS names a folder."""
    folder = os.environ.get("SEEDCRATE_SCREENSHOTS")

    def take(name: str) -> None:
        if folder:
            screen.photograph(Path(folder) / f"{request.node.name}-{name}.png")

    return take


@pytest.fixture
def report() -> Callable[[dict[str, Any]], None]:
    """Add measured figures to the file that SEEDCRATE_MEASURES names, and print them."""
    target = os.environ.get("SEEDCRATE_MEASURES")

    def write(figures: dict[str, Any]) -> None:
        line = json.dumps(figures)
        print(line)
        if target:
            with Path(target).open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    return write

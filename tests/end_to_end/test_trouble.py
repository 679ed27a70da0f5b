"""What a person meets when something is missing or breaks."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.program import Studio
from tests.end_to_end.screen import Screen
from tests.end_to_end.steps import press_generate, type_prompt
from tests.playback.sound_card import NullSoundCard

pytestmark = pytest.mark.end_to_end


def ask_for_a_take(studio: Studio, screen: Screen) -> None:
    type_prompt(studio, screen, "120 bpm techno loop")
    press_generate(studio, screen)


def ask_in_vain(studio: Studio, screen: Screen) -> int:
    """Ask for a take of an engine that is warm and stands still; returns its process number."""
    ask_for_a_take(studio, screen)
    studio.wait_for(lambda: studio.status()["rows"] == 1, "the first take")
    engine = engine_of(studio)
    os.kill(engine, signal.SIGSTOP)
    press_generate(studio, screen)
    return engine


def children(pid: int) -> dict[int, str]:
    """Processes whose parent is `pid`, with their command lines."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == pid:
                found[int(folder.name)] = command
    return found


def engine_of(studio: Studio) -> int:
    """Process number of the engine: the child that multiprocessing has spawned."""
    assert studio.process is not None
    engines = [
        pid for pid, command in children(studio.process.pid).items() if "spawn_main" in command
    ]
    assert len(engines) == 1, children(studio.process.pid)
    return engines[0]


def test_without_a_sound_card_there_is_a_banner_and_takes_are_made(
    silent_studio: Studio, screen: Screen, photograph: Callable[[str], None]
) -> None:
    studio = silent_studio
    studio.open()
    studio.wait_for(lambda: studio.status()["banner"], "the banner")
    photograph("banner")
    banner = studio.status()["banner"]
    assert "sound card" in banner
    assert "press play again" in banner
    assert "\n" not in banner

    ask_for_a_take(studio, screen)
    studio.wait_for(lambda: studio.status()["rows"] == 1, "the take in the library")
    assert not studio.status()["playing"]
    assert len(studio.rows()) == 1
    assert studio.quit() == 0


def test_a_killed_engine_is_reported_and_the_next_take_is_made(
    studio: Studio, screen: Screen, photograph: Callable[[str], None]
) -> None:
    studio.open()
    os.kill(ask_in_vain(studio, screen), signal.SIGKILL)
    studio.wait_for(lambda: studio.status()["banner"], "the banner")
    photograph("banner")
    assert "engine stopped" in studio.status()["banner"]
    assert len(studio.rows()) == 1
    screen.click(studio.place("banner_close"))
    studio.wait_for(lambda: studio.status()["banner"] is None, "the banner to go")

    press_generate(studio, screen)
    studio.wait_for(lambda: studio.status()["rows"] == 2, "the next take in the library")
    assert studio.status()["banner"] is None
    assert studio.run("library", "check").returncode == 0
    assert studio.quit() == 0


def test_the_engine_does_not_outlive_a_killed_window(studio: Studio, screen: Screen) -> None:
    studio.open()
    engine = ask_in_vain(studio, screen)
    assert studio.process is not None
    studio.process.kill()
    studio.process.wait()
    studio.process = None
    os.kill(engine, signal.SIGCONT)
    deadline = time.monotonic() + 30
    while Path(f"/proc/{engine}").exists():
        assert time.monotonic() < deadline, "The engine is still there."
        time.sleep(0.1)
    studio.open()
    assert studio.status()["rows"] == 1
    assert studio.quit() == 0


def test_a_second_start_raises_the_window_that_is_there(
    studio: Studio, screen: Screen, drop_target: Callable[[], dict[str, Any] | None]
) -> None:
    studio.open()
    screen.click((1330, 825))
    studio.wait_for(lambda: "Drop target" in screen.active_window_title(), "the other window")
    second = studio.start()
    assert second.wait(60) == 0
    studio.wait_for(lambda: "Seedcrate" in screen.active_window_title(), "the first window")
    assert studio.process is not None
    assert studio.process.poll() is None
    assert studio.quit() == 0


def test_a_sound_card_that_comes_back_plays_again(
    tmp_path: Path, screen: Screen, photograph: Callable[[str], None]
) -> None:
    with NullSoundCard(tmp_path / "card") as card:
        studio = Studio(tmp_path, screen, card.environment)
        try:
            studio.open()
            ask_for_a_take(studio, screen)
            studio.wait_for(lambda: studio.status()["rows"] == 1, "the take in the library")
            studio.wait_for(lambda: studio.status()["playing"], "the sound")
            card.stop()
            studio.wait_for(lambda: studio.status()["banner"], "the banner")
            photograph("banner")
            assert "press play again" in studio.status()["banner"]
            card.start()
            since = card.recorded_frames
            screen.click(studio.place("banner_retry"))
            screen.click(studio.row(studio.rows()[0]["id"]))
            screen.key("space")
            studio.wait_for(lambda: card.recording(since).any(), "the sound again")
            assert studio.quit() == 0
        finally:
            studio.end()

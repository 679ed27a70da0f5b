"""From an empty folder to a loop in another program, by hand."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.audio.clip import AudioClip
from studio.audio.files import read_audio
from tests.end_to_end.program import Studio
from tests.end_to_end.screen import Screen
from tests.playback.sound_card import NullSoundCard, find

pytestmark = pytest.mark.end_to_end

PROMPT = "174 bpm jungle break, dark reese bass"
LOOP_FRAMES = 88_276
RAMP_FRAMES = 160
DROP_PLACE = (1330, 825)


def generate(studio: Studio, screen: Screen) -> None:
    """Press Generate with the mouse and wait until the take is heard."""
    screen.click(studio.place("generate_button"))
    studio.wait_for(
        lambda: studio.status()["first_sound_ms"] is not None or studio.status()["banner"],
        "the first sound",
    )
    assert studio.status()["banner"] is None


def seconds_until_heard(card: NullSoundCard, since_frame: int) -> float:
    """From `since_frame` of the recording to the first frame that is not silent."""
    heard = np.abs(card.recording(since_frame)).max(axis=1)
    return float(np.flatnonzero(heard)[0]) / 32_000


def check_loop(heard: NDArray[np.float32], clip: AudioClip) -> int:
    """What was heard last [frames] is the clip, round after round; returns whole frames checked.

    The volume is taken from the sound itself. The ramp of the stop is left out.
    """
    sounding = np.flatnonzero(heard)
    end = sounding[-1] + 1 - 2 * RAMP_FRAMES
    wanted = clip.samples[0]
    last = heard[end - 2 * clip.frames : end]
    loudest = int(np.argmax(np.convolve(np.abs(wanted), np.ones(4_000), "valid")))
    needle = wanted[loudest : loudest + 4_000]
    start = find(last[: clip.frames + 4_000], needle) - loudest
    rounds = np.resize(np.roll(wanted, start), len(last))
    gain = float(last @ rounds) / float(rounds @ rounds)
    assert 0.01 < gain <= 1.0
    np.testing.assert_allclose(last, rounds * gain, atol=2e-6)
    return len(last)


def test_a_newcomer_gets_a_loop_into_another_program(
    studio: Studio,
    screen: Screen,
    null_sound_card: NullSoundCard,
    drop_target: Callable[[], dict[str, Any] | None],
    photograph: Callable[[str], None],
    report: Callable[[dict[str, Any]], None],
) -> None:
    studio.open()
    photograph("1-empty")

    # Type a prompt and generate.
    screen.click(studio.place("prompt_edit"))
    screen.key("ctrl+a")
    screen.type(PROMPT)
    since = null_sound_card.recorded_frames
    generate(studio, screen)
    photograph("2-growing")
    first = {
        "first_sound_ms": studio.status()["first_sound_ms"],
        "heard_after_seconds": round(seconds_until_heard(null_sound_card, since), 3),
    }
    studio.wait_for(lambda: studio.status()["rows"] == 1, "the take in the library")
    (row,) = studio.rows()
    stall = studio.status()["max_stall_ms"]

    # What is heard is the file, round after round, until Space stops it.
    clip = read_audio(Path(row["path"]))
    assert clip.frames == pytest.approx(LOOP_FRAMES, abs=1)
    time.sleep(4.0 * clip.duration_seconds)
    photograph("3-looping")
    screen.click(studio.row(row["id"]))
    time.sleep(2.5 * clip.duration_seconds)
    screen.key("space")
    studio.wait_for(lambda: not studio.status()["playing"], "silence")
    heard = null_sound_card.wait_for_silence(since)[:, 0]
    checked = check_loop(heard, clip)

    # The next take is heard sooner.
    since = null_sound_card.recorded_frames
    generate(studio, screen)
    studio.wait_for(lambda: studio.status()["rows"] == 2, "the second take in the library")
    second = {
        "next_sound_ms": studio.status()["first_sound_ms"],
        "next_heard_after_seconds": round(seconds_until_heard(null_sound_card, since), 3),
    }
    report(
        {
            **first,
            **second,
            "max_stall_ms": stall,
            "next_max_stall_ms": studio.status()["max_stall_ms"],
            "frames_compared": checked,
        }
    )

    # Tag the first one, and find it again by its tag.
    screen.click(studio.row(row["id"]))
    screen.key("t")
    studio.wait_for(lambda: "tag_edit" in studio.widgets(), "the tag editor")
    screen.type("amen, dusty")
    screen.key("Return")
    studio.wait_for(lambda: [r["id"] for r in studio.rows("tag:amen")] == [row["id"]], "the tag")
    screen.key("ctrl+f")
    screen.type("tag:amen")
    studio.wait_for(lambda: studio.status()["rows"] == 1, "the search")
    photograph("4-found")

    # Drag it into the other program, which gets the library's file byte for byte.
    screen.drag(studio.row(row["id"]), DROP_PLACE)
    studio.wait_for(lambda: drop_target() is not None, "the drop")
    photograph("5-dropped")
    dropped = drop_target()
    assert dropped is not None
    assert dropped["action"] == "CopyAction"
    (file,) = dropped["files"]
    in_library = Path(row["path"]).read_bytes()
    assert file["sha256"] == hashlib.sha256(in_library).hexdigest()
    assert Path(file["path"]).read_bytes() == in_library
    assert file["path"] != row["path"]
    assert "174bpm" in Path(file["path"]).name

    # Quit, start again: everything is still there.
    screen.click(studio.place("search_box"))
    assert studio.quit() == 0
    studio.open()
    studio.wait_for(lambda: studio.status()["rows"] == 2, "both takes after the restart")
    photograph("6-again")
    (again,) = studio.rows("tag:amen tag:dusty")
    assert again["path"] == row["path"]
    assert Path(again["path"]).read_bytes() == in_library
    check = studio.run("library", "check")
    assert check.returncode == 0, check.stdout + check.stderr
    assert studio.quit() == 0

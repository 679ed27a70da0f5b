"""What a person does in the window, one step at a time."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.audio.clip import AudioClip
from tests.end_to_end.program import Studio
from tests.end_to_end.screen import Screen
from tests.playback.sound_card import NullSoundCard, find

DROP_PLACE = (1330, 825)
RATE = 32_000
_RAMP_FRAMES = 160


def type_prompt(studio: Studio, screen: Screen, prompt: str) -> None:
    """Replace the prompt."""
    screen.click(studio.place("prompt_edit"))
    screen.key("ctrl+a")
    screen.type(prompt)


def press_generate(studio: Studio, screen: Screen) -> None:
    """Click the button until the click has met it.

    A hint below the prompt may still appear or go away, and move the button under the pointer.
    """
    before = {name: studio.status()[name] for name in ("jobs", "rows", "banner")}
    place = studio.place("generate_button")
    screen.click(place)

    def pressed() -> bool:
        nonlocal place
        status = studio.status()
        if status["jobs"] and status["jobs"] != before["jobs"]:
            return True
        if status["rows"] != before["rows"] or (status["banner"] or "") not in (
            "",
            before["banner"],
        ):
            return True
        x, y, width, height = studio.widgets()["generate_button"]
        if not (x <= place[0] < x + width and y <= place[1] < y + height):
            place = studio.place("generate_button")
            screen.click(place)
        return False

    studio.wait_for(pressed, "a job after the click on Generate")


def generate(studio: Studio, screen: Screen) -> None:
    """Press Generate with the mouse and wait until the take is heard."""
    press_generate(studio, screen)
    studio.wait_for(
        lambda: studio.status()["first_sound_ms"] is not None or studio.status()["banner"],
        "the first sound",
    )
    assert studio.status()["banner"] is None


def tag(studio: Studio, screen: Screen, sample_id: int, tags: str) -> None:
    """Tag a row with the T key and wait until the library has it."""
    screen.click(studio.row(sample_id))
    studio.wait_for(lambda: studio.status()["selected_ids"] == [sample_id], "the selection")
    screen.key("t")
    studio.wait_for(lambda: "tag_edit" in studio.widgets(), "the tag editor")
    screen.type(tags)
    screen.key("Return")
    wanted = {word.strip() for word in tags.split(",")}
    studio.wait_for(
        lambda: any(row["id"] == sample_id and wanted <= set(row["tags"]) for row in studio.rows()),
        "the tags in the library",
    )


def search(studio: Studio, screen: Screen, query: str, rows: int) -> None:
    """Type into the search box and wait for the number of rows."""
    screen.key("ctrl+f")
    screen.key("ctrl+a")
    screen.type(query)
    studio.wait_for(lambda: studio.status()["rows"] == rows, f"{rows} rows for {query!r}")


def drag_out(
    studio: Studio,
    screen: Screen,
    sample_id: int,
    drop_target: Callable[[], dict[str, Any] | None],
) -> Path:
    """Drag a row of the library into the other program; see `drag_from`."""
    return drag_from(studio, screen, studio.row(sample_id), drop_target)


def drag_from(
    studio: Studio,
    screen: Screen,
    place: tuple[int, int],
    drop_target: Callable[[], dict[str, Any] | None],
) -> Path:
    """Drag what lies there into the other program, which must get one file; returns that file."""
    screen.drag(place, DROP_PLACE)
    studio.wait_for(lambda: drop_target() is not None, "the drop")
    dropped = drop_target()
    assert dropped is not None
    assert dropped["action"] == "CopyAction"
    (file,) = dropped["files"]
    content = Path(file["path"]).read_bytes()
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    return Path(file["path"])


def stop(studio: Studio, screen: Screen) -> None:
    """Press Space and wait until nothing plays."""
    screen.key("space")
    studio.wait_for(lambda: not studio.status()["playing"], "silence")


def hear_rounds(
    studio: Studio, screen: Screen, card: NullSoundCard, clip: AudioClip, *, attempts: int = 5
) -> int:
    """Let the loop that plays go round, stop it, and compare what was recorded with the clip.

    A machine that is busy otherwise may interrupt the sound, which the next attempt survives; a
    fault of the program comes back in every attempt.

    Returns:
        Attempts that it took.

    Raises:
        AssertionError: Every attempt differed.
    """
    for attempt in range(1, attempts + 1):
        since = card.recorded_frames
        time.sleep(3.2 * clip.duration_seconds + 0.5)
        assert studio.status()["playing"]
        stop(studio, screen)
        heard = card.wait_for_silence(since)[:, 0]
        try:
            rounds_heard(heard, clip)
        except AssertionError:
            if attempt == attempts:
                raise
            screen.key("space")
            studio.wait_for(lambda: studio.status()["playing"], "the sound again")
        else:
            break
    return attempt


def seconds_until_heard(card: NullSoundCard, since_frame: int, pressed_at: float) -> float:
    """From a press of the mouse, later than `since_frame`, to the first frame with sound."""
    deadline = time.monotonic() + 30
    while True:
        heard, now = card.recording(since_frame).any(axis=1), time.monotonic()
        if heard.any():
            return round(now - (len(heard) - int(np.argmax(heard))) / RATE - pressed_at, 3)
        assert now < deadline, "Nothing is heard."
        time.sleep(0.02)


def rounds_heard(heard: NDArray[np.float32], clip: AudioClip) -> int:
    """Compare what was heard before the stop [frames] with the clip, repeated again and again.

    The volume is taken from the sound itself, and the ramp of the stop is left out.

    Returns:
        Frames that were compared, two rounds and so at least one seam.

    Raises:
        AssertionError: A frame differs.
    """
    end = np.flatnonzero(heard)[-1] + 1 - 2 * _RAMP_FRAMES
    wanted = clip.samples[0]
    last = heard[end - 2 * clip.frames : end]
    length = min(8_000, clip.frames)
    energy = np.convolve(np.square(wanted), np.ones(length), "valid")
    loudest = int(np.argmax(energy))
    start = find(last[: clip.frames + length], wanted[loudest : loudest + length]) - loudest
    rounds = np.resize(np.roll(wanted, start), len(last))
    gain = float(last @ rounds) / float(rounds @ rounds)
    assert 0.01 < gain <= 1.0
    np.testing.assert_allclose(last, rounds * gain, atol=2e-6)
    return len(last)

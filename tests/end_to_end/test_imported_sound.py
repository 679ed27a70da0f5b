"""A sound from elsewhere goes through the window without any model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.audio.clip import AudioClip
from studio.audio.files import read_audio, write_wav
from tests.end_to_end.program import Studio
from tests.end_to_end.screen import Screen
from tests.end_to_end.steps import RATE, drag_out, hear_rounds, search, tag
from tests.playback.sound_card import NullSoundCard

pytestmark = pytest.mark.end_to_end


def write_sound(path: Path, seed: int) -> Path:
    """A second of noise bursts, different for each seed."""
    generator = np.random.default_rng(seed)
    fade = np.exp(-np.arange(RATE) % (RATE // 4) / 2_000)
    samples = (0.5 * fade * generator.uniform(-1, 1, RATE)).astype(np.float32)
    write_wav(path, AudioClip(samples=samples, sample_rate=RATE))
    return path


def test_an_import_is_heard_tagged_found_and_dragged_out(
    studio: Studio,
    screen: Screen,
    null_sound_card: NullSoundCard,
    drop_target: Callable[[], dict[str, Any] | None],
    photograph: Callable[[str], None],
    tmp_path: Path,
) -> None:
    sources = [write_sound(tmp_path / f"bursts {seed}.wav", seed) for seed in (1, 2)]
    done = studio.run("library", "import", *map(str, sources), "--json")
    assert done.returncode == 0, done.stderr
    first = next(row for row in studio.rows() if row["path"] == str(sources[0]))
    assert len(studio.rows()) == 2

    studio.open()
    studio.wait_for(lambda: studio.status()["rows"] == 2, "the imports")
    screen.click(studio.row(first["id"]))
    studio.wait_for(lambda: studio.status()["playing"], "the sound")
    photograph("1-looping")
    hear_rounds(studio, screen, null_sound_card, read_audio(sources[0]))

    tag(studio, screen, first["id"], "glitch, hat")
    search(studio, screen, "tag:glitch", rows=1)
    photograph("2-found")
    dropped = drag_out(studio, screen, first["id"], drop_target)
    assert dropped.read_bytes() == sources[0].read_bytes()
    assert studio.quit() == 0

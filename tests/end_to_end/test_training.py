"""A folder of sounds becomes a model that plays, by hand, through a kill of the window."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from studio.audio.clip import AudioClip
from tests.end_to_end.program import Studio
from tests.end_to_end.screen import Screen
from tests.end_to_end.steps import press_generate
from tests.generation.tiny_bundle import write_tiny_bundle

pytestmark = pytest.mark.end_to_end

RATE = 32_000
STEPS = 120


def write_loops(folder: Path) -> Path:
    """Twenty loops of a bar: a tone on each eighth."""
    folder.mkdir()
    for number in range(20):
        step = round(30 / (90 + 5 * number) * RATE)
        place = np.arange(8 * step) % step
        tone = np.sin(2 * np.pi * 55 * 2 ** (number / 12) * np.arange(8 * step) / RATE)
        samples = (0.5 * tone * np.exp(-place / 4000)).astype(np.float32)
        name = f"dusty_bass_{number:02}_{90 + 5 * number}bpm.wav"
        AudioClip(samples=samples, sample_rate=RATE).save(folder / name, subtype="PCM_16")
    (folder / "broken.wav").write_bytes(b"RIFF")
    return folder


def losses(studio: Studio) -> int:
    file = studio.data_dir / "models" / "training" / "loops" / "losses.jsonl"
    return file.read_text().count('"nats"') if file.exists() else 0


def choose(studio: Studio, screen: Screen, box: str, key: str) -> None:
    screen.click(studio.place(box))
    time.sleep(0.4)
    screen.key(key, "Return")


def test_a_folder_is_trained_on_killed_resumed_and_played(
    silent_studio: Studio, screen: Screen, tmp_path: Path, photograph: Callable[[str], None]
) -> None:
    studio = silent_studio
    loops = write_loops(tmp_path / "loops")
    tiny = write_tiny_bundle(tmp_path / "tiny")
    assert studio.run("models", "add", str(tiny), "--name", "tiny").returncode == 0
    studio.open()
    screen.key("ctrl+t")
    screen.click(studio.place("train_folder_edit"))
    screen.type(str(loops))
    choose(studio, screen, "train_size_combo", "Up")
    choose(studio, screen, "train_codec_combo", "Down")
    choose(studio, screen, "train_unit_combo", "Down")
    screen.click(studio.place("train_length_spin"))
    screen.key("ctrl+a")
    screen.type(str(STEPS))
    photograph("1-choices")
    screen.click(studio.place("train_scan_button"))
    studio.wait_for(lambda: "train_estimate" in studio.widgets(), "the estimate")
    studio.wait_for(lambda: studio.status()["training"] == "idle", "the end of the scan")
    photograph("2-estimate")
    screen.click(studio.place("train_start_button"))
    studio.wait_for(lambda: losses(studio) > 2, "the first steps")
    photograph("3-training")

    # Killed, it is there to go on with.
    assert studio.process is not None
    studio.process.kill()
    studio.process.wait()
    before = losses(studio)
    assert before < STEPS
    studio.open()
    screen.key("ctrl+t")
    choose(studio, screen, "train_stopped_combo", "Down")
    photograph("4-stopped")
    screen.click(studio.place("train_start_button"))
    studio.wait_for(lambda: "train_use_button" in studio.widgets(), "the model", seconds=600)
    photograph("5-done")
    listed = studio.run("models", "--json").stdout.splitlines()
    assert "loops" in [json.loads(line)["name"] for line in listed]
    assert losses(studio) == STEPS

    # It plays.
    screen.click(studio.place("train_use_button"))
    studio.wait_for(lambda: "train_dialog" not in studio.widgets(), "the window")
    press_generate(studio, screen)
    studio.wait_for(lambda: studio.status()["rows"] == 1, "a take of the new model", seconds=600)
    (row,) = studio.rows()
    assert row["model"] == "loops"
    assert studio.status()["banner"] is None

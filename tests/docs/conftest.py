"""The folder in which the examples of the pages run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studio.audio.clip import AudioClip
from tests.models.reference import Shape, build_model, save_model

COMMIT = "0123456789" * 4


@pytest.fixture(scope="session")
def melody_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of Hugging Face with a small random model under the name of a melody model."""
    cache = tmp_path_factory.mktemp("cache")
    repository = cache / "hub" / "models--facebook--musicgen-melody"
    save_model(build_model(Shape(kind="melody", layers=2)), repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT, encoding="ascii")
    return cache


@pytest.fixture
def things(tmp_path: Path, melody_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that examples name, in the current folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HF_HOME", str(melody_cache))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    time = np.arange(3 * 44_100) / 44_100
    for name, pitch in (("hum", 220.0), ("break", 80.0)):
        samples = 0.5 * np.sin(2 * np.pi * pitch * time) * np.exp(-(time % 0.5) * 8)
        AudioClip(samples=samples, sample_rate=44_100).save(folder / f"{name}.wav")
    lines = ["# slow", "dub 110 bpm", "", "# fast", "techno 130 bpm"]
    (folder / "prompts.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder

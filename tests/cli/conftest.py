"""The command line in this process, with an engine that answers at once, and as a program."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studio.__main__ import main
from studio.audio.clip import AudioClip
from studio.core.errors import CancelledError
from studio.generation.engine import Engine
from studio.generation.request import Chunk, GenerationRequest, Take

Studio = Callable[..., int]
Program = Callable[..., "subprocess.CompletedProcess[str]"]


def tone_take(request: GenerationRequest) -> Take:
    """A take of half a second whose pitch depends on the seed."""
    time = np.arange(16000) / 32000
    samples = 0.5 * np.sin(2 * np.pi * (220 + request.seed % 1000) * time)
    return Take(
        request=request,
        clip=AudioClip(samples=samples.astype(np.float32), sample_rate=32000),
        codes=np.full((4, 25), request.seed % 512, dtype=np.int64),
        model_hash="ab" * 32,
        tempo_bpm=request.tempo_bpm,
        bars=request.bars,
        key=request.key,
        seconds_taken=0.1,
    )


def write_tone(path: Path, seconds: float = 1.0) -> Path:
    """A sound of an A, at a rate and channel count of its own."""
    time = np.arange(round(seconds * 22_050)) / 22_050
    samples = np.tile(0.5 * np.sin(2 * np.pi * 440 * time), (2, 1))
    AudioClip(samples=samples, sample_rate=22_050).save(path)
    return path


@pytest.fixture
def tones(monkeypatch: pytest.MonkeyPatch) -> list[GenerationRequest]:
    """Every engine makes tones, `batch` at once; gives the list of what they were asked for."""
    asked: list[GenerationRequest] = []

    def generate_many(
        engine: Engine,
        requests: Sequence[GenerationRequest],
        *,
        batch: int,
        on_chunk: Callable[[int, Chunk], None],
        on_take: Callable[[int, Take], None],
        cancelled: Callable[[], bool],
    ) -> list[Take]:
        takes = []
        for first in range(0, len(requests), batch):
            together = requests[first : first + batch]
            takes += [tone_take(request) for request in together]
            for step in (5, 25):
                if cancelled():
                    raise CancelledError("Cancelled.")
                for place in range(first, len(takes)):
                    sound = takes[place].clip.samples[:, (step - 5) * 640 : step * 640]
                    on_chunk(
                        place,
                        Chunk(start_frame=0, samples=sound, done_steps=step, total_steps=25),
                    )
            for place in range(first, len(takes)):
                asked.append(requests[place])
                on_take(place, takes[place])
        return takes

    monkeypatch.setattr(Engine, "generate_many", generate_many)
    return asked


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A library of the test's own."""
    return tmp_path / "library"


@pytest.fixture
def studio(data_dir: Path) -> Studio:
    """Run `studio --data-dir <own> ...` in this process; gives the exit status."""
    return lambda *arguments: main(["--data-dir", str(data_dir), *map(str, arguments)])


@pytest.fixture
def program(data_dir: Path, repository: Path) -> Program:
    """Run `studio --data-dir <own> ...` as a program of its own."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "studio", "--data-dir", data_dir, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            cwd=repository,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    return run


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real model with random weights."""
    from tests.generation.tiny_bundle import write_tiny_bundle

    return write_tiny_bundle(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def own_bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the small model that a test may change."""
    folder: Path = shutil.copytree(tiny_bundle, tmp_path / "own")
    return folder


@pytest.fixture
def made_take(
    studio: Studio,
    own_bundle: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> tuple[Path, Path]:
    """Sample 1 of the library, made by `own_bundle`: one bar of two seconds, with its codes."""
    output = tmp_path / "take.wav"
    asked = ("--prompt", "dub", "--bpm", 120, "--bars", 1, "--seed", 7, "--model", own_bundle)
    assert studio("generate", *asked, "--output", output, "--codes") == 0
    capsys.readouterr()
    tone_take(GenerationRequest(prompt="")).clip.save(tmp_path / "imported.wav")
    return output, output.with_suffix(".npz")


@pytest.fixture
def rows(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """What `--json` has said since the last look."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]

"""The command line as a program, with a real model: what a script or a terminal sees."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from studio.audio.files import read_audio
from studio.audio.loudness import peak
from studio.library.library import Library

GENERATE = ("generate", "--prompt", "174 bpm jungle break, dark", "--bpm", 174, "--bars", 1)


def test_a_take_is_exact_repeatable_and_different_under_another_seed(
    program: Any, tiny_bundle: Path, data_dir: Path, tmp_path: Path
) -> None:
    outputs = [tmp_path / f"{name}.wav" for name in "abc"]
    for output, seed in zip(outputs, (7, 7, 8), strict=True):
        ended = program(
            *GENERATE, "--model", tiny_bundle, "--seed", seed, "--output", output, "--json"
        )
        assert ended.returncode == 0, ended.stderr
        assert ended.stderr == ""
        row = json.loads(ended.stdout)
        assert (row["frames"], row["bpm"], row["bars"]) == (44138, 174.0, 1)
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    assert outputs[0].read_bytes() != outputs[2].read_bytes()
    clip = read_audio(outputs[0])
    assert (clip.frames, clip.sample_rate) == (44138, 32000)
    assert peak(clip) <= 0.981
    with Library.open(data_dir) as library:
        assert library.count() == 3
        assert library.check(deep=True).ok


@pytest.mark.parametrize("broken", ["missing", "truncated", "config", "nothing"])
def test_a_broken_or_unknown_model_is_one_line(
    program: Any, tiny_bundle: Path, tmp_path: Path, broken: str
) -> None:
    bundle, output = tmp_path / "bundle", tmp_path / "out" / "x.wav"
    output.parent.mkdir()
    shutil.copytree(tiny_bundle, bundle)
    weights = bundle / "model.safetensors"
    if broken == "missing":
        weights.unlink()
    elif broken == "truncated":
        weights.write_bytes(weights.read_bytes()[:100_000])
    elif broken == "config":
        (bundle / "config.json").write_text("{", encoding="utf-8")
    else:
        shutil.rmtree(bundle)
    ended = program(*GENERATE, "--model", bundle, "--output", output)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("studio: ")
    assert ended.stderr.count("\n") == 1
    assert "bundle" in ended.stderr
    assert list(output.parent.iterdir()) == []


def start(arguments: list[str], repository: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "studio", *arguments],
        cwd=repository,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.slow
def test_kills_at_twenty_moments_lose_no_finished_take_and_leave_no_orphan(
    tiny_bundle: Path, data_dir: Path, repository: Path
) -> None:
    moments = random.Random(1)
    arguments = ["--data-dir", data_dir, *GENERATE, "--model", tiny_bundle, "--count", 1000]
    finished: set[str] = set()
    for seed in range(20):
        each = [*arguments, "--seed", seed * 1000, "--json"]
        with start([str(argument) for argument in each], repository) as running:
            assert running.stdout is not None
            finished.add(json.loads(running.stdout.readline())["path"])
            time.sleep(moments.uniform(0.0, 0.3))
            running.kill()
            rest = running.stdout.read().split("\n")[:-1]
            finished |= {json.loads(line)["path"] for line in rest}
            running.wait(120)
    with Library.open(data_dir) as library:
        kept = {str(library.path(record)) for record in library.search(limit=10_000)}
        assert kept >= finished
        assert library.check(deep=True).ok


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopping_in_the_middle_keeps_the_finished_takes_and_no_half_file(
    number: signal.Signals, tiny_bundle: Path, data_dir: Path, tmp_path: Path, repository: Path
) -> None:
    folder = tmp_path / "out"
    arguments = ["--data-dir", data_dir, *GENERATE, "--model", tiny_bundle, "--seed", 1]
    arguments += ["--count", 1000, "--output-dir", folder]
    with start([str(each) for each in arguments], repository) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        finished = [running.stdout.readline().strip() for _ in range(2)]
        time.sleep(0.05)
        running.send_signal(number)
        rest = running.stdout.read().split()
        said = running.stderr.read()
        status = running.wait(120)
    if number == signal.SIGINT:
        assert status == 130
        assert said == "studio: Interrupted; what was finished is kept.\n"
    written = sorted(folder.glob("[!.]*.wav"))
    assert {str(path) for path in written} >= {*finished, *rest}
    for path in written:
        assert read_audio(path).frames == 44138
    with Library.open(data_dir) as library:
        assert library.count() >= len(finished) + len(rest)
        assert library.check(deep=True).ok

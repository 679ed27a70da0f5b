from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from studio.core.errors import CancelledError, EngineError, InputError, ModelError
from studio.generation.coded_take import CodedTake
from studio.generation.engine import Engine
from studio.generation.engine_child import EngineOptions, Heard
from studio.generation.process import EngineProcess
from studio.generation.request import GenerationRequest
from studio.generation.worker import GenerationWorker

WAIT = 120.0


@pytest.fixture(scope="module")
def process(tiny_bundle: Path) -> Iterator[EngineProcess]:
    process = EngineProcess(options=EngineOptions(threads=1))
    yield process
    process.end()
    process.release()
    assert process.pid is None


def long_request(bundle: Path) -> GenerationRequest:
    """More than 4,000 steps."""
    return GenerationRequest(prompt="", model=str(bundle), tempo_bpm=187.5, bars=64)


def never() -> bool:
    return False


def ignore(heard: Heard) -> None:
    pass


def alive(pid: int) -> bool:
    """Whether the process still runs; a finished one that nobody reaped does not count."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in ("Z", "X")


def wait_until_dead(pid: int) -> None:
    deadline = time.monotonic() + WAIT
    while alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_process_makes_the_take_that_the_engine_makes(
    process: EngineProcess, tiny_bundle: Path
) -> None:
    request = GenerationRequest(
        prompt="jungle", model=str(tiny_bundle), seed=3, tempo_bpm=170.0, bars=1
    )
    heard: list[Heard] = []
    take = process.generate(1, request, heard.append, never)
    here = Engine().generate(request)
    assert np.array_equal(take.codes, here.codes)
    assert np.allclose(take.clip.samples, here.clip.samples, atol=1e-5)
    assert take.request == here.request
    assert heard[0].state == "loading"
    assert {each.state for each in heard[1:]} == {"running"}
    chunks = [each.chunk.samples for each in heard if each.chunk is not None]
    assert np.concatenate(chunks, axis=1).shape == take.clip.samples.shape


def test_a_take_of_known_codes_sounds_as_it_did(process: EngineProcess, tiny_bundle: Path) -> None:
    request = GenerationRequest(
        prompt="jungle", model=str(tiny_bundle), seed=3, tempo_bpm=170.0, bars=1
    )
    take = process.generate(11, request, ignore, never)
    heard: list[Heard] = []
    coded = CodedTake.of(take)
    again = process.generate(12, coded.request, heard.append, never, coded)
    assert np.array_equal(again.clip.samples, take.clip.samples)
    assert np.array_equal(again.codes, take.codes)
    assert (again.request, again.model_hash) == (take.request, take.model_hash)
    chunks = [each.chunk.samples for each in heard if each.chunk is not None]
    assert np.concatenate(chunks, axis=1).shape == take.clip.samples.shape


def test_codes_of_another_model_are_refused_there(
    process: EngineProcess, tiny_bundle: Path
) -> None:
    request = GenerationRequest(prompt="dub", model=str(tiny_bundle), max_steps=5)
    coded = CodedTake.of(process.generate(13, request, ignore, never))
    other = replace(coded, model_hash="ab" * 32)
    with pytest.raises(InputError, match="made by another"):
        process.generate(14, other.request, ignore, never, other)
    assert process.generate(15, coded.request, ignore, never, coded).codes.shape == (4, 5)


def test_the_model_stays_loaded(process: EngineProcess, tiny_bundle: Path) -> None:
    process.warm_up(str(tiny_bundle))
    pid = process.pid
    heard: list[Heard] = []
    request = GenerationRequest(prompt="", model=str(tiny_bundle), max_steps=2)
    process.generate(2, request, heard.append, never)
    assert heard[0].state == "running"
    assert process.pid == pid


def test_a_fault_of_the_model_comes_back_as_itself(process: EngineProcess) -> None:
    with pytest.raises(ModelError, match="no-such-model"):
        process.generate(3, GenerationRequest(prompt="", model="no-such-model"), ignore, never)


def test_cancelling_stops_the_job_and_keeps_the_process(
    process: EngineProcess, tiny_bundle: Path
) -> None:
    long = long_request(tiny_bundle)
    process.warm_up(str(tiny_bundle))
    pid = process.pid

    def cancel_at_first_sound(heard: Heard) -> None:
        if heard.chunk is not None:
            process.cancel(4)

    with pytest.raises(CancelledError):
        process.generate(4, long, cancel_at_first_sound, never)
    assert process.pid == pid


def test_a_job_that_was_cancelled_before_it_was_sent_does_not_run(
    process: EngineProcess, tiny_bundle: Path
) -> None:
    long = long_request(tiny_bundle)
    with pytest.raises(CancelledError):
        process.generate(5, long, ignore, lambda: True)


def test_a_killed_engine_is_reported_and_the_next_job_works(tiny_bundle: Path) -> None:
    worker = GenerationWorker(options=EngineOptions(threads=1))
    try:
        killed = threading.Event()

        def kill(progress: object) -> None:
            pid = worker.engine_pid()
            if getattr(progress, "chunk", None) is not None and pid and not killed.is_set():
                killed.set()
                os.kill(pid, signal.SIGKILL)

        long = long_request(tiny_bundle)
        first = worker.submit(long, kill)
        second = worker.submit(GenerationRequest(prompt="", model=str(tiny_bundle), max_steps=3))
        with pytest.raises(
            EngineError, match=r"stopped \(signal 9.*takes are kept.*Generate again"
        ):
            first.future.result(WAIT)
        assert second.future.result(WAIT).codes.shape == (4, 3)
        pid = worker.engine_pid()
        assert pid is not None
    finally:
        worker.close()
    assert worker.engine_pid() is None
    assert not alive(pid)


PARENT = """
import sys
from studio.generation.engine_child import EngineOptions
from studio.generation.request import GenerationRequest
from studio.generation.worker import GenerationWorker

if __name__ == "__main__":
    worker = GenerationWorker(options=EngineOptions(threads=1))

    def tell(progress):
        if progress.chunk is not None:
            print(worker.engine_pid(), flush=True)

    long = GenerationRequest(prompt="", model=sys.argv[1], tempo_bpm=187.5, bars=64)
    worker.submit(long, tell).future.result()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_the_engine_ends_with_its_parent(
    number: signal.Signals, tiny_bundle: Path, tmp_path: Path, repository: Path
) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT, encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, str(script), str(tiny_bundle)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(repository)},
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        parent.send_signal(number)
        parent.wait(WAIT)
        wait_until_dead(child)

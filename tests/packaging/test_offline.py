"""The program works without a network, because it never asks for one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# Python tells its audit hooks of every socket and every name to be looked up (PEP 578).
GUARD = """
import os, socket, sys

def refuse(event, arguments):
    internet = event == "socket.__new__" and arguments[1] in (socket.AF_INET, socket.AF_INET6)
    if internet or event in ("socket.connect", "socket.getaddrinfo", "urllib.Request"):
        os.write(2, f"asked for the network: {event} {arguments}".encode())
        os._exit(97)

sys.addaudithook(refuse)
"""


def guarded(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    repository = Path(__file__).resolve().parents[2]
    return subprocess.run(
        [sys.executable, "-c", GUARD + program],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(repository), "HF_HOME": str(folder / "hub")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_guard_notices_a_connection(tmp_path: Path) -> None:
    program = "socket.create_connection(('192.0.2.1', 80), timeout=1)"
    assert guarded(program, tmp_path).returncode == 97


def test_a_take_is_made_without_a_network(tmp_path: Path) -> None:
    program = """
from studio.__main__ import main
sys.exit(main(["--data-dir", "library", "generate", "--prompt", "house 124 bpm",
               "--max-steps", "20", "--seed", "1", "--output", "x.wav"]))
"""
    done = guarded(program, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "x.wav").stat().st_size > 1000


def test_a_model_that_is_not_here_is_not_fetched(tmp_path: Path) -> None:
    program = """
from studio.__main__ import main
sys.exit(main(["--data-dir", "library", "generate", "--prompt", "x", "--max-steps", "20",
               "--model", "facebook/musicgen-small", "--output", "x.wav"]))
"""
    done = guarded(program, tmp_path)
    assert done.returncode == 1, done.stderr
    assert "facebook/musicgen-small is not on this machine" in done.stderr
    assert not (tmp_path / "x.wav").exists()

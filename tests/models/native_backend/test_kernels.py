"""Where compiled code is kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from studio.models.native_backend import kernels

PROGRAM = (
    "from numba.core import config; from studio.models.native_backend.kernels import packing;"
    "print(config.CACHE_DIR)"
)


def test_code_of_older_sources_is_cleared_away(tmp_path: Path) -> None:
    old, recent = tmp_path / "old", tmp_path / "recent"
    for folder in (old, recent):
        folder.mkdir()
        (folder / "code").write_bytes(b"x")
    os.utime(old, (0, 0))
    own = kernels._kept_code(tmp_path)
    assert own.parent == tmp_path
    assert {each.name for each in tmp_path.iterdir()} == {own.name, "recent"}
    assert kernels._kept_code(tmp_path) == own


def test_without_a_place_to_keep_it_code_is_compiled_all_the_same(
    tmp_path: Path, repository: Path
) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "HOME": str(tmp_path / "cache"),
    }
    environment["TMPDIR"] = str(tmp_path)
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment, cwd=repository, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(finished.stdout.strip()).parent == tmp_path

"""Models in the local cache, for tests."""

from __future__ import annotations

from pathlib import Path


def store(cache: Path, repository: str, *names: str) -> Path:
    model = cache / f"models--{repository.replace('/', '--')}"
    snapshot = model / "snapshots" / "abc1234"
    snapshot.mkdir(parents=True)
    for name in names or ("config.json", "model.safetensors"):
        (snapshot / name).write_text("{}")
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text("abc1234")
    return snapshot

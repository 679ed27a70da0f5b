from __future__ import annotations

import logging
from pathlib import Path

import pytest

from studio.__main__ import main
from studio.core.paths import Paths
from studio.core.settings import Settings


def test_the_window_s_faults_reach_the_log_file_that_its_dialog_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[Paths, Settings]] = []

    def window(paths: Paths, settings: Settings) -> int:
        opened.append((paths, settings))
        logging.getLogger("studio.ui.application").critical("Unforeseen error")
        return 3

    monkeypatch.setattr("studio.ui.application.run", window)
    assert main(["--data-dir", str(tmp_path / "library")]) == 3
    ((paths, settings),) = opened
    assert settings == Settings()
    assert "Unforeseen error" in paths.log_file.read_text()

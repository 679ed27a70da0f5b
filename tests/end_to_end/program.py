"""The program as a person starts it, seen through its window and its sound."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from studio.core.paths import APP_NAME, kernels_dir
from tests.end_to_end.screen import Screen

# SEEDCRATE_TEST_PATIENCE=4 waits four times as long, for a machine that is busy otherwise.
_PATIENCE = float(os.environ.get("SEEDCRATE_TEST_PATIENCE", "1"))
_WAIT_SECONDS = 240.0
# The window writes its map ten times a second.
_MAP_SECONDS = 0.15


class Studio:
    """One data folder, and the programs that work on it.

    Attributes:
        data_dir: The library's folder.
        process: The window's process.
        model: The embedded model, or the bundle folder in SEEDCRATE_TEST_MODEL.
    """

    def __init__(self, folder: Path, screen: Screen, sound: dict[str, str]) -> None:
        self.data_dir = folder / "data"
        self.process: subprocess.Popen[str] | None = None
        self._screen = screen
        self._map = folder / "map.json"
        self._log = folder / "studio.log"
        home = folder / "home"
        home.mkdir()
        # Kernels are made for this processor once, not by every test.
        kernels_dir().mkdir(parents=True, exist_ok=True)
        cache = home / ".cache" / APP_NAME
        cache.mkdir(parents=True)
        (cache / "kernels").symlink_to(kernels_dir())
        kept = {"PATH", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH"}
        self._environment = {
            **{name: value for name, value in os.environ.items() if name in kept},
            "HOME": str(home),
            "QT_QPA_PLATFORM": "xcb",
            **screen.environment,
            **sound,
        }
        self.model = os.environ.get("SEEDCRATE_TEST_MODEL", "house")
        if self.model != "house":
            self.data_dir.mkdir()
            (self.data_dir / "settings.json").write_text(json.dumps({"model": self.model}))

    # --- the command line ----------------------------------------------------------------------

    def command(self, *arguments: str) -> list[str]:
        """A command of `studio` on this data folder."""
        return [sys.executable, "-P", "-m", "studio", "--data-dir", str(self.data_dir), *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a verb to its end."""
        return subprocess.run(
            self.command(*arguments),
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=300 * _PATIENCE,
        )

    def rows(self, query: str = "") -> list[dict[str, Any]]:
        """All that `studio library search QUERY --json` finds."""
        words = [query] if query else []
        done = self.run("library", "search", *words, "--limit", "100000", "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start a verb, or a second window, and do not wait for it."""
        return subprocess.Popen(
            self.command(*arguments), env=self._environment, text=True, **options
        )

    # --- the window ----------------------------------------------------------------------------

    def open(self) -> None:
        """Start the window and wait until it can be used."""
        self._map.unlink(missing_ok=True)
        with self._log.open("a") as log:
            self.process = subprocess.Popen(
                self.command(),
                env={**self._environment, "SEEDCRATE_UI_MAP": str(self._map)},
                stdout=log,
                stderr=log,
                text=True,
            )
        self.wait_for(lambda: "generate_button" in self.widgets(), "the window")

    def quit(self) -> int:
        """Close the window as a person does; returns the exit status."""
        assert self.process is not None
        self._screen.close_active_window()
        status = self.process.wait(60 * _PATIENCE)
        self.process = None
        return status

    def end(self) -> None:
        """End the window however it is."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def widgets(self) -> dict[str, list[int]]:
        """Rectangles [x, y, width, height] on the screen by object name."""
        widgets: dict[str, list[int]] = self._read_map().get("widgets", {})
        return widgets

    def status(self) -> dict[str, Any]:
        """What the window says of itself."""
        status: dict[str, Any] = self._read_map().get("status", {})
        return status

    def place(self, name: str) -> tuple[int, int]:
        """Middle of a widget on the screen, once it is there."""
        x, y, width, height = self._rectangle(name)
        return x + width // 2, y + height // 2

    def row(self, sample_id: int) -> tuple[int, int]:
        """A place on the name of a library row, once it is there."""
        x, y, _, height = self._rectangle(f"row:{sample_id}")
        return x + 40, y + height // 2

    def wait_for(
        self, condition: Callable[[], Any], what: str, *, seconds: float = _WAIT_SECONDS
    ) -> None:
        """Wait until `condition` holds."""
        deadline = time.monotonic() + seconds * _PATIENCE
        while not condition():
            ended = self.process is not None and self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                words = "the program has ended" if ended else f"not within {seconds:.0f} s"
                log = self._log.read_text()[-3_000:] if self._log.exists() else ""
                raise AssertionError(f"Waited for {what}: {words}.\n{self.status()}\n{log}")
            time.sleep(0.05)

    def _rectangle(self, name: str) -> list[int]:
        """Where a widget is, once it is there and has stopped moving."""
        seen: list[list[int] | None] = [None]

        def rests() -> bool:
            before, seen[0] = seen[0], self.widgets().get(name)
            time.sleep(_MAP_SECONDS)
            return seen[0] is not None and seen[0] == before

        self.wait_for(rests, name)
        assert seen[0] is not None
        return seen[0]

    def _read_map(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self._map.read_text())
        except FileNotFoundError:
            return {}
        return content

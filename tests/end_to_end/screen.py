"""A screen, a window manager and a hand, none of them mocked: Xvfb, openbox and xdotool."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Self

_NEEDED = ("Xvfb", "openbox", "xdotool", "import")
_PACE_SECONDS = 0.05


class Screen:
    """One virtual screen of its own, with a mouse and a keyboard.

    Attributes:
        environment: What a program needs to appear on it.
        clicked_at: When the last click was made, by time.monotonic.
    """

    def __init__(self, folder: Path, *, size: tuple[int, int] = (1440, 900)) -> None:
        missing = [name for name in _NEEDED if shutil.which(name) is None]
        if missing:
            raise RuntimeError(
                f"The end-to-end tests need {', '.join(missing)}: run "
                "`python3 packaging/dev.py test`, which installs them."
            )
        self._folder = folder
        self._size = size
        self._programs: list[subprocess.Popen[bytes]] = []
        self.environment: dict[str, str] = {}
        self.clicked_at = 0.0

    def __enter__(self) -> Self:
        read_end, write_end = os.pipe()
        width, height = self._size
        with (self._folder / "screen.log").open("ab") as log:
            # The server chooses a free number itself, so parallel runs never meet.
            server = subprocess.Popen(
                [
                    *("Xvfb", "-displayfd", str(write_end), "-nolisten", "tcp", "-noreset"),
                    *("-screen", "0", f"{width}x{height}x24", "-dpi", "96"),
                ],
                pass_fds=[write_end],
                stdout=log,
                stderr=log,
            )
            self._programs.append(server)
            os.close(write_end)
            with os.fdopen(read_end) as answer:
                number = answer.readline().strip()
            if not number:
                raise RuntimeError(
                    f"Xvfb did not start:\n{(self._folder / 'screen.log').read_text()}"
                )
            self.environment = {"DISPLAY": f":{number}"}
            settings = self._folder / "openbox"
            settings.mkdir()
            self._programs.append(
                subprocess.Popen(
                    ["openbox"],
                    env=self._environment() | {"XDG_CONFIG_HOME": str(settings)},
                    stdout=log,
                    stderr=log,
                )
            )
        self._wait_for_window_manager()
        return self

    def __exit__(self, *_: object) -> None:
        for program in reversed(self._programs):
            program.terminate()
            try:
                program.wait(10)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()

    def click(self, place: tuple[int, int]) -> None:
        """Move there and press the left button once."""
        self._hand("mousemove", "--sync", *map(str, place))
        time.sleep(_PACE_SECONDS)
        self.clicked_at = time.monotonic()
        self._hand("click", "1")
        time.sleep(_PACE_SECONDS)

    def key(self, *keys: str) -> None:
        """Press keys one after the other, in xdotool's names such as "ctrl+f"."""
        for key in keys:
            self._hand("key", "--clearmodifiers", key)
            time.sleep(_PACE_SECONDS)

    def type(self, text: str) -> None:
        """Type a text."""
        self._hand("type", "--clearmodifiers", "--delay", "15", text)
        time.sleep(_PACE_SECONDS)

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Press at `start`, move slowly to `end`, let go."""
        self._hand("mousemove", "--sync", *map(str, start))
        time.sleep(_PACE_SECONDS)
        self._hand("mousedown", "1")
        for nudge in range(1, 9):
            self._hand("mousemove", str(start[0] + 4 * nudge), str(start[1] + 2 * nudge))
            time.sleep(_PACE_SECONDS)
        for step in range(1, 13):
            x, y = (round(a + (b - a) * step / 12) for a, b in zip(start, end, strict=True))
            self._hand("mousemove", str(x), str(y))
            time.sleep(_PACE_SECONDS)
        self._hand("mousemove", str(end[0] + 3), str(end[1] + 3))
        time.sleep(0.3)
        self._hand("mouseup", "1")

    def active_window_title(self) -> str:
        """Title of the window that has the keyboard, "" for none."""
        done = self._run("xdotool", "getactivewindow", "getwindowname", check=False)
        return done.stdout.decode().strip()

    def close_active_window(self) -> None:
        """Close it as Alt+F4 does."""
        self.key("alt+F4")

    def photograph(self, path: Path) -> None:
        """Save what is on the screen as a PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._run("import", "-window", "root", str(path))

    def _hand(self, *arguments: str) -> None:
        self._run("xdotool", *arguments)

    def _run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command, env=self._environment(), check=check, capture_output=True, timeout=60
        )

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.environment}

    def _wait_for_window_manager(self) -> None:
        deadline = time.monotonic() + 30
        while self._run("xdotool", "get_desktop", check=False).returncode:
            if time.monotonic() > deadline:
                raise RuntimeError("The window manager did not start.")
            time.sleep(0.05)

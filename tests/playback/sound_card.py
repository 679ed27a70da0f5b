"""A real sound card without hardware: PulseAudio's null sink, recorded as it plays."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

_NEEDED = ("pulseaudio", "pactl", "parec")
_ALSA = """</usr/share/alsa/alsa.conf>
pcm.!default {{ type pulse {server} }}
ctl.!default {{ type pulse {server} }}
"""
# What the daemon writes when a stream that plays has nothing for it.
_UNDERRUN = b" underrun of "


class NullSoundCard:
    """One daemon of its own, so that several test runs never meet.

    It runs at the rate of the sounds under test and in float, so what is recorded is what was
    sent, sample for sample.

    Attributes:
        environment: What a program needs to find this card and no other.
    """

    def __init__(self, folder: Path, *, sample_rate: int = 32_000) -> None:
        missing = [name for name in _NEEDED if shutil.which(name) is None]
        if missing:
            raise RuntimeError(
                f"The sound tests need {', '.join(missing)}: run `python3 packaging/dev.py test`, "
                "which installs PulseAudio and its ALSA plugin."
            )
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._folder = folder
        self._sample_rate = sample_rate
        self._raw = folder / "recording.raw"
        self._log = folder / "pulseaudio.log"
        server = f"unix:{folder / 'native'}"
        alsa = folder / "asound.conf"
        alsa.write_text(_ALSA.format(server=f'server "{server}"'))
        self.environment = {
            "PULSE_SERVER": server,
            "PULSE_RUNTIME_PATH": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "ALSA_CONFIG_PATH": str(alsa),
        }
        self._daemon: subprocess.Popen[bytes] | None = None
        self._recorder: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Switch the card on and begin to record."""
        environment = {**os.environ, **self.environment, "HOME": str(self._folder)}
        sink = "module-null-sink sink_name=studio format=float32le channels=2"
        protocol = "module-native-protocol-unix auth-anonymous=1"
        daemon = [
            *("pulseaudio", "-n", "--daemonize=no", "--system=false", "--use-pid-file=no"),
            *("--exit-idle-time=-1", "--disable-shm=true", "--high-priority=true"),
            "--log-level=debug",
            *("-L", f"{sink} rate={self._sample_rate}"),
            *("-L", f"{protocol} socket={self._folder / 'native'}"),
        ]
        recorder = [
            *("parec", "-d", "studio.monitor", "--format=float32le", "--channels=2"),
            *(f"--rate={self._sample_rate}", "--latency-msec=20"),
        ]
        with self._log.open("ab") as log:
            self._daemon = subprocess.Popen(daemon, env=environment, stdout=log, stderr=log)
            deadline = time.monotonic() + 20
            while subprocess.run(
                ["pactl", "info"], env=environment, capture_output=True
            ).returncode:
                if time.monotonic() > deadline or self._daemon.poll() is not None:
                    text = self._log.read_text(errors="replace")
                    raise RuntimeError(f"PulseAudio did not start:\n{text}")
                time.sleep(0.05)
            # A listener with a short buffer also makes the sink take sound steadily: alone, it
            # would take two seconds at a time.
            with self._raw.open("ab") as raw:
                self._recorder = subprocess.Popen(recorder, env=environment, stdout=raw, stderr=log)
        before = self.recorded_frames
        while self.recorded_frames == before:
            if time.monotonic() > deadline:
                raise RuntimeError("The null sink's monitor gives no sound.")
            time.sleep(0.02)

    def stop(self) -> None:
        """Switch the card off, as if its cable were pulled."""
        for process in (self._recorder, self._daemon):
            if process is not None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self._recorder = self._daemon = None

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """The daemon gets no time, as on a machine that does much else."""
        assert self._daemon is not None
        self._daemon.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._daemon.send_signal(signal.SIGCONT)

    @property
    def underruns(self) -> int:
        """Gaps that the daemon says it played because a stream had nothing for it in time.

        ALSA's plugin for PulseAudio takes an underrun back when more sound reaches it before
        PortAudio asks, so the player counts fewer than are heard.
        """
        return self._log.read_bytes().count(_UNDERRUN)

    @property
    def recorded_frames(self) -> int:
        """Frames recorded so far; a mark to cut the recording at."""
        return self._raw.stat().st_size // 8 if self._raw.exists() else 0

    def recording(self, since_frame: int = 0) -> NDArray[np.float32]:
        """What was heard: float32 [frames, 2]."""
        data = self._raw.read_bytes()
        whole = np.frombuffer(data[: len(data) // 8 * 8], np.float32).reshape(-1, 2)
        return whole[since_frame:]

    def wait_for_silence(
        self, since_frame: int = 0, *, seconds: float = 0.3
    ) -> NDArray[np.float32]:
        """The recording once something was heard and then nothing for `seconds`."""
        quiet = int(seconds * self._sample_rate)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            heard = self.recording(since_frame)
            sounding = np.flatnonzero(np.abs(heard).max(axis=1))
            if len(sounding) and len(heard) - sounding[-1] > quiet:
                return heard
            time.sleep(0.05)
        raise AssertionError("The sound did not come, or did not end, within a minute.")


def find(sound: NDArray[np.float32], needle: NDArray[np.float32]) -> int:
    """First frame of `sound` [frames] where `needle` [frames] fits best.

    Rounds of a loop fit equally well, but for the rounding of the transforms, which must not
    choose between them.
    """
    size = 1 << (len(sound) + len(needle)).bit_length()
    wanted = needle.astype(np.float64)
    product = np.fft.rfft(sound.astype(np.float64), size) * np.conj(np.fft.rfft(wanted, size))
    match = np.fft.irfft(product, size)[: max(1, len(sound) - len(needle) + 1)]
    return int(np.argmax(match >= match.max() - 1e-9 * (wanted @ wanted)))

"""The sound card, as a ring of frames that drains in real time.

Owns every call to sounddevice and rtmixer. The device's callback is rtmixer's, in C: it reads
the ring and touches no Python object, so neither the interpreter lock nor a busy window can
make it late. It knows no voices.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studio.core.errors import DeviceError

_STALL_SECONDS = 5.0
_LIST_KEPT_SECONDS = 5.0
_ASK_SECONDS = 0.25
# Sound servers swallow a few milliseconds while a stream joins their mix.
_LEAD_IN_SECONDS = 0.03
_MISSING_LIBRARY = (
    "Sound needs the PortAudio library, which is not on this machine: install it (Debian: "
    "apt install libportaudio2) and start Seedcrate again; generating and exporting still work."
)
_NO_DEVICE = (
    "No sound card was found: connect or switch on an output device and press play again; "
    "generating and exporting still work."
)

_portaudio_lock = threading.Lock()
_open_streams = 0
_listed_at = -math.inf


class OutputDevice:
    """An open output stream fed through a ring buffer.

    One thread writes. Counts are in frames since the stream was opened.

    Attributes:
        asked_rate: The rate it was opened for, in Hz.
        sample_rate: The stream's rate in Hz; differs when the device refused the asked one.
        channels: 1 or 2.
        name: The device's name.
        latency_seconds: Time between the ring and the speaker.
        written: Frames put in the ring.
        restarts: Times the ring ran dry although more was meant to come.
    """

    def __init__(
        self,
        *,
        sample_rate: int,
        device: int | str | None = None,
        ahead_seconds: float,
        latency_seconds: float,
    ) -> None:
        """Open the device at `sample_rate`, or at its own rate when it refuses that one.

        Args:
            sample_rate: Wanted rate in Hz.
            device: PortAudio's index, a part of its name, or None for the default output.
            ahead_seconds: Seconds of sound the ring must be able to hold.
            latency_seconds: Buffer wanted inside the device.

        Raises:
            DeviceError: There is no device, or it refused the sound.
        """
        global _open_streams
        with _portaudio_lock:
            sounddevice, rtmixer = _libraries()
            info = _device_info(sounddevice, device)
            self.name = str(info["name"])
            self.channels = min(2, int(info["max_output_channels"]))
            self._mixer, self.sample_rate = self._open(
                sounddevice,
                rtmixer,
                info,
                dict.fromkeys((sample_rate, int(info["default_samplerate"]))),
                latency_seconds,
            )
            _open_streams += 1
        self.latency_seconds = float(self._mixer.latency)
        self.written = 0
        self.restarts = 0
        self._action: Any = None
        self._underflows_of_past_actions = 0
        capacity = 1 << max(
            10, int(2 * (ahead_seconds + latency_seconds) * self.sample_rate).bit_length()
        )
        self.asked_rate = sample_rate
        self._ring = rtmixer.RingBuffer(4 * self.channels, capacity)
        self._progress = (0, time.monotonic())
        self._asked_at = -math.inf
        self._stopped = False
        lead_in = round(_LEAD_IN_SECONDS * self.sample_rate)
        self.write(np.zeros((lead_in, self.channels), np.float32), continuing=False)

    @property
    def queued(self) -> int:
        """Frames in the ring that the device has not taken yet."""
        return _available(self._ring)

    @property
    def room(self) -> int:
        """Frames that fit in the ring."""
        return len(self._ring) - self.queued

    @property
    def consumed(self) -> int:
        """Frames the device has really taken."""
        return self.written - self.queued

    @property
    def heard(self) -> int:
        """Frames that have left the device's own buffer too."""
        return self.consumed - round(self.latency_seconds * self.sample_rate)

    @property
    def underruns(self) -> int:
        """Gaps in the sound: the ring ran dry, or the device reported that it was late."""
        running = 0 if self._action is None else int(self._action.stats.output_underflows)
        return self.restarts + self._underflows_of_past_actions + running

    def write(self, block: NDArray[np.float32], *, continuing: bool) -> None:
        """Queue float32 [frames, channels].

        Args:
            block: At most `room` frames.
            continuing: The frames follow on the last ones without a pause, so a ring that has
                run dry in between is counted as an underrun.
        """
        if not len(block):
            return
        self._ring.write(np.ascontiguousarray(block, np.float32))
        self.written += len(block)
        if self._action is not None and self._has_ended(self._action):
            self._underflows_of_past_actions += int(self._action.stats.output_underflows)
            self._action = None
            self.restarts += continuing
        if self._action is None:
            self._action = self._mixer.play_ringbuffer(self._ring)

    def is_lost(self) -> bool:
        """The stream has ended by itself, or has taken nothing of what is queued for seconds."""
        now = time.monotonic()
        consumed = self.consumed
        if consumed != self._progress[0] or consumed == self.written:
            self._progress = (consumed, now)
        if now - self._asked_at > _ASK_SECONDS:
            self._asked_at = now
            self._stopped = not self._mixer.active
        return self._stopped or now - self._progress[1] > _STALL_SECONDS

    def close(self) -> None:
        """Give the device back at once; queued frames are dropped."""
        global _open_streams
        with _portaudio_lock:
            self._mixer.abort(ignore_errors=True)
            self._mixer.close(ignore_errors=True)
            _open_streams -= 1

    def _has_ended(self, action: Any) -> bool:
        """The callback found the ring dry; it says so in its queue of results."""
        return _available(self._mixer._result_q) > 0 and action not in self._mixer.actions

    def _open(
        self,
        sounddevice: Any,
        rtmixer: Any,
        info: Any,
        rates: Iterable[int],
        latency_seconds: float,
    ) -> tuple[Any, int]:
        """A running stream at the first of `rates` that the device takes."""
        refusals: list[Exception] = []
        for rate in rates:
            mixer: Any = None
            try:
                mixer = rtmixer.Mixer(
                    device=int(info["index"]),
                    channels=self.channels,
                    samplerate=rate,
                    latency=latency_seconds,
                    extra_settings=_host_settings(sounddevice, info),
                )
                mixer.start()
            except sounddevice.PortAudioError as error:
                refusals.append(error)
                if mixer is not None:
                    mixer.close(ignore_errors=True)
            else:
                return mixer, rate
        _forget_devices()
        raise DeviceError(
            f'The sound card "{self.name}" refused to play ({_reason(refusals[-1])}): close the '
            "program that holds it or choose another output, then press play again."
        ) from refusals[-1]


def _available(ring: Any) -> int:
    """Elements that wait in a ring.

    The same as its `read_available`, but read from its fields: a call into C lets go of the
    interpreter lock, and a busy window would then make the feeder wait for it again and again.
    """
    fields = ring._ptr
    return int((fields.writeIndex - fields.readIndex) & fields.bigMask)


def _libraries() -> tuple[Any, Any]:
    """The two libraries, with a list of devices that is seconds old at most.

    WORKAROUND: PortAudio lists devices only while it initialises, which must not happen under
    an open stream (https://github.com/PortAudio/portaudio/issues/11).
    """
    global _listed_at
    first = "sounddevice" not in sys.modules
    try:
        # Loading them loads PortAudio, which may be missing: then only sound is.
        import rtmixer
        import sounddevice
    except (OSError, ImportError) as error:
        raise DeviceError(_MISSING_LIBRARY) from error
    now = time.monotonic()
    if not first and not _open_streams and now - _listed_at > _LIST_KEPT_SECONDS:
        try:
            if sounddevice._initialized:
                sounddevice._terminate()
            sounddevice._initialize()
        except sounddevice.PortAudioError as error:
            raise DeviceError(_NO_DEVICE) from error
    _listed_at = now
    return sounddevice, rtmixer


def _forget_devices() -> None:
    global _listed_at
    _listed_at = -math.inf


def _device_info(sounddevice: Any, device: int | str | None) -> Any:
    try:
        info = sounddevice.query_devices(device, "output")
    except (sounddevice.PortAudioError, ValueError) as error:
        _forget_devices()
        if device is None:
            raise DeviceError(_NO_DEVICE) from error
        raise DeviceError(
            f'There is no output device "{device}": choose another one, or none for the default.'
        ) from error
    if info["max_output_channels"] < 1:
        raise DeviceError(
            f'"{info["name"]}" has no outputs: choose another one, or none for the default.'
        )
    return info


def _host_settings(sounddevice: Any, info: Any) -> Any:
    """Let Windows convert rates, which shared WASAPI otherwise refuses."""
    if sounddevice.query_hostapis(info["hostapi"])["name"] == "Windows WASAPI":
        return sounddevice.WasapiSettings(auto_convert=True)
    return None


def _reason(error: Exception) -> str:
    """PortAudio's own words, without our prefix and its number."""
    return str(error).splitlines()[0].split(": ")[-1].split(" [")[0]

"""The thread between the voices and the device.

Owns the open device, the mix, and the thread that keeps the device's ring a little ahead. What
is asked of it comes from the player; it never reads files and never calls into a window.
"""

from __future__ import annotations

import bisect
import threading
import time
from collections.abc import Callable

import numpy as np

from studio.core.errors import DeviceError
from studio.playback.device import OutputDevice
from studio.playback.mixer import Mix, Segment, Voice

_TICK_SECONDS = 0.01
_IDLE_SECONDS = 30.0
_LOST = (
    'The sound card "{name}" stopped answering: connect it again or choose another output, then '
    "press play again; nothing else was interrupted."
)


class Feeder:
    """Keeps an open device fed with what the mix renders.

    Every attribute is read and changed under `state`, which the player shares. Opening is done
    outside it, by one thread at a time.

    Attributes:
        state: The lock; notified when there is something new to do.
        mix: What sounds.
        error: Why the last sound stopped by itself.
    """

    def __init__(
        self,
        device: int | str | None,
        *,
        ahead_seconds: float,
        latency_seconds: float,
        on_error: Callable[[DeviceError], None] | None,
    ) -> None:
        self.state = threading.Condition()
        self.mix = Mix(sample_rate=1, channels=2)
        self.error: DeviceError | None = None
        self._device_choice = device
        self._ahead_seconds = ahead_seconds
        self._latency_seconds = latency_seconds
        self._on_error = on_error
        self._device: OutputDevice | None = None
        self._leaving: list[tuple[OutputDevice, float]] = []
        self._gain = 1.0
        self._segments: list[Segment] = []
        self._end_frame = 0
        self._gapless = False
        self._silence_owed = 0
        self._underruns_of_past_devices = 0
        self._idle_since = time.monotonic()
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def device(self) -> OutputDevice | None:
        """The open device."""
        return self._device

    @property
    def underruns(self) -> int:
        """Gaps so far."""
        running = 0 if self._device is None else self._device.underruns
        return self._underruns_of_past_devices + running

    @property
    def sounding(self) -> bool:
        """Something is heard, or will be as soon as it arrives."""
        if self.mix.current is not None:
            return True
        return self._device is not None and self._device.heard < self._end_frame

    def set_gain(self, gain: float) -> None:
        """Move to a linear gain."""
        self._gain = gain
        self.mix.set_gain(gain, at_once=not self.mix.sounding)

    def stop(self) -> None:
        """Ramp out what is heard."""
        self.mix.switch(None)
        self._end_frame = 0
        self.state.notify_all()

    def segment_now(self) -> tuple[Segment | None, int]:
        """The segment that is heard, and how far into it."""
        device = self._device
        if device is None or not self._segments:
            return None, 0
        heard = device.heard
        current = self.mix.current
        if current is None and heard >= self._end_frame:
            return None, 0
        index = bisect.bisect_right(self._segments, heard, key=lambda s: s.output_frame) - 1
        if index < 0:
            return None, 0
        segment = self._segments[index]
        if current is not None and current.source.sound is not segment.source.sound:
            return None, 0  # What was heard before has not died away yet.
        return segment, min(heard - segment.output_frame, segment.frames)

    def open_for(self, sample_rate: int) -> OutputDevice:
        """The device at a rate it takes for `sample_rate`, opened when needed.

        Raises:
            DeviceError: There is no device, or it refused.
        """
        with self.state:
            if self._closed:
                raise DeviceError("The player is closed: start Seedcrate again to hear sound.")
            device = self._device
            if device is not None and not device.is_lost():
                if sample_rate in (device.sample_rate, device.asked_rate):
                    return device
                self._let_go(drain=True)
            else:
                self._let_go(drain=False)
        opened = self._open(sample_rate)
        with self.state:
            self.error = None
            self._device = opened
            self.mix = Mix(sample_rate=opened.sample_rate, channels=opened.channels)
            self.mix.set_gain(self._gain, at_once=True)
            self._end_frame = 0
            self._gapless = False
            self._silence_owed = 0
            self._idle_since = time.monotonic()
            if self._thread is None:
                self._thread = threading.Thread(target=self._feed, name="playback", daemon=True)
                self._thread.start()
            self.state.notify_all()
        return opened

    def switch(self, device: OutputDevice, voice: Voice) -> None:
        """Ramp out what is heard and ramp in `voice`, made for `device`.

        Raises:
            DeviceError: The device was lost in the meantime.
        """
        with self.state:
            if self._device is not device:
                raise self.error or DeviceError(_LOST.format(name=device.name))
            self.mix.switch(voice)
            self.state.notify_all()

    def close(self) -> None:
        """Let what is heard ramp out, give the device back and end the thread."""
        with self.state:
            self.stop()
            self._closed = True
            self.state.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _open(self, sample_rate: int) -> OutputDevice:
        def attempt() -> OutputDevice:
            return OutputDevice(
                sample_rate=sample_rate,
                device=self._device_choice,
                ahead_seconds=self._ahead_seconds,
                latency_seconds=self._latency_seconds,
            )

        try:
            return attempt()
        except DeviceError:
            with self.state:
                leaving, self._leaving = self._leaving, []
            if not leaving:
                raise
            for device, _ in leaving:
                device.close()
            return attempt()

    def _let_go(self, *, drain: bool) -> None:
        """Part from the device; with `drain`, once its last frames have been heard."""
        device, self._device = self._device, None
        if device is None:
            return
        self._underruns_of_past_devices += device.underruns
        if drain:
            self.mix.switch(None)
            block, _ = self.mix.render(device.room, output_frame=device.written)
            device.write(block, continuing=False)
            seconds = device.queued / device.sample_rate + 2 * device.latency_seconds
            self._leaving.append((device, time.monotonic() + seconds))
        else:
            device.close()
        self.mix = Mix(sample_rate=1, channels=2)
        self._segments = []

    def _feed(self) -> None:
        """The feeder thread: keep the ring `ahead_seconds` full, close what is not needed."""
        while True:
            lost: DeviceError | None = None
            with self.state:
                self._close_drained()
                if self._closed and self._is_silent():
                    self._let_go(drain=False)
                    return
                device = self._device
                if device is not None and device.is_lost():
                    lost = self.error = DeviceError(_LOST.format(name=device.name))
                    self._let_go(drain=False)
                elif device is not None:
                    self._fill(device)
                    self._rest(device)
                else:
                    self.state.wait(_TICK_SECONDS if self._leaving else _IDLE_SECONDS)
            if lost is not None and self._on_error is not None:
                self._on_error(lost)

    def _fill(self, device: OutputDevice) -> None:
        ahead = int(self._ahead_seconds * device.sample_rate)
        filling = int(device.latency_seconds * device.sample_rate)
        if device.consumed < 2 * filling:
            ahead += filling  # A fresh device takes its whole buffer at once.
        wanted = ahead - device.queued
        if wanted <= 0:
            return
        current = self.mix.current
        block, segments = self.mix.render(
            wanted,
            output_frame=device.written,
            to_the_end=self._gapless and device.queued < ahead // 3,
        )
        if len(block) == 0:
            self._play_out(device)
            return
        device.write(block, continuing=self._gapless)
        self._gapless = current is not None and not current.waiting and not current.ended
        self._silence_owed = filling
        if segments:
            self._end_frame = segments[-1].output_frame + segments[-1].frames
            self._segments.extend(segments)
            past = device.consumed - 2 * device.sample_rate
            keep = bisect.bisect_left(self._segments, past, key=lambda s: s.output_frame)
            del self._segments[: min(keep, len(self._segments) - 1)]

    def _play_out(self, device: OutputDevice) -> None:
        """Push the last frames out of the device's own buffer with silence, a little at a time."""
        piece = int(2 * _TICK_SECONDS * device.sample_rate)
        if self._silence_owed > 0 and device.queued < piece:
            device.write(np.zeros((piece, device.channels), np.float32), continuing=False)
            self._silence_owed -= piece

    def _rest(self, device: OutputDevice) -> None:
        """Wait until there is something to do; give an idle device back."""
        now = time.monotonic()
        if self.mix.sounding or device.queued or self._silence_owed > 0 or self._leaving:
            self._idle_since = now
            self.state.wait(_TICK_SECONDS)
        elif now - self._idle_since > _IDLE_SECONDS:
            self._let_go(drain=False)
        elif not self._closed:
            self.state.wait(_IDLE_SECONDS)

    def _is_silent(self) -> bool:
        device = self._device
        if device is None:
            return not self._leaving
        quiet = not self.mix.sounding and not device.queued and self._silence_owed <= 0
        return quiet and not self._leaving

    def _close_drained(self) -> None:
        now = time.monotonic()
        for entry in [entry for entry in self._leaving if entry[1] <= now]:
            self._leaving.remove(entry)
            entry[0].close()

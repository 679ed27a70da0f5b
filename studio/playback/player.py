"""Play, loop, stop, seek: the sound card as the rest of the program sees it.

Owns the feeder thread that keeps the device's ring a little ahead. Every public method may be
called from any thread and returns at once; opening a device takes some milliseconds. It never
reads files and never calls into a window.
"""

from __future__ import annotations

import bisect
import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from studio.audio.clip import AudioClip
from studio.core.errors import DeviceError
from studio.playback.device import OutputDevice
from studio.playback.mixer import Mix, Segment, Voice, gain_from_db
from studio.playback.sources import ClipSource, GrowingSource

AHEAD_SECONDS = 0.15
# PulseAudio converting rates was measured to lose frames with buffers of 0.05 to 0.08 s.
LATENCY_SECONDS = 0.1
_TICK_SECONDS = 0.01
_IDLE_SECONDS = 30.0
_LOST = (
    'The sound card "{name}" stopped answering: connect it again or choose another output, then '
    "press play again; nothing else was interrupted."
)


class StreamVoice:
    """A sound that is heard while it is being made; see `Player.stream`."""

    def __init__(self, player: Player, source: GrowingSource) -> None:
        self._player = player
        self._source = source

    @property
    def active(self) -> bool:
        """It is still what the player plays."""
        return self._player._is_heard(self._source)

    def push(self, samples: NDArray[np.float32]) -> None:
        """Add float32 [channels, frames] at the rate given to `Player.stream`."""
        self._player._push(self._source, np.atleast_2d(np.asarray(samples, np.float32)))

    def finish(self, clip: AudioClip | None = None) -> None:
        """Say that nothing follows.

        Args:
            clip: The finished sound, which may differ from what was pushed: playing goes on in
                it from the same position, and loops if that was asked for.
        """
        self._player._finish(self._source, clip)


class Player:
    """The sound card.

    Attributes:
        error: Why the last sound stopped by itself, None when all is well.
    """

    def __init__(
        self,
        device: int | str | None = None,
        *,
        ahead_seconds: float = AHEAD_SECONDS,
        latency_seconds: float = LATENCY_SECONDS,
        on_error: Callable[[DeviceError], None] | None = None,
    ) -> None:
        """Nothing is opened yet.

        Args:
            device: PortAudio's index, a part of its name, or None for the default output.
            ahead_seconds: Sound kept ready in the ring. More survives a busier machine, less
                reacts faster.
            latency_seconds: Buffer wanted inside the device.
            on_error: Called on the feeder's thread when the device is lost while playing.
        """
        self.error: DeviceError | None = None
        self._device_choice = device
        self._ahead_seconds = ahead_seconds
        self._latency_seconds = latency_seconds
        self._on_error = on_error
        self._opening = threading.Lock()
        self._state = threading.Condition()
        self._device: OutputDevice | None = None
        self._leaving: list[tuple[OutputDevice, float]] = []
        self._mix = Mix(sample_rate=1, channels=2)
        self._gain = 1.0
        self._segments: list[Segment] = []
        self._end_frame = 0
        self._gapless = False
        self._silence_owed = 0
        self._underruns_of_past_devices = 0
        self._idle_since = time.monotonic()
        self._closed = False
        self._thread: threading.Thread | None = None

    def prepare(self, sample_rate: int) -> None:
        """Open the device ahead of the first sound, so that `play` need not.

        Raises:
            DeviceError: There is no device, or it refused.
        """
        with self._opening:
            self._open_for(sample_rate)

    def play(self, clip: AudioClip, *, loop: bool, start_frame: int = 0) -> None:
        """Switch to a clip, with a ramp out of what was heard.

        Args:
            clip: The sound.
            loop: Start again at its end, without a gap.
            start_frame: Where to begin, in the clip's frames.

        Raises:
            DeviceError: There is no device, or it refused.
        """
        with self._opening:
            device = self._open_for(clip.sample_rate)
            source = ClipSource(clip, device.sample_rate)
            start = min(max(0, source.from_clip_frame(start_frame)), source.frames)
            self._switch(device, Voice(source, position=start, loop=loop))

    def stream(self, sample_rate: int, channels: int, *, loop: bool = False) -> StreamVoice:
        """Switch to a sound that will arrive in pieces; it starts with the first 0.25 seconds.

        When the pieces come too slowly it ramps out, waits and ramps in again.

        Args:
            sample_rate: Rate of the pieces, in Hz.
            channels: Channels of the pieces.
            loop: Go on from the start once `StreamVoice.finish` was called and the end reached.

        Raises:
            DeviceError: There is no device, or it refused.
        """
        with self._opening:
            device = self._open_for(sample_rate)
            source = GrowingSource(device.sample_rate, sample_rate, channels)
            self._switch(device, Voice(source, position=0, loop=loop))
        return StreamVoice(self, source)

    def stop(self) -> None:
        """Ramp out what is heard."""
        with self._state:
            self._mix.switch(None)
            self._end_frame = 0
            self._state.notify_all()

    def seek(self, frame: int) -> None:
        """Go on from another position of the sound that plays, in its own frames."""
        with self._state:
            current = self._mix.current
            if current is None:
                return
            source = current.source
            start = min(max(0, source.from_clip_frame(frame)), source.frames)
            self._mix.switch(Voice(source, position=start, loop=current.loop))
            self._state.notify_all()

    def set_loop(self, loop: bool) -> None:
        """Loop, or play to the end, the sound that plays."""
        with self._state:
            if self._mix.current is not None:
                self._mix.current.loop = loop

    def set_volume_db(self, gain_db: float) -> None:
        """Move to a volume over 20 ms; minus infinity is silence."""
        with self._state:
            self._gain = gain_from_db(gain_db)
            self._mix.set_gain(self._gain, at_once=not self._mix.sounding)

    @property
    def playing(self) -> bool:
        """Something is being heard, or will be as soon as it arrives."""
        with self._state:
            if self._mix.current is not None:
                return True
            return self._device is not None and self._device.heard < self._end_frame

    @property
    def position_frame(self) -> int | None:
        """Frame of the sound that leaves the device now, in its own rate; None when silent."""
        with self._state:
            segment, offset = self._segment_now()
            if segment is None:
                return None
            return segment.source.to_clip_frame(segment.source_frame + offset)

    @property
    def peak_level(self) -> float:
        """Largest absolute sample heard just now, full scale 1."""
        with self._state:
            segment, offset = self._segment_now()
            return 0.0 if segment is None or offset >= segment.frames else segment.peak

    @property
    def underruns(self) -> int:
        """Gaps since the player was made."""
        with self._state:
            running = 0 if self._device is None else self._device.underruns
            return self._underruns_of_past_devices + running

    @property
    def device_name(self) -> str | None:
        """The open device, None when none is."""
        device = self._device
        return None if device is None else device.name

    def close(self) -> None:
        """Ramp out, give the device back and end the thread."""
        self.stop()
        with self._state:
            self._closed = True
            self._state.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _open_for(self, sample_rate: int) -> OutputDevice:
        """The device at a rate it takes for `sample_rate`, opened when needed."""
        with self._state:
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
        with self._state:
            self.error = None
            self._device = opened
            self._mix = Mix(sample_rate=opened.sample_rate, channels=opened.channels)
            self._mix.set_gain(self._gain, at_once=True)
            self._end_frame = 0
            self._gapless = False
            self._silence_owed = 0
            self._idle_since = time.monotonic()
            if self._thread is None:
                self._thread = threading.Thread(target=self._feed, name="playback", daemon=True)
                self._thread.start()
            self._state.notify_all()
        return opened

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
            with self._state:
                leaving, self._leaving = self._leaving, []
            if not leaving:
                raise
            for device, _ in leaving:
                device.close()
            return attempt()

    def _switch(self, device: OutputDevice, voice: Voice) -> None:
        with self._state:
            if self._device is not device:
                raise self.error or DeviceError(_LOST.format(name=device.name))
            self._mix.switch(voice)
            self._state.notify_all()

    def _let_go(self, *, drain: bool) -> None:
        """Part from the device; with `drain`, once its last frames have been heard."""
        device, self._device = self._device, None
        if device is None:
            return
        self._underruns_of_past_devices += device.underruns
        if drain:
            self._mix.switch(None)
            block, _ = self._mix.render(device.room, output_frame=device.written)
            device.write(block, continuing=False)
            seconds = device.queued / device.sample_rate + 2 * device.latency_seconds
            self._leaving.append((device, time.monotonic() + seconds))
        else:
            device.close()
        self._mix = Mix(sample_rate=1, channels=2)
        self._segments = []

    def _is_heard(self, source: GrowingSource) -> bool:
        with self._state:
            current = self._mix.current
            return current is not None and current.source.sound is source.sound

    def _push(self, source: GrowingSource, samples: NDArray[np.float32]) -> None:
        with self._state:
            source.append(samples)
            self._state.notify_all()

    def _finish(self, source: GrowingSource, clip: AudioClip | None) -> None:
        whole = None if clip is None else ClipSource(clip, source.sample_rate)
        if whole is not None:
            whole.sound = source.sound
        with self._state:
            source.end()
            self._state.notify_all()
            current = self._mix.current
            if whole is None or current is None or current.source is not source:
                return
            if current.exchange(whole):
                return
            position = current.position % max(1, whole.frames) if current.loop else current.position
            voice = Voice(whole, position=min(position, whole.frames), loop=current.loop)
            self._mix.switch(voice)

    def _segment_now(self) -> tuple[Segment | None, int]:
        """The segment that is heard, and how far into it."""
        device = self._device
        if device is None or not self._segments:
            return None, 0
        heard = device.heard
        current = self._mix.current
        if current is None and heard >= self._end_frame:
            return None, 0
        index = bisect.bisect_right(self._segments, heard, key=lambda s: s.output_frame) - 1
        if index < 0:
            return None, 0
        segment = self._segments[index]
        if current is not None and current.source.sound is not segment.source.sound:
            return None, 0  # What was heard before has not died away yet.
        return segment, min(heard - segment.output_frame, segment.frames)

    def _feed(self) -> None:
        """The feeder thread: keep the ring `ahead_seconds` full, close what is not needed."""
        while True:
            lost: DeviceError | None = None
            with self._state:
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
                    self._state.wait(_TICK_SECONDS if self._leaving else _IDLE_SECONDS)
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
        current = self._mix.current
        block, segments = self._mix.render(
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
        if self._mix.sounding or device.queued or self._silence_owed > 0 or self._leaving:
            self._idle_since = now
            self._state.wait(_TICK_SECONDS)
        elif now - self._idle_since > _IDLE_SECONDS:
            self._let_go(drain=False)
        elif not self._closed:
            self._state.wait(_IDLE_SECONDS)

    def _is_silent(self) -> bool:
        device = self._device
        if device is None:
            return not self._leaving
        quiet = not self._mix.sounding and not device.queued and self._silence_owed <= 0
        return quiet and not self._leaving

    def _close_drained(self) -> None:
        now = time.monotonic()
        for entry in [entry for entry in self._leaving if entry[1] <= now]:
            self._leaving.remove(entry)
            entry[0].close()

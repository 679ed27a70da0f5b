"""Play, loop, stop, seek: the sound card as the rest of the program sees it.

Owns nothing but the words: the device, the mix and their thread are the feeder's. Every public
method may be called from any thread and returns at once; opening a device takes some
milliseconds. It never reads files and never calls into a window.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from studio.audio.clip import AudioClip
from studio.core.errors import DeviceError
from studio.playback.feeder import Feeder
from studio.playback.mixer import Voice, gain_from_db
from studio.playback.sources import ClipSource, GrowingSource

AHEAD_SECONDS = 0.15
# PulseAudio converting rates was measured to lose frames with buffers of 0.05 to 0.08 s.
LATENCY_SECONDS = 0.1


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
    """The sound card."""

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
        self._opening = threading.Lock()
        self._feeder = Feeder(
            device,
            ahead_seconds=ahead_seconds,
            latency_seconds=latency_seconds,
            on_error=on_error,
        )
        self._state = self._feeder.state

    def prepare(self, sample_rate: int) -> None:
        """Open the device ahead of the first sound, so that `play` need not.

        Raises:
            DeviceError: There is no device, or it refused.
        """
        with self._opening:
            self._feeder.open_for(sample_rate)

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
            device = self._feeder.open_for(clip.sample_rate)
            source = ClipSource(clip, device.sample_rate)
            start = min(max(0, source.from_clip_frame(start_frame)), source.frames)
            self._feeder.switch(device, Voice(source, position=start, loop=loop))

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
            device = self._feeder.open_for(sample_rate)
            source = GrowingSource(device.sample_rate, sample_rate, channels)
            self._feeder.switch(device, Voice(source, position=0, loop=loop))
        return StreamVoice(self, source)

    def stop(self) -> None:
        """Ramp out what is heard."""
        with self._state:
            self._feeder.stop()

    def seek(self, frame: int) -> None:
        """Go on from another position of the sound that plays, in its own frames."""
        with self._state:
            current = self._feeder.mix.current
            if current is None:
                return
            source = current.source
            start = min(max(0, source.from_clip_frame(frame)), source.frames)
            self._feeder.mix.switch(Voice(source, position=start, loop=current.loop))
            self._state.notify_all()

    def set_loop(self, loop: bool) -> None:
        """Loop, or play to the end, the sound that plays."""
        with self._state:
            if self._feeder.mix.current is not None:
                self._feeder.mix.current.loop = loop

    def set_volume_db(self, gain_db: float) -> None:
        """Move to a volume over 20 ms; minus infinity is silence."""
        with self._state:
            self._feeder.set_gain(gain_from_db(gain_db))

    @property
    def error(self) -> DeviceError | None:
        """Why the last sound stopped by itself, None when all is well."""
        return self._feeder.error

    @property
    def playing(self) -> bool:
        """Something is being heard, or will be as soon as it arrives."""
        with self._state:
            return self._feeder.sounding

    @property
    def position_frame(self) -> int | None:
        """Frame of the sound that leaves the device now, in its own rate; None when silent."""
        with self._state:
            segment, offset = self._feeder.segment_now()
            if segment is None:
                return None
            return segment.source.to_clip_frame(segment.source_frame + offset)

    @property
    def peak_level(self) -> float:
        """Largest absolute sample heard just now, full scale 1."""
        with self._state:
            segment, offset = self._feeder.segment_now()
            return 0.0 if segment is None or offset >= segment.frames else segment.peak

    @property
    def underruns(self) -> int:
        """Gaps since the player was made."""
        with self._state:
            return self._feeder.underruns

    @property
    def device_name(self) -> str | None:
        """The open device, None when none is."""
        device = self._feeder.device
        return None if device is None else device.name

    def close(self) -> None:
        """Ramp out, give the device back and end the thread."""
        self._feeder.close()

    def _is_heard(self, source: GrowingSource) -> bool:
        with self._state:
            current = self._feeder.mix.current
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
            current = self._feeder.mix.current
            if whole is None or current is None or current.source is not source:
                return
            if current.exchange(whole):
                return
            position = current.position % max(1, whole.frames) if current.loop else current.position
            voice = Voice(whole, position=min(position, whole.frames), loop=current.loop)
            self._feeder.mix.switch(voice)

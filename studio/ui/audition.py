"""What is in the waveform, and what of it is heard.

Owns the current sound, finished or still being made, its selected stretch and the loop. The
waveform, the transport bar and the table show what it says. It must not draw.
"""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from studio.audio.clip import AudioClip
from studio.generation.request import Chunk
from studio.library.records import SampleRecord
from studio.ui.bridge import Bridge
from studio.ui.sound import Sound
from studio.ui.speaker import Speaker
from studio.workstation.workstation import Workstation

_KEPT_SOUNDS = 24
_KEPT_SECONDS = 120.0


class Audition(QObject):
    """The one sound that can be heard and seen.

    Attributes:
        speaker: How it is heard.

    Signals:
        sound_changed(Sound | None): Another sound is in the waveform.
        sound_grew(): The current sound has more frames, or other facts.
        region_changed(): Another stretch is selected, or none.
        loop_changed(bool): Loop was switched.
        failed(StudioError): A sound cannot be read.
    """

    sound_changed = Signal(object)
    sound_grew = Signal()
    region_changed = Signal()
    loop_changed = Signal(bool)
    failed = Signal(object)

    def __init__(
        self,
        workstation: Workstation,
        bridge: Bridge,
        speaker: Speaker,
        *,
        loop: bool,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.speaker = speaker
        self._workstation = workstation
        self._bridge = bridge
        self._loop = loop
        self._sound: Sound | None = None
        self._kept: OrderedDict[tuple[int, str], Sound] = OrderedDict()
        self._region: tuple[int, int] | None = None
        self._offset_frame = 0
        self._loading: Future[Any] | None = None

    # --- state ---------------------------------------------------------------------------------

    @property
    def sound(self) -> Sound | None:
        """The sound in the waveform."""
        return self._sound

    @property
    def region(self) -> tuple[int, int] | None:
        """The selected stretch, in frames."""
        return self._region

    @property
    def loop(self) -> bool:
        """Playback repeats."""
        return self._loop

    @property
    def playing(self) -> bool:
        """Something is heard."""
        return self.speaker.playing

    @property
    def position_frame(self) -> int | None:
        """Where the sound plays; None when silent."""
        position = self.speaker.position_frame
        return None if position is None else position + self._offset_frame

    # --- what is shown -------------------------------------------------------------------------

    def show(self, record: SampleRecord, *, play: bool) -> None:
        """Load a sound of the library into the waveform, and play it from its start."""
        self._give_up_loading()
        identity = (record.id, record.content_hash)
        kept = self._kept.get(identity)
        if kept is not None:
            kept.record = record
            self._loaded(kept, play=play)
            return
        workstation = self._workstation

        def load() -> Sound:
            return Sound.from_record(record, workstation.clip(record))

        def done(sound: Sound) -> None:
            if self._loading is wanted:
                self._keep(identity, sound)
                self._loaded(sound, play=play)

        wanted = self._bridge.run("sound", load, done, self.failed.emit)
        self._loading = wanted

    def show_file(self, file: Path, name: str) -> None:
        """Load a sound that is not in the library into the waveform, and play it.

        The same file again, while it plays, stops it.
        """
        shown = self._sound
        if shown is not None and shown.file == file and self.playing:
            self.speaker.stop()
            return
        self._give_up_loading()

        def done(sound: Sound) -> None:
            if self._loading is wanted:
                self._loaded(sound, play=True)

        wanted = self._bridge.run(
            "sound", lambda: Sound.from_file(file, name), done, self.failed.emit
        )
        self._loading = wanted

    def show_sound(self, sound: Sound) -> None:
        """Put a finished sound that is at hand into the waveform, and play it."""
        self._loaded(sound, play=True)

    def clear(self) -> None:
        """Empty the waveform."""
        self.speaker.stop()
        self._exchange(None)

    def _loaded(self, sound: Sound, *, play: bool) -> None:
        self._exchange(sound)
        if play:
            self.play_from(0)

    def _exchange(self, sound: Sound | None) -> None:
        self._give_up_loading()
        self._region = None
        self._sound = sound
        self.sound_changed.emit(sound)

    def _give_up_loading(self) -> None:
        if self._loading is not None:
            self._loading.cancel()
            self._loading = None

    def _keep(self, identity: tuple[int, str], sound: Sound) -> None:
        if sound.frames > _KEPT_SECONDS * sound.sample_rate:
            return
        self._kept[identity] = sound
        while len(self._kept) > _KEPT_SOUNDS:
            self._kept.popitem(last=False)

    # --- a sound that is being made ------------------------------------------------------------

    def grow(self, sound: Sound) -> None:
        """Show a sound of which nothing is there yet, and play it as it comes."""
        self._exchange(sound)
        self._stream(sound)

    def push(self, job_id: int, chunk: Chunk) -> None:
        """More of the sound of a job; ignored when another sound is shown."""
        sound = self._growing(job_id)
        if sound is not None:
            sound.append(chunk.samples, chunk.done_steps / max(chunk.total_steps, 1))
            self.speaker.push(chunk.samples)
            self.sound_grew.emit()

    def finish(self, job_id: int, clip: AudioClip) -> None:
        """The sound of a job is complete; what plays goes on in it without a gap."""
        sound = self._growing(job_id)
        if sound is not None:
            sound.complete(clip)
            self.speaker.finish(clip, loop=self._loop)
            self.sound_grew.emit()

    def stored(self, job_id: int, record: SampleRecord) -> None:
        """The sound of a job is in the library now."""
        sound = self._sound
        if sound is not None and sound.job_id == job_id:
            sound.name, sound.record = record.name, record
            self._keep((record.id, record.content_hash), sound)
            self.sound_grew.emit()

    def abandon(self, job_id: int) -> None:
        """The sound of a job will not be completed."""
        if self._growing(job_id) is not None:
            self.clear()

    def _growing(self, job_id: int) -> Sound | None:
        sound = self._sound
        return sound if sound and sound.job_id == job_id and sound.growing else None

    # --- playing -------------------------------------------------------------------------------

    def toggle(self) -> None:
        """Play from the start of the selection or sound, or stop."""
        if self.playing:
            self.speaker.stop()
        elif self._sound is not None:
            self.play_from(self._region[0] if self._region else 0)

    def play_from(self, frame: int) -> None:
        """Play from a frame of the sound; with a selection, play the selection."""
        sound = self._sound
        if sound is None:
            return
        clip, offset = sound.clip, 0
        if clip is None:
            if self.speaker.streaming and self.playing:
                self.speaker.seek(frame)
            else:
                self._stream(sound)
            return
        if self._region is not None:
            offset, end = self._region
            clip = AudioClip(samples=clip.samples[:, offset:end], sample_rate=clip.sample_rate)
        self._offset_frame = offset
        start = min(max(frame - offset, 0), max(clip.frames - 1, 0))
        self.speaker.play(clip, loop=self._loop, start_frame=start)

    def set_loop(self, loop: bool) -> None:
        """Repeat, or play to the end."""
        if loop != self._loop:
            self._loop = loop
            self.speaker.set_loop(loop)
            self.loop_changed.emit(loop)

    def set_region(self, start_frame: int, end_frame: int, *, final: bool) -> None:
        """Select a stretch; when `final` and playing, it is heard from now on."""
        sound = self._sound
        if sound is None or end_frame - start_frame < 2:
            return
        position = self.position_frame
        self._region = (start_frame, min(end_frame, sound.frames))
        self.region_changed.emit()
        if final and self.playing and sound.clip is not None:
            inside = position is not None and start_frame <= position < end_frame
            self.play_from(position if inside and position is not None else start_frame)

    def clear_region(self) -> None:
        """Select nothing."""
        if self._region is not None:
            self._region = None
            self.region_changed.emit()

    def _stream(self, sound: Sound) -> None:
        self._offset_frame = 0
        self.speaker.stream(
            sound.sample_rate,
            sound.pyramid.channels,
            loop=self._loop,
            arrived=sound.parts,
            job_id=sound.job_id,
        )

"""What is in the waveform and on the speakers.

Owns the current sound, the sound that is still being made, and every call to the player. The
waveform, the transport bar and the table show what it says. It must not draw.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from studio.audio.clip import AudioClip
from studio.core.errors import StudioError
from studio.generation.request import Chunk
from studio.library.records import SampleRecord
from studio.playback.player import Player, StreamVoice
from studio.ui.bridge import Bridge
from studio.ui.sound import Sound
from studio.workstation.workstation import Workstation

_WATCH_MILLISECONDS = 15
_KEPT_SOUNDS = 24
_KEPT_SECONDS = 120.0
_PREPARED_RATE = 32_000


class Audition(QObject):
    """The one sound that can be heard and seen.

    Signals:
        sound_changed(Sound | None): Another sound is in the waveform.
        sound_grew(): The current sound has more frames, or has just become complete.
        region_changed(): Another stretch is selected, or none.
        playing_changed(bool): Play began or ended.
        loop_changed(bool): Loop was switched.
        device_changed(): The sound card was opened or lost; see `device_error`.
        failed(StudioError): A sound cannot be read or heard.
        stream_heard(int): The take of this job has begun to come out of the sound card.
    """

    sound_changed = Signal(object)
    sound_grew = Signal()
    region_changed = Signal()
    playing_changed = Signal(bool)
    loop_changed = Signal(bool)
    device_changed = Signal()
    failed = Signal(object)
    stream_heard = Signal(int)

    def __init__(
        self,
        workstation: Workstation,
        bridge: Bridge,
        *,
        loop: bool,
        volume_db: float,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._workstation = workstation
        self._bridge = bridge
        self._player: Player | None = None
        self._voice: StreamVoice | None = None
        self._voice_wanted = False
        self._unheard_job: int | None = None
        self._loop = loop
        self._volume_db = volume_db
        self._sound: Sound | None = None
        self._kept: OrderedDict[tuple[int, str], Sound] = OrderedDict()
        self._region: tuple[int, int] | None = None
        self._offset_frame = 0
        self._playing = False
        self._commands = 0
        self._loading: Future[Any] | None = None
        self.device_error: StudioError | None = None
        self._watch = QTimer(self)
        self._watch.setInterval(_WATCH_MILLISECONDS)
        self._watch.timeout.connect(self._look_at_player)

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
    def volume_db(self) -> float:
        """Playback volume."""
        return self._volume_db

    @property
    def playing(self) -> bool:
        """Something is heard."""
        return self._playing

    @property
    def position_frame(self) -> int | None:
        """Where the current sound plays; None when silent."""
        if not self._playing or self._player is None or self._commands:
            return None
        position = self._player.position_frame
        return None if position is None else position + self._offset_frame

    @property
    def underruns(self) -> int:
        """Gaps since the start."""
        return self._player.underruns if self._player else 0

    @property
    def device_name(self) -> str | None:
        """The open sound card."""
        return self._player.device_name if self._player else None

    # --- what is shown -------------------------------------------------------------------------

    def show(self, record: SampleRecord, *, play: bool) -> None:
        """Load a sound of the library into the waveform, and play it from its start."""
        if self._loading is not None:
            self._loading.cancel()
        identity = (record.id, record.content_hash)
        kept = self._kept.get(identity)
        if kept is not None:
            kept.record = record
            self._loaded(kept, play=play)
            return
        workstation = self._workstation

        def load() -> Sound:
            return Sound.from_record(record, workstation.clip(record))

        wanted: list[Future[Any]] = []

        def done(sound: Sound) -> None:
            if self._loading is wanted[0]:
                self._keep(identity, sound)
                self._loaded(sound, play=play)

        wanted.append(self._bridge.run("sound", load, done, self.failed.emit))
        self._loading = wanted[0]

    def refresh(self, record: SampleRecord) -> None:
        """Take over new facts of the sound that is shown."""
        if self._sound and self._sound.record and self._sound.record.id == record.id:
            self._sound.record = record

    def clear(self) -> None:
        """Empty the waveform."""
        self.stop()
        self._exchange(None)

    def _loaded(self, sound: Sound, *, play: bool) -> None:
        self._exchange(sound)
        if play:
            self.play_from(0)

    def _exchange(self, sound: Sound | None) -> None:
        self._loading = None
        self._region = None
        self._sound = sound
        self.sound_changed.emit(sound)

    def _keep(self, identity: tuple[int, str], sound: Sound) -> None:
        if sound.frames > _KEPT_SECONDS * sound.sample_rate:
            return
        self._kept[identity] = sound
        while len(self._kept) > _KEPT_SOUNDS:
            self._kept.popitem(last=False)

    # --- a sound that is being made ------------------------------------------------------------

    def grow(self, sound: Sound, *, play: bool) -> None:
        """Show a sound of which nothing is there yet, and play it as it comes."""
        if self._loading is not None:
            self._loading.cancel()
        self._exchange(sound)
        if play:
            self._unheard_job = sound.job_id
            self._stream(sound)

    def push(self, job_id: int, chunk: Chunk) -> None:
        """More of the sound of a job; ignored when another sound is shown."""
        sound = self._sound
        if sound is None or sound.job_id != job_id or not sound.growing:
            return
        sound.append(chunk.samples, chunk.done_steps / max(chunk.total_steps, 1))
        samples = chunk.samples

        def push() -> None:
            if self._voice is not None:
                self._voice.push(samples)

        if self._voice_wanted:
            self._command(lambda _player: push())
        self.sound_grew.emit()

    def finish(self, job_id: int, clip: AudioClip) -> None:
        """The sound of a job is complete; what plays goes on in it without a gap."""
        sound = self._sound
        if sound is None or sound.job_id != job_id or not sound.growing:
            return
        sound.complete(clip)
        loop = self._loop

        def finish(player: Player) -> None:
            voice, self._voice = self._voice, None
            if voice is not None:
                voice.finish(clip)
                if voice.active:
                    player.set_loop(loop)

        if self._voice_wanted:
            self._voice_wanted = False
            self._command(finish)
        self.sound_grew.emit()

    def stored(self, job_id: int, record: SampleRecord) -> None:
        """The sound of a job is in the library now."""
        sound = self._sound
        if sound is not None and sound.job_id == job_id:
            sound.record = record
            self._keep((record.id, record.content_hash), sound)
            self.sound_grew.emit()

    def abandon(self, job_id: int) -> None:
        """The sound of a job will not be completed."""
        if self._sound is not None and self._sound.job_id == job_id and self._sound.growing:
            self.clear()

    # --- playing -------------------------------------------------------------------------------

    def toggle(self) -> None:
        """Play from the start of the selection or sound, or stop."""
        if self._playing:
            self.stop()
        elif self._sound is not None:
            self.play_from(self._region[0] if self._region else 0)

    def play_from(self, frame: int) -> None:
        """Play from a frame of the sound; with a selection, play the selection."""
        sound = self._sound
        if sound is None:
            return
        if sound.clip is None:
            if self._voice_wanted and self._playing:
                self._command(lambda player: player.seek(frame))
            else:
                self._stream(sound)
            return
        clip, offset = sound.clip, 0
        if self._region is not None:
            offset, end = self._region
            clip = AudioClip(samples=clip.samples[:, offset:end], sample_rate=clip.sample_rate)
        start = min(max(frame - offset, 0), max(clip.frames - 1, 0))
        loop, volume_db = self._loop, self._volume_db
        self._voice_wanted = False

        def play(player: Player) -> None:
            self._voice = None
            player.set_volume_db(volume_db)
            player.play(clip, loop=loop, start_frame=start)

        self._offset_frame = offset
        self._set_playing(True)
        self._command(play)

    def stop(self) -> None:
        """Stop what is heard."""
        self._voice_wanted = False
        self._unheard_job = None

        def stop(player: Player) -> None:
            self._voice = None
            player.stop()

        if self._player is not None:
            self._command(stop)
        self._set_playing(False)

    def set_loop(self, loop: bool) -> None:
        """Repeat, or play to the end."""
        if loop == self._loop:
            return
        self._loop = loop
        if self._player is not None:
            self._command(lambda player: player.set_loop(loop))
        self.loop_changed.emit(loop)

    def set_volume_db(self, volume_db: float) -> None:
        """Set the playback volume."""
        self._volume_db = volume_db
        if self._player is not None:
            self._command(lambda player: player.set_volume_db(volume_db))

    def set_region(self, start_frame: int, end_frame: int, *, final: bool) -> None:
        """Select a stretch; when `final` and playing, it is heard from now on."""
        sound = self._sound
        if sound is None or end_frame - start_frame < 2:
            return
        position = self.position_frame
        self._region = (start_frame, end_frame)
        self.region_changed.emit()
        if final and self._playing and sound.clip is not None:
            inside = position is not None and start_frame <= position < end_frame
            self.play_from(position if inside and position is not None else start_frame)

    def clear_region(self) -> None:
        """Select nothing."""
        if self._region is not None:
            self._region = None
            self.region_changed.emit()

    # --- the player ----------------------------------------------------------------------------

    def open_device(self) -> None:
        """Open the sound card in the background, so that the first sound comes at once."""

        def prepare(player: Player) -> None:
            player.prepare(_PREPARED_RATE)

        self._command(prepare)

    def _stream(self, sound: Sound) -> None:
        rate, channels = sound.sample_rate, sound.pyramid.channels
        loop, volume_db = self._loop, self._volume_db
        arrived = list(sound.parts)

        def stream(player: Player) -> None:
            player.set_volume_db(volume_db)
            self._voice = player.stream(rate, channels, loop=loop)
            if arrived:
                self._voice.push(np.concatenate(arrived, axis=1))

        self._voice_wanted = True
        self._offset_frame = 0
        self._set_playing(True)
        self._command(stream)

    def _command(self, call: Callable[[Player], None]) -> None:
        """Do something with the player on its own thread, in order."""
        workstation = self._workstation
        self._commands += 1

        def work() -> Player:
            player = workstation.player
            call(player)
            return player

        def done(player: Player) -> None:
            self._commands -= 1
            if self._player is None or self.device_error is not None:
                self._player, self.device_error = player, None
                self.device_changed.emit()

        def failed(error: StudioError) -> None:
            self._commands -= 1
            repeated = self.device_error is not None and (
                self.device_error.user_message == error.user_message
            )
            self.device_error = error
            self._voice_wanted = False
            self._set_playing(False)
            self.device_changed.emit()
            if not repeated:
                self.failed.emit(error)

        self._bridge.run("player", work, done, failed)

    def _set_playing(self, playing: bool) -> None:
        if playing == self._playing:
            return
        self._playing = playing
        if playing:
            self._watch.start()
        else:
            self._watch.stop()
        self.playing_changed.emit(playing)

    def _look_at_player(self) -> None:
        player = self._player
        if player is None or self._commands:
            return
        if player.error is not None:
            self.device_error = player.error
            self.device_changed.emit()
            self.failed.emit(player.error)
            self._set_playing(False)
            return
        if self._unheard_job is not None and player.position_frame is not None:
            job_id, self._unheard_job = self._unheard_job, None
            self.stream_heard.emit(job_id)
        if not player.playing:
            self._set_playing(False)

"""Everything that this window asks of the player.

Owns the order of those calls, which run on a thread of their own since opening a sound card may
take a while, and what is known of the player meanwhile. It knows clips, not the library.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QTimer, Signal

from studio.audio.clip import AudioClip
from studio.core.errors import StudioError
from studio.playback.player import Player, StreamVoice
from studio.ui.bridge import Bridge
from studio.workstation.workstation import Workstation

_WATCH_MILLISECONDS = 15
_PREPARED_RATE = 32_000


class Speaker(QObject):
    """The player, from the main thread.

    Attributes:
        device_error: Why there is no sound; None when all is well.

    Signals:
        playing_changed(bool): Play began or ended.
        device_changed(): The sound card was opened or lost; see `device_error`.
        failed(StudioError): A sound cannot be heard.
        stream_heard(int): The growing sound of this job has begun to come out.
    """

    playing_changed = Signal(bool)
    device_changed = Signal()
    failed = Signal(object)
    stream_heard = Signal(int)

    def __init__(
        self,
        workstation: Workstation,
        bridge: Bridge,
        *,
        volume_db: float,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.device_error: StudioError | None = None
        self._workstation = workstation
        self._bridge = bridge
        self._volume_db = volume_db
        self._player: Player | None = None
        self._voice: StreamVoice | None = None
        self._streaming = False
        self._unheard_job: int | None = None
        self._playing = False
        self._under_way = 0
        self._watch = QTimer(self)
        self._watch.setInterval(_WATCH_MILLISECONDS)
        self._watch.timeout.connect(self._look_at_player)

    # --- state ---------------------------------------------------------------------------------

    @property
    def playing(self) -> bool:
        """Something is heard, or will be as soon as it arrives."""
        return self._playing

    @property
    def streaming(self) -> bool:
        """A growing sound is what plays."""
        return self._streaming

    @property
    def volume_db(self) -> float:
        """The volume."""
        return self._volume_db

    @property
    def position_frame(self) -> int | None:
        """Where the clip or stream plays; None when silent or not known yet."""
        if not self._playing or self._player is None or self._under_way:
            return None
        return self._player.position_frame

    @property
    def underruns(self) -> int:
        """Gaps since the start."""
        return self._player.underruns if self._player else 0

    @property
    def device_name(self) -> str | None:
        """The open sound card."""
        return self._player.device_name if self._player else None

    # --- commands ------------------------------------------------------------------------------

    def open_device(self) -> None:
        """Open the sound card, so that the first sound comes at once."""
        self._command(lambda player: player.prepare(_PREPARED_RATE))

    def play(self, clip: AudioClip, *, loop: bool, start_frame: int) -> None:
        """Switch to a clip."""
        volume_db = self._volume_db

        def play(player: Player) -> None:
            self._voice = None
            player.set_volume_db(volume_db)
            player.play(clip, loop=loop, start_frame=start_frame)

        self._streaming = False
        self._unheard_job = None
        self._set_playing(True)
        self._command(play)

    def stream(
        self,
        sample_rate: int,
        channels: int,
        *,
        loop: bool,
        arrived: Sequence[NDArray[np.float32]],
        job_id: int | None,
    ) -> None:
        """Switch to a sound that is still growing.

        Args:
            sample_rate: In Hz.
            channels: Of the pieces.
            loop: Go on from the start once it is complete.
            arrived: The pieces so far, float32 [channels, frames].
            job_id: Whom `stream_heard` should name.
        """
        volume_db, pieces = self._volume_db, list(arrived)

        def stream(player: Player) -> None:
            player.set_volume_db(volume_db)
            self._voice = player.stream(sample_rate, channels, loop=loop)
            if pieces:
                self._voice.push(np.concatenate(pieces, axis=1))

        self._streaming = True
        self._unheard_job = job_id
        self._set_playing(True)
        self._command(stream)

    def push(self, samples: NDArray[np.float32]) -> None:
        """More of the growing sound, float32 [channels, frames]."""

        def push(_player: Player) -> None:
            if self._voice is not None:
                self._voice.push(samples)

        if self._streaming:
            self._command(push)

    def finish(self, clip: AudioClip, *, loop: bool) -> None:
        """The growing sound is complete; what plays goes on in `clip` without a gap."""

        def finish(player: Player) -> None:
            voice, self._voice = self._voice, None
            if voice is not None:
                voice.finish(clip)
                if voice.active:
                    player.set_loop(loop)

        if self._streaming:
            self._streaming = False
            self._command(finish)

    def seek(self, frame: int) -> None:
        """Go on from another place of what plays."""
        self._command(lambda player: player.seek(frame))

    def stop(self) -> None:
        """Stop what is heard."""

        def stop(player: Player) -> None:
            self._voice = None
            player.stop()

        self._streaming = False
        self._unheard_job = None
        if self._player is not None:
            self._command(stop)
        self._set_playing(False)

    def set_loop(self, loop: bool) -> None:
        """Repeat what plays, or play it to its end."""
        if self._player is not None:
            self._command(lambda player: player.set_loop(loop))

    def set_volume_db(self, volume_db: float) -> None:
        """Set the volume."""
        self._volume_db = volume_db
        if self._player is not None:
            self._command(lambda player: player.set_volume_db(volume_db))

    # --- the player's thread -------------------------------------------------------------------

    def _command(self, call: Callable[[Player], None]) -> None:
        """Do something with the player on its own thread, in order."""
        workstation = self._workstation
        self._under_way += 1

        def work() -> Player:
            player = workstation.player
            call(player)
            return player

        self._bridge.run("player", work, self._succeeded, self._went_wrong)

    def _succeeded(self, player: Player) -> None:
        self._under_way -= 1
        if self._player is None or self.device_error is not None:
            self._player, self.device_error = player, None
            self.device_changed.emit()

    def _went_wrong(self, error: StudioError) -> None:
        self._under_way -= 1
        known = self.device_error is not None
        repeated = known and str(self.device_error) == str(error)
        self.device_error = error
        self._streaming = False
        self._set_playing(False)
        self.device_changed.emit()
        if not repeated:
            self.failed.emit(error)

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
        if player is None or self._under_way:
            return
        if player.error is not None:
            self.device_error = player.error
            self._set_playing(False)
            self.device_changed.emit()
            self.failed.emit(player.error)
        elif not player.playing:
            self._set_playing(False)
        elif self._unheard_job is not None and player.position_frame is not None:
            job_id, self._unheard_job = self._unheard_job, None
            self.stream_heard.emit(job_id)

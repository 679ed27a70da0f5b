"""Errors in the banner, and the one about the sound card in particular.

Owns that a lost sound card can be tried again, and that its message goes when a card is back.
"""

from __future__ import annotations

from PySide6.QtCore import QObject

from studio.core.errors import StudioError
from studio.ui.banner import Banner
from studio.ui.facts import error_line
from studio.ui.speaker import Speaker


class DeviceNotice(QObject):
    """Shows errors in a banner."""

    def __init__(self, speaker: Speaker, banner: Banner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._speaker = speaker
        self._banner = banner
        self._message: str | None = None
        speaker.device_changed.connect(self._device_changed)

    def show_error(self, error: StudioError) -> None:
        """Say what went wrong; a missing sound card can be looked for again."""
        retry = self._speaker.open_device if error is self._speaker.device_error else None
        self._banner.show_error(error_line(error), retry)

    def _device_changed(self) -> None:
        error = self._speaker.device_error
        if error is None and self._banner.message == self._message:
            self._banner.dismiss()
        self._message = None if error is None else error_line(error)

"""One window for one library.

Owns the lock of the data folder and the local socket (a Unix socket or a Windows named pipe, no
network) through which a second start raises the first window.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from PySide6.QtCore import QLockFile, QObject, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from studio.core.errors import StorageError
from studio.core.paths import Paths

_LOG = logging.getLogger(__name__)
_TIMEOUT_MILLISECONDS = 2_000
_RAISE = b"raise\n"


def server_name(data_dir: Path) -> str:
    """A name of the data folder that is short enough for every system."""
    digest = hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()
    return f"seedcrate-{digest[:24]}"


class SingleInstance(QObject):
    """Holds the library's window lock, or reaches whoever holds it.

    Signals:
        raise_requested(): Another start wants this window to come to the front.
    """

    raise_requested = Signal()

    def __init__(self, paths: Paths, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._name = server_name(paths.data_dir)
        self._lock_path = paths.lock_file
        self._lock = QLockFile(str(paths.lock_file))
        self._lock.setStaleLockTime(0)
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._answer)

    def acquire(self) -> bool:
        """Become the one window; False when another one is there already.

        Raises:
            StorageError: The lock file cannot be written.
        """
        if not self._lock.tryLock(0):
            if self._lock.error() == QLockFile.LockError.PermissionError:
                raise StorageError(
                    f"Cannot write {self._lock_path}: check the folder's permissions, or choose "
                    "another one with --data-dir."
                )
            return False
        QLocalServer.removeServer(self._name)
        if not self._server.listen(self._name):
            _LOG.warning("A second start cannot raise this window: %s", self._server.errorString())
        return True

    def raise_other(self) -> bool:
        """Bring the other window to the front; False when it does not answer."""
        socket = QLocalSocket()
        socket.connectToServer(self._name)
        if not socket.waitForConnected(_TIMEOUT_MILLISECONDS):
            return False
        socket.write(_RAISE)
        sent = socket.waitForBytesWritten(_TIMEOUT_MILLISECONDS)
        socket.disconnectFromServer()
        return bool(sent)

    def release(self) -> None:
        """Let another window have the library."""
        self._server.close()
        self._lock.unlock()

    def _answer(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            socket.readyRead.connect(self.raise_requested)
            socket.disconnected.connect(socket.deleteLater)
            if socket.bytesAvailable():
                self.raise_requested.emit()

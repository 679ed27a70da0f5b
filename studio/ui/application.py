"""The program with its window, from the first line to the exit status.

Owns the QApplication, the single-instance rule, and what happens to exceptions that nobody
foresaw. `run` is the one entry.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QMessageBox

from studio.core.errors import AlreadyRunningError
from studio.core.paths import Paths
from studio.core.settings import Settings
from studio.ui import icons, theme
from studio.ui.bridge import Bridge
from studio.ui.controls import ReturnClicks
from studio.ui.garbage import MainThreadGarbage
from studio.ui.main_window import MainWindow
from studio.ui.single_instance import SingleInstance
from studio.ui.ui_map import VARIABLE, UiMap
from studio.workstation.workstation import Workstation

_LOG = logging.getLogger(__name__)
_SIGNAL_MILLISECONDS = 200


def run(paths: Paths, settings: Settings) -> int:
    """Show the window until it is closed.

    A second start on the same data folder raises the first window and returns 0.

    Raises:
        StudioError: The window cannot start; nothing was changed.
    """
    paths.create()
    application = _application()
    instance = SingleInstance(paths)
    if not instance.acquire():
        if instance.raise_other():
            return 0
        raise AlreadyRunningError(
            f"Another program holds the library in {paths.data_dir} and does not answer: close it "
            "and start again."
        )
    try:
        with Workstation(paths, settings) as workstation:
            return _show(application, instance, workstation)
    finally:
        instance.release()


def _application() -> QApplication:
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        return existing
    QGuiApplication.setApplicationName("Seedcrate")
    QGuiApplication.setDesktopFileName("seedcrate")
    return QApplication(sys.argv[:1])


def _show(application: QApplication, instance: SingleInstance, workstation: Workstation) -> int:
    theme.apply_theme(application)
    application.setWindowIcon(icons.application_icon())
    return_clicks = ReturnClicks(application)
    application.installEventFilter(return_clicks)
    garbage = MainThreadGarbage()
    bridge = Bridge()
    window = MainWindow(workstation, bridge)
    window.closed.connect(application.quit)
    instance.raise_requested.connect(window.bring_to_front)
    bug_report = BugReport(window, workstation.paths.log_file)
    bridge.crashed.connect(bug_report.show)
    previous_hook, sys.excepthook = sys.excepthook, bug_report.hook
    previous_handler = signal.signal(signal.SIGINT, lambda *_: application.quit())
    wake = QTimer()
    wake.timeout.connect(lambda: None)
    wake.start(_SIGNAL_MILLISECONDS)
    if os.environ.get(VARIABLE):
        UiMap(window, Path(os.environ[VARIABLE]))
    try:
        window.show()
        QTimer.singleShot(0, window.begin)
        return application.exec()
    finally:
        wake.stop()
        signal.signal(signal.SIGINT, previous_handler)
        sys.excepthook = previous_hook
        bridge.close()
        application.removeEventFilter(return_clicks)
        window.deleteLater()
        garbage.stop()


class BugReport:
    """What a person sees of an exception that is a bug: once, with the log's path."""

    def __init__(self, window: MainWindow, log_file: Path) -> None:
        self._window = window
        self._log_file = log_file
        self._shown = False

    def hook(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        """Replaces `sys.excepthook`."""
        if issubclass(kind, KeyboardInterrupt):
            QApplication.quit()
            return
        _LOG.critical("Unforeseen error", exc_info=(kind, error, trace))
        self._tell()

    def show(self, error: BaseException) -> None:
        """An exception that reached the bridge."""
        _LOG.critical("Unforeseen error", exc_info=(type(error), error, error.__traceback__))
        self._tell()

    def _tell(self) -> None:
        if self._shown:
            return
        self._shown = True
        box = QMessageBox(self._window)
        box.setObjectName("bug_dialog")
        box.setIcon(QMessageBox.Icon.Warning)
        box.setWindowTitle("Seedcrate")
        box.setText("Something went wrong that should not have.")
        box.setInformativeText(f"Your library is safe. The details are in\n{self._log_file}")
        box.show()

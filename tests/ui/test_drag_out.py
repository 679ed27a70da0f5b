from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDrag, QGuiApplication
from PySide6.QtWidgets import QWidget

from studio.core.errors import StorageError
from studio.ui.drag_out import DragOut, drag_words, file_mime_data


@pytest.fixture
def drag_out(workstation, bridge):
    return DragOut(workstation, bridge)


@pytest.fixture
def clipboard(qapp):
    """Emptied again: Qt's offscreen platform crashes when it frees our data after Python's end."""
    yield QGuiApplication.clipboard()
    QGuiApplication.clipboard().setText("")


@pytest.fixture
def source(qtbot):
    made = QWidget()
    qtbot.addWidget(made)
    return made


@pytest.fixture
def dragged(monkeypatch):
    """What each drag carried, and what of it was on the disk when the drag began."""
    seen = []

    def run(drag, actions):
        urls = [Path(url.toLocalFile()) for url in drag.mimeData().urls()]
        seen.append((urls, actions, [path.read_bytes() for path in urls], drag.pixmap()))
        return Qt.DropAction.CopyAction

    monkeypatch.setattr(QDrag, "exec", run)
    return seen


def drag_until_it_begins(qtbot, drag_out, source, records, dragged):
    ended = []

    def move():
        drag_out.drag(source, records, lambda: ended.append(True))
        return bool(dragged)

    qtbot.waitUntil(move)
    assert ended == [True]


def test_a_drag_carries_permanent_copies_with_the_librarys_bytes(
    drag_out, source, dragged, workstation, add_takes, qtbot
):
    ids = add_takes(2, key="Am")
    records = workstation.get_many(ids)
    with qtbot.waitSignal(drag_out.left) as left:
        drag_until_it_begins(qtbot, drag_out, source, records, dragged)
    files, actions, contents, picture = dragged[0]
    assert left.args == [2]
    assert actions == Qt.DropAction.CopyAction
    assert contents == [workstation.path(record).read_bytes() for record in records]
    assert all(workstation.paths.exports_dir in file.parents for file in files)
    assert "120bpm_Am_1bar" in files[0].name
    assert not picture.isNull()


def test_files_are_urls_of_local_files(tmp_path):
    data = file_mime_data([tmp_path / "a b.wav"])
    assert data.urls() == [QUrl.fromLocalFile(str(tmp_path / "a b.wav"))]
    assert data.hasFormat("text/uri-list")


def test_a_fault_is_told_and_nothing_is_dragged(
    drag_out, source, dragged, workstation, add_takes, qtbot, monkeypatch
):
    records = workstation.get_many(add_takes(1))

    def full(_ids):
        raise StorageError("The disk is full: free some space.")

    monkeypatch.setattr(workstation, "export_for_drag", full)
    ended = []
    with qtbot.waitSignal(drag_out.failed) as failed:
        drag_out.drag(source, records, lambda: ended.append(True))
        qtbot.waitUntil(
            lambda: bool(ended) or drag_out.drag(source, records, lambda: ended.append(True))
        )
    assert failed.args[0].user_message == "The disk is full: free some space."
    assert dragged == []


def test_a_missing_file_is_told(drag_out, workstation, add_takes, qtbot):
    ids = add_takes(1)
    workstation.path(workstation.get(ids[0])).unlink()
    with qtbot.waitSignal(drag_out.failed) as failed:
        drag_out.copy(ids)
    assert "not at" in failed.args[0].user_message


def test_copied_files_are_on_the_clipboard(drag_out, clipboard, workstation, add_takes, qtbot):
    ids = add_takes(1)
    with qtbot.waitSignal(drag_out.copied):
        drag_out.copy(ids)
    urls = clipboard.mimeData().urls()
    copy = Path(urls[0].toLocalFile())
    assert copy.read_bytes() == workstation.path(workstation.get(ids[0])).read_bytes()


def test_the_card_names_sound_tempo_and_key(workstation, add_takes):
    records = workstation.get_many(add_takes(2, key="F#m", tempo_bpm=92.5))
    assert drag_words(records[:1]) == ("Loop number 1", "92.5 BPM   F#m")
    assert drag_words(records) == ("2 sounds", "Loop number 1, ...")

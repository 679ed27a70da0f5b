from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from studio.audio.clip import AudioClip
from studio.generation.request import Chunk, GenerationRequest
from studio.ui.audition import Audition
from studio.ui.sound import Sound
from studio.ui.speaker import Speaker
from studio.ui.waveform_painting import RULER_HEIGHT
from studio.ui.waveform_view import MIN_HEIGHT, WaveformView

FRAMES = 64_000


@pytest.fixture
def audition(workstation, bridge):
    speaker = Speaker(workstation, bridge, volume_db=-6)
    return Audition(workstation, bridge, speaker, loop=True)


@pytest.fixture
def view(audition, qtbot):
    made = WaveformView(audition)
    qtbot.addWidget(made)
    made.resize(800, 300)
    made.show()
    qtbot.waitExposed(made)
    return made


@pytest.fixture
def shown(audition, workstation, add_takes, qtbot):
    """A sound of one bar at 120 bpm, 64,000 frames, in the waveform and silent."""
    record = workstation.get(add_takes(1)[0])
    with qtbot.waitSignal(audition.sound_changed):
        audition.show(record, play=False)
    return audition.sound


def is_unmade(view, x):
    """Whether a column shows the pattern of what has not been made yet."""
    image = view.grab().toImage()
    ground = QColor("#16181B").rgb()
    return all(image.pixel(x, y) != ground for y in range(RULER_HEIGHT + 2, 60, 3))


def wheel(view, x, delta, modifiers=Qt.KeyboardModifier.NoModifier):
    place = QPointF(x, 100)
    event = QWheelEvent(
        place,
        view.mapToGlobal(place),
        QPoint(0, 0),
        QPoint(0, delta),
        Qt.MouseButton.NoButton,
        modifiers,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    view.wheelEvent(event)


def drag(view, start_x, end_x, modifiers=Qt.KeyboardModifier.NoModifier):
    left = Qt.MouseButton.LeftButton
    QTest.mousePress(view, left, modifiers, QPoint(start_x, 100))
    QTest.mouseMove(view, QPoint((start_x + end_x) // 2, 100))
    QTest.mouseMove(view, QPoint(end_x, 100))
    QTest.mouseRelease(view, left, modifiers, QPoint(end_x, 100))


def test_it_is_never_lower_than_it_must_be(view):
    assert view.minimumHeight() == MIN_HEIGHT == 260


def test_without_a_sound_it_says_what_to_do(view, monkeypatch):
    words = []
    monkeypatch.setattr(QPainter, "drawText", lambda _painter, *what: words.append(what[-1]))
    view._repaint_all()
    view.grab()
    assert words[0] == "Type what you want to hear, and press Enter"


def test_it_grows_while_a_take_streams(view, audition, qtbot):
    request = GenerationRequest(prompt="x", tempo_bpm=120.0, bars=1)
    audition.grow(Sound.from_job(1, request, 32_000, 1))
    assert is_unmade(view, 230)
    samples = np.full((1, 32_000), 0.4, np.float32)
    chunk = Chunk(start_frame=0, samples=samples, done_steps=1, total_steps=2)
    audition.push(1, chunk)
    assert not is_unmade(view, 230)
    assert is_unmade(view, 630)
    clip = AudioClip(samples=np.full((1, FRAMES), 0.4, np.float32), sample_rate=32_000)
    audition.finish(1, clip)
    assert not is_unmade(view, 630)


def test_chunks_of_another_job_do_not_show(view, audition):
    audition.grow(Sound.from_job(1, GenerationRequest(prompt="x"), 32_000, 1))
    chunk = Chunk(start_frame=0, samples=np.zeros((1, 10), np.float32), done_steps=1, total_steps=2)
    audition.push(2, chunk)
    assert audition.sound.frames == 0


def test_dragging_selects_and_snaps_to_sixteenths(view, audition, shown):
    drag(view, 202, 403)
    assert audition.region == (16_000, 32_000)


def test_the_selection_can_be_made_from_right_to_left(view, audition, shown):
    drag(view, 403, 202)
    assert audition.region == (16_000, 32_000)


def test_an_edge_of_the_selection_can_be_moved(view, audition, shown):
    drag(view, 202, 403)
    drag(view, 401, 601)
    assert audition.region == (16_000, 48_000)
    drag(view, 199, 98)
    assert audition.region == (8_000, 48_000)


def test_a_drag_from_inside_the_selection_leaves_the_window(view, audition, shown, qtbot):
    drag(view, 202, 403)
    with qtbot.waitSignal(view.drag_out_requested):
        drag(view, 300, 350)
    assert audition.region == (16_000, 32_000)


def test_a_short_move_is_a_click(view, audition, shown, player, qtbot):
    left, place = Qt.MouseButton.LeftButton, QPoint(400, 100)
    QTest.mousePress(view, left, pos=place)
    QTest.mouseMove(view, place + QPoint(QApplication.startDragDistance() - 2, 0))
    QTest.mouseRelease(view, left, pos=place)
    assert audition.region is None
    qtbot.waitUntil(lambda: player.calls == ["play"])
    assert player.start_frame == 32_000


def test_with_a_selection_only_the_selection_is_heard(view, audition, shown, player, qtbot):
    drag(view, 202, 403)
    audition.toggle()
    qtbot.waitUntil(lambda: player.clip is not None)
    assert player.clip.frames == 16_000
    assert np.array_equal(player.clip.samples, shown.clip.samples[:, 16_000:32_000])
    assert player.loop is True
    player.position = 100
    qtbot.waitUntil(lambda: audition.position_frame == 16_100)


def test_the_wheel_zooms_at_the_pointer_and_shift_scrolls(view, shown):
    before = view.timeline.frame_at(600)
    for _ in range(4):
        wheel(view, 600, 120)
    assert view.timeline.frame_at(600) == pytest.approx(before)
    start = view.timeline.start_frame
    wheel(view, 600, -120, Qt.KeyboardModifier.ShiftModifier)
    assert view.timeline.start_frame > start


def test_z_zooms_to_the_selection_and_back(view, audition, shown):
    audition.set_region(16_000, 32_000, final=True)
    view.zoom_to_selection()
    assert (view.timeline.start_frame, view.timeline.end_frame) == (16_000, 32_000)
    view.zoom_to_selection()
    assert view.timeline.shows_whole


def test_the_playhead_follows_the_player(view, audition, shown, player, qtbot):
    audition.play_from(0)
    qtbot.waitUntil(lambda: player.calls == ["play"])
    player.position = 32_000
    qtbot.waitUntil(lambda: view.playhead_x == 400)
    orange = view.grab().toImage().pixelColor(400, 150)
    assert (orange.red(), orange.green(), orange.blue()) == (255, 159, 67)
    audition.speaker.stop()
    assert view.playhead_x is None


def test_a_smaller_window_still_shows_the_whole_sound(view, shown):
    view.resize(500, 280)
    view.grab()
    assert view.timeline.x_of(FRAMES) == 500


def test_every_zoom_of_a_sound_with_and_without_tempo_can_be_painted(view, audition, shown):
    for tempo_bpm in (120.0, None):
        audition.sound.tempo_bpm = tempo_bpm
        view.timeline.show_whole()
        while view.timeline.end_frame - view.timeline.start_frame > 100:
            view.timeline.zoom(0.3, 250)
            view._repaint_all()
            assert not view.grab().isNull()

from __future__ import annotations

import pytest

from studio.core.errors import AlreadyRunningError
from studio.core.paths import default_paths
from studio.core.settings import Settings
from studio.ui import application
from studio.ui.single_instance import SingleInstance, server_name


@pytest.fixture
def first(paths, qapp):
    paths.create()
    made = SingleInstance(paths)
    assert made.acquire()
    yield made
    made.release()


def test_a_second_start_raises_the_first_window(first, paths, qtbot):
    second = SingleInstance(paths)
    assert not second.acquire()
    with qtbot.waitSignal(first.raise_requested):
        assert second.raise_other()


def test_a_second_start_of_the_program_ends_well(first, paths, qtbot):
    with qtbot.waitSignal(first.raise_requested):
        assert application.run(paths, Settings()) == 0


def test_a_first_window_that_does_not_answer_is_an_error(first, paths, qapp):
    first._server.close()
    with pytest.raises(AlreadyRunningError, match="does not answer"):
        application.run(paths, Settings())


def test_after_release_the_next_one_may_start(first, paths):
    first.release()
    second = SingleInstance(paths)
    assert second.acquire()
    second.release()


def test_libraries_do_not_know_of_each_other(first, tmp_path):
    other = default_paths(tmp_path / "other")
    other.create()
    second = SingleInstance(other)
    assert second.acquire()
    second.release()


def test_the_name_is_short_and_of_the_folder(tmp_path):
    assert server_name(tmp_path) == server_name(tmp_path / "x" / "..")
    assert server_name(tmp_path) != server_name(tmp_path / "x")
    assert len(server_name(tmp_path)) < 40

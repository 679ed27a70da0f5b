from __future__ import annotations

from pathlib import Path

import pytest

from studio.core.errors import CancelledError, ModelError

SMALL = "facebook/musicgen-small"


@pytest.fixture
def known(models, qtbot):
    """The models, read once."""
    with qtbot.waitSignal(models.changed):
        models.read()
    return models


def test_the_list_is_read_in_the_background(known, shelf):
    assert known.entries == tuple(shelf.entries)
    assert known.entry(SMALL).path is None
    assert known.entry("nothing") is None


def test_what_is_surely_gone(models, known, tmp_path):
    assert known.is_gone(SMALL)
    assert known.is_gone(str(tmp_path / "bundle"))
    assert known.is_gone("nobody/nothing")
    assert not known.is_gone("house")
    assert not known.is_gone(str(tmp_path))


def test_nothing_counts_as_gone_before_the_list_is_read(models):
    assert not models.is_gone(SMALL)


def test_a_folder_is_added_and_listed(known, qtbot, tmp_path):
    with qtbot.waitSignal(known.changed), qtbot.waitSignal(known.added) as added:
        known.add(tmp_path)
    assert added.args[0].path == tmp_path
    assert known.entry(tmp_path.name).registered


def test_a_folder_that_is_no_model_is_told(known, shelf, qtbot, tmp_path):
    shelf.fault = ModelError("There is no model in it.")
    with qtbot.waitSignal(known.failed) as failed, qtbot.assertNotEmitted(known.changed):
        known.add(tmp_path)
    assert failed.args[0] is not None
    assert str(failed.args[0]) == "There is no model in it."


def test_a_model_is_removed(known, qtbot):
    with qtbot.waitSignal(known.changed):
        known.remove("facebook/musicgen-melody")
    assert known.is_gone("facebook/musicgen-melody")


def test_a_licence_is_looked_up_and_nothing_is_fetched_by_that(known, shelf, qtbot):
    heard = []
    known.ask_licence(SMALL, heard.append)
    qtbot.waitUntil(lambda: heard != [])
    assert heard[0].name == "CC-BY-NC-4.0"
    assert shelf.fetching == {}


def test_a_model_is_fetched_with_progress_and_time_left(known, shelf, qtbot, monkeypatch):
    clock = iter((10.0, 12.0))
    monkeypatch.setattr("studio.generation.remaining.time.monotonic", lambda: next(clock))
    known.get(SMALL, "CC-BY-NC-4.0")
    known.get(SMALL, "CC-BY-NC-4.0")
    (download,) = known.downloads
    for done in (0, 500_000_000):
        with qtbot.waitSignal(known.download_changed):
            shelf.fetching[SMALL].progress(done, 2_000_000_000)
    assert download.share_done == 0.25
    assert download.remaining_seconds == pytest.approx(6.0)
    with qtbot.waitSignal(known.changed):
        shelf.arrive(SMALL)
    assert known.downloads == ()
    assert known.entry(SMALL).path is not None


def test_a_download_is_stopped(known, shelf, qtbot):
    known.get(SMALL, "CC-BY-NC-4.0")
    fetching = shelf.fetching[SMALL]
    assert not fetching.cancelled()
    known.cancel(SMALL)
    assert fetching.cancelled()
    with qtbot.waitSignal(known.said) as said, qtbot.assertNotEmitted(known.failed):
        fetching.future.set_exception(CancelledError("Cancelled."))
    assert said.args == [f"Stopped fetching {SMALL}; what has arrived is kept"]
    assert known.downloads == ()


def test_a_download_that_fails_is_told_and_can_begin_again(known, shelf, qtbot):
    known.get(SMALL, "CC-BY-NC-4.0")
    with qtbot.waitSignal(known.failed):
        shelf.fetching[SMALL].future.set_exception(ModelError("The Hub cannot be reached."))
    known.get(SMALL, "CC-BY-NC-4.0")
    assert [download.name for download in known.downloads] == [SMALL]


def test_closing_stops_what_is_coming(known, shelf):
    known.get(SMALL, "CC-BY-NC-4.0")
    known.close()
    assert shelf.fetching[SMALL].cancelled()


def test_what_a_listed_model_hears_is_found_out(known, qtbot):
    heard = []
    known.read_traits("someone/micro", heard.append)
    known.read_traits(str(Path("/nothing")), heard.append)
    qtbot.waitUntil(lambda: len(heard) == 2)
    assert heard[0].kind == "unconditional"
    assert heard[1].kind is None

from __future__ import annotations

import gc
import threading
import weakref

import pytest

from studio.ui.garbage import MainThreadGarbage


@pytest.fixture
def garbage(qapp):
    made = MainThreadGarbage()
    yield made
    made.stop()


class Cycle:
    def __init__(self) -> None:
        self.itself = self


def test_other_threads_collect_nothing(garbage):
    seen = weakref.ref(Cycle())
    thread = threading.Thread(target=lambda: [[] for _ in range(50_000)])
    thread.start()
    thread.join()
    assert seen() is not None


def test_the_main_thread_collects_once_there_is_enough(garbage):
    seen = weakref.ref(Cycle())
    kept = [[] for _ in range(gc.get_threshold()[0] + 100)]
    garbage.check()
    assert seen() is None
    assert kept


def test_afterwards_python_collects_by_itself(qapp):
    garbage = MainThreadGarbage()
    assert not gc.isenabled()
    garbage.stop()
    assert gc.isenabled()

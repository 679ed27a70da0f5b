from __future__ import annotations

import threading
from concurrent.futures import Future

from studio.core.errors import InputError
from studio.generation.jobs import Progress
from studio.library.records import Change


def test_a_posted_call_runs_on_the_main_thread(bridge, qtbot):
    ran_on = []
    thread = threading.Thread(
        target=lambda: bridge.post(lambda: ran_on.append(threading.current_thread()))
    )
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: ran_on == [threading.main_thread()])


def test_news_arrives_in_the_order_it_was_sent(bridge, qtbot):
    steps = []
    bridge.progressed.connect(lambda progress: steps.append(progress.done_steps))

    def work():
        for step in range(200):
            bridge.hear_progress(Progress(job_id=1, state="running", done_steps=step))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: len(steps) == 200)
    assert steps == list(range(200))


def test_changes_are_passed_on(bridge, qtbot):
    with qtbot.waitSignal(bridge.changed) as heard:
        bridge.hear_change(Change(ids=(3,)))
    assert heard.args[0].ids == (3,)


def test_work_gives_its_result_on_the_main_thread(bridge, qtbot):
    results = []
    bridge.run("query", lambda: threading.current_thread().name, results.append)
    qtbot.waitUntil(lambda: bool(results))
    assert results[0].startswith("window-query")


def test_an_error_goes_to_who_asked_or_to_everybody(bridge, qtbot):
    def fail():
        raise InputError("Impossible.")

    told = []
    bridge.run("query", fail, on_error=told.append)
    qtbot.waitUntil(lambda: [str(error) for error in told] == ["Impossible."])
    with qtbot.waitSignal(bridge.failed) as heard:
        bridge.run("query", fail)
    assert heard.args[0].user_message == "Impossible."


def test_a_bug_is_reported_as_one(bridge, qtbot):
    with qtbot.waitSignal(bridge.crashed) as heard:
        bridge.run("sound", lambda: 1 // 0)
    assert isinstance(heard.args[0], ZeroDivisionError)


def test_a_cancelled_future_is_no_news(bridge, qtbot):
    future: Future[int] = Future()
    told = []
    bridge.watch(future, told.append, told.append)
    future.cancel()
    qtbot.wait(20)
    assert told == []


def test_after_closing_nothing_arrives(bridge, qtbot):
    told = []
    bridge.post(lambda: told.append(1))
    bridge.close()
    bridge.post(lambda: told.append(2))
    qtbot.wait(20)
    assert told == []


def test_closing_ends_the_threads(bridge):
    bridge.run("player", lambda: None).result(5)
    bridge.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("window-")]


def test_a_question_after_closing_is_dropped(bridge):
    bridge.close()
    ran = []
    future = bridge.run("query", lambda: ran.append("work"), on_done=ran.append)
    assert future.cancelled()
    assert ran == []

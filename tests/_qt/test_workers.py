"""Jobs in threads: answers, errors, cancelling, owners that go."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest
from qtpy.QtCore import QObject, QThread

from napari_nucleiseg._qt.workers import JobHandle, jobs_of, run_call, run_job
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.progress import Progress


def counting(stop: int, closed: list[int] | None = None) -> Iterator[Progress]:
    done = 0
    try:
        for done in range(1, stop + 1):
            yield Progress(done, stop)
    finally:
        if closed is not None:
            closed.append(done)


def test_items_then_result_then_end_in_the_windows_thread(qtbot):
    heard, threads = [], set()

    def hear(kind):
        def listen(*item):
            heard.append((kind, *(each.done for each in item)))
            threads.add(QThread.currentThread())

        return listen

    handle = run_job(
        lambda: counting(3),
        on_progress=hear("item"),
        on_result=hear("result"),
        on_end=hear("end"),
    )
    qtbot.waitUntil(lambda: not handle.is_running)
    assert heard == [("item", 1), ("item", 2), ("item", 3), ("result", 3), ("end",)]
    assert threads == {QThread.currentThread()}


def test_the_job_itself_runs_elsewhere(qtbot):
    found = []
    run_call(threading.get_ident, on_result=found.append)
    qtbot.waitUntil(lambda: bool(found))
    assert found[0] != threading.get_ident()


def test_a_thread_has_ended_before_its_handle_goes(qtbot):
    """Otherwise the thread may emit a signal of a deleted object, which is a crash."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    ended = []
    try:
        for _ in range(100):
            job: list[JobHandle] = []
            job.append(run_call(int, on_end=lambda job=job: ended.append(job[0].wait(0))))
            qtbot.waitUntil(lambda job=job: not job[0].is_running)
    finally:
        sys.setswitchinterval(usual)
    assert ended == [True] * 100


def test_bad_input_reaches_the_person(qtbot):
    def fail():
        raise BadInput("No such file.")

    heard = []
    run_call(fail, on_error=lambda error: heard.append(str(error)), on_result=heard.append)
    qtbot.waitUntil(lambda: bool(heard))
    assert heard == ["No such file."]


@pytest.mark.parametrize("error", [RuntimeError("a fault"), KeyError("a fault")])
def test_a_fault_of_the_program_is_raised_in_the_window(qtbot, error):
    def fail():
        raise error

    ended = []
    with qtbot.captureExceptions() as raised:
        run_call(fail, on_error=ended.append, on_end=lambda: ended.append("end"))
        qtbot.waitUntil(lambda: bool(ended))
    assert ended == ["end"]
    assert [type(value) for _, value, _ in raised] == [type(error)]


def test_cancel_closes_the_generator_between_items(qtbot):
    go, closed, heard = threading.Event(), [], []

    def slow():
        for item in counting(1000, closed):
            yield item
            go.wait(5)

    def cancel_at_first(item):
        heard.append(item.done)
        handle.cancel()
        go.set()

    handle = run_job(
        slow,
        on_progress=cancel_at_first,
        on_result=lambda item: heard.append("result"),
        on_end=lambda: heard.append("end"),
    )
    qtbot.waitUntil(lambda: "end" in heard)
    assert heard == [1, "end"]
    assert closed
    assert closed[0] < 1000


def test_no_callback_after_the_owner_is_gone(qtbot):
    go, heard = threading.Event(), []
    owner = QObject()
    handle = run_call(go.wait, 5, on_result=heard.append, on_end=heard.append, owner=owner)
    owner.deleteLater()
    destroyed = []
    owner.destroyed.connect(lambda: destroyed.append(True))
    qtbot.waitUntil(lambda: bool(destroyed))
    go.set()
    qtbot.waitUntil(lambda: not handle.is_running)
    assert heard == []


@pytest.mark.parametrize("loses_owner", [False, True])
def test_nothing_is_left_of_a_job_that_has_ended(qtbot, qapp, loses_owner):
    before = set(qapp.findChildren(JobHandle))
    go, owner, gone = threading.Event(), QObject(), []
    owner.destroyed.connect(lambda: gone.append(True))
    handle = run_call(go.wait, 30, owner=owner)
    assert handle in qapp.findChildren(JobHandle)
    if loses_owner:
        owner.deleteLater()
        qtbot.waitUntil(lambda: bool(gone))
    go.set()
    qtbot.waitUntil(lambda: set(qapp.findChildren(JobHandle)) <= before)


def test_jobs_are_found_by_their_window(qtbot):
    window, other = QObject(), QObject()
    owner = QObject(QObject(window))
    go = threading.Event()
    handle = run_call(go.wait, 5, owner=owner)
    assert jobs_of(window) == [handle]
    assert jobs_of(other) == []
    go.set()
    qtbot.waitUntil(lambda: not handle.is_running)
    assert jobs_of(window) == []


def test_answers_can_be_fetched_without_the_event_loop(qtbot):
    heard = []
    handle = run_call(lambda: 7, on_result=heard.append)
    assert handle.wait(5)
    handle.deliver()
    assert heard == [7]
    qtbot.wait(20)
    assert heard == [7]

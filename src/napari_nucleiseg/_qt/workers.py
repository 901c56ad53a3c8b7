"""Work in threads, with its answers in the thread of the window.

Python's daemon threads rather than Qt's: a window that is closed never waits for a thread
that a slow disk holds up, and no kind of error is swallowed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import closing, nullcontext
from typing import Any

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import QApplication

from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.progress import Progress


class JobHandle(QObject):
    """A job that runs in a thread. Made by `run_job` and `run_call`.

    Attributes
    ----------
    must_finish : bool
        Whether a window that closes waits for it instead of cancelling it.
    """

    _woken = Signal()

    def __init__(
        self,
        make: Callable[[], Iterable[Any]],
        *,
        on_progress: Callable[[Any], None] | None,
        on_result: Callable[[Any], None] | None,
        on_error: Callable[[BadInput], None] | None,
        on_end: Callable[[], None] | None,
        owner: QObject | None,
        must_finish: bool,
    ) -> None:
        # A child of the application, so that it lives until its answers are delivered.
        super().__init__(QApplication.instance())
        self.must_finish = must_finish
        self._make = make
        self._on_progress, self._on_result = on_progress, on_result
        self._on_error, self._on_end = on_error, on_end
        self._owner: QObject | None = owner
        self._cancelled = threading.Event()
        self._answers: deque[tuple[str, Any]] = deque()
        self._is_ended = False
        self._woken.connect(self.deliver, Qt.ConnectionType.QueuedConnection)
        # No bound method: PyQt5 would never call it.
        self._on_owner_destroyed = lambda: self._lose_owner()
        if owner is not None:
            owner.destroyed.connect(self._on_owner_destroyed)
        self._thread = threading.Thread(target=self._run, name="nucleiseg job", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether `on_end` is still to come."""
        return not self._is_ended

    def cancel(self) -> None:
        """Stop at the next item; only `on_end` is called from now on."""
        self._cancelled.set()

    def wait(self, seconds: float) -> bool:
        """Block until the thread has ended; False if it has not after so long."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def belongs_to(self, window: QObject) -> bool:
        """Whether its owner is this window or lies within it."""
        above: QObject | None = self._owner
        while above is not None and above is not window:
            above = above.parent()
        return above is window

    def deliver(self) -> None:
        """Call the callbacks of all that has happened; in the thread of the window."""
        while self._answers:
            kind, answer = self._answers.popleft()
            if kind == "end":
                self._end(answer)
            elif not self._cancelled.is_set() and self._on_progress is not None:
                self._on_progress(answer)

    def _end(self, answer: tuple[str, Any]) -> None:
        self._is_ended = True
        # An earlier wake-up may have brought the end here while the thread still emits its
        # own: an object that is deleted below it crashes the program.
        self._thread.join()
        self.deleteLater()
        if self._owner is not None:
            self._owner.destroyed.disconnect(self._on_owner_destroyed)
        kind, value = answer
        callback: Any = self._on_result if kind == "result" else self._on_error
        is_meant = kind == "result" or isinstance(value, BadInput)
        try:
            if is_meant and callback is not None and not self._cancelled.is_set():
                callback(value)
        finally:
            if self._on_end is not None:
                self._on_end()
        if not is_meant:
            # A fault of the program: napari shows it with its traceback.
            raise value

    def _lose_owner(self) -> None:
        self._owner = self._on_progress = self._on_result = self._on_error = self._on_end = None
        if not self.must_finish:
            self.cancel()

    def _run(self) -> None:
        try:
            answer = ("result", self._loop())
        except BaseException as error:  # noqa: BLE001  (raised again in the window's thread)
            answer = ("error", error)
        self._send("end", answer)

    def _loop(self) -> Any:
        last = None
        items = self._make()
        with closing(items) if isinstance(items, Generator) else nullcontext():
            for last in items:
                if self._cancelled.is_set():
                    return None
                self._send("progress", last)
        return last

    def _send(self, kind: str, answer: Any) -> None:
        self._answers.append((kind, answer))
        try:
            self._woken.emit()
        except RuntimeError:
            # The application is gone, and with it everybody who might listen.
            return


def run_job(
    make: Callable[[], Iterable[Progress]],
    *,
    on_progress: Callable[[Progress], None] | None = None,
    on_result: Callable[[Progress | None], None] | None = None,
    on_error: Callable[[BadInput], None] | None = None,
    on_end: Callable[[], None] | None = None,
    owner: QObject | None = None,
    must_finish: bool = False,
) -> JobHandle:
    """Run a job in a thread; all callbacks are called in the thread of the window.

    Parameters
    ----------
    make : callable
        Called in the thread; returns the job, a generator of `Progress`. It is closed when
        the job is cancelled, so that its `finally` blocks run.
    on_progress : callable, optional
        Called with every item.
    on_result : callable, optional
        Called with the last item once the job is through; not after `JobHandle.cancel`.
    on_error : callable, optional
        Called with a `BadInput`, which is meant for the person. Any other error is a fault
        of the program and is raised in the thread of the window, where napari shows it.
    on_end : callable, optional
        Called last, whatever happened.
    owner : QObject, optional
        The job is cancelled, and no callback is called, once this is destroyed.
    must_finish : bool
        Do not cancel the job when its window closes: it saves something.

    Returns
    -------
    JobHandle
        Need not be kept.
    """
    handle = JobHandle(
        make,
        on_progress=on_progress,
        on_result=on_result,
        on_error=on_error,
        on_end=on_end,
        owner=owner,
        must_finish=must_finish,
    )
    handle.start()
    return handle


def run_call(
    function: Callable[..., Any],
    *arguments: Any,
    on_result: Callable[[Any], None] | None = None,
    on_error: Callable[[BadInput], None] | None = None,
    on_end: Callable[[], None] | None = None,
    owner: QObject | None = None,
    must_finish: bool = False,
) -> JobHandle:
    """Run a function in a thread; `on_result` gets what it returns. See `run_job`."""
    return run_job(
        lambda: [function(*arguments)],
        on_result=on_result,
        on_error=on_error,
        on_end=on_end,
        owner=owner,
        must_finish=must_finish,
    )


def jobs_of(window: QObject) -> list[JobHandle]:
    """List the jobs that run for a window."""
    application = QApplication.instance()
    handles = application.findChildren(JobHandle) if application else []
    return [each for each in handles if each.is_running and each.belongs_to(window)]

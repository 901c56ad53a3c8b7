"""The engine: runs the jobs that need TensorFlow in a child process.

TensorFlow in the process of an OpenGL window crashes both, and takes ten seconds to
import. The child is started early, lives on between jobs, and ends with its parent.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from napari_nucleiseg.engine_process import ChildProcess
from napari_nucleiseg.engine_wire import progress_from_message
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.progress import Progress

JOBS = "napari_nucleiseg.engine_jobs:JOBS"
HEARTBEAT = 0.2
"""Seconds after which `Engine.run` yields, although the job is silent [s]."""
PATIENCE = 2.0
"""Time that a cancelled job has to end before it is killed [s]."""


class EngineFailed(BadInput):
    """The child process died in the middle of a job.

    Attributes
    ----------
    last_words : str
        The last lines that it printed, for a report.
    """

    def __init__(self, message: str, last_words: str = "") -> None:
        super().__init__(message)
        self.last_words = last_words


class EngineState(StrEnum):
    """What the engine is doing."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"


class Engine:
    """Runs jobs in a child process, one at a time. Any thread may call it.

    Parameters
    ----------
    jobs : str
        ``module:name`` of the dict of jobs; for tests.
    """

    def __init__(self, jobs: str = JOBS) -> None:
        self._jobs = jobs
        self._child: ChildProcess | None = None
        self._starting = threading.Lock()
        self._running = threading.Lock()
        self._numbers = itertools.count(1)

    @property
    def state(self) -> EngineState:
        """What the engine is doing now."""
        child = self._child
        if child is None or not child.is_alive:
            return EngineState.STOPPED
        if self._running.locked():
            return EngineState.BUSY
        return EngineState.READY if child.is_ready else EngineState.STARTING

    @property
    def pid(self) -> int | None:
        """Id of the child process; None while there is none."""
        child = self._child
        return child.pid if child is not None and child.is_alive else None

    @property
    def about(self) -> dict[str, Any]:
        """What the child says of its device: "name", "reason"; empty until it is ready."""
        child = self._child
        return child.about if child is not None else {}

    def start(self) -> None:
        """Start the child, which imports TensorFlow; returns at once.

        Does nothing where one runs.
        """
        self._living_child()

    def wait_until_ready(self, seconds: float) -> bool:
        """Start the child and wait up to `seconds` for it; False if it died or is not ready."""
        return self._living_child().wait_until_ready(seconds)

    def run(self, job: str, request: Mapping[str, Any]) -> Iterator[Progress]:
        """Run a job in the child.

        Parameters
        ----------
        job : str
            Its name in `engine_jobs.JOBS`.
        request : mapping
            What JSON can hold.

        Yields
        ------
        Progress
            Those of the job. While it is silent, its last one again with kind "alive" every
            `HEARTBEAT` seconds, so that whoever drives this can cancel. Closing the
            generator cancels the job and returns when it has ended, or has been killed
            after `PATIENCE` seconds.

        Raises
        ------
        BadInput
            If the job refuses the request, or another job runs.
        EngineFailed
            If the child dies. The next job gets a new one.
        """
        if not self._running.acquire(blocking=False):
            raise BadInput("The engine is at work already: wait until it ends, or stop it first.")
        try:
            yield from _Conversation(self._living_child(), next(self._numbers)).run(job, request)
        finally:
            self._running.release()

    def close(self) -> None:
        """End the child, and with it the job that runs."""
        with self._starting:
            if self._child is not None:
                self._child.end(PATIENCE)
                self._child = None

    def _living_child(self) -> ChildProcess:
        with self._starting:
            if self._child is None or not self._child.is_alive:
                self._child = ChildProcess(self._jobs)
            return self._child


class _Conversation:
    """One job, from its request to its end."""

    def __init__(self, child: ChildProcess, number: int) -> None:
        self._child, self._number = child, number
        self._is_over = False

    def run(self, job: str, request: Mapping[str, Any]) -> Iterator[Progress]:
        message = {"type": "run", "job": self._number, "name": job, "request": dict(request)}
        last = Progress(0, 0, "" if self._child.is_ready else "Starting TensorFlow", "alive")
        self._child.send(message)
        try:
            yield last
            while not self._is_over:
                step = self._next_step()
                if step is None and not self._is_over:
                    yield replace(last, kind="alive", values={})
                elif step is not None:
                    last = step
                    yield step
        finally:
            if not self._is_over:
                self._cancel()

    def _next_step(self) -> Progress | None:
        message = self._child.receive(HEARTBEAT)
        if message is None:
            return None
        if message["type"] == "gone":
            self._is_over = True
            raise EngineFailed(
                f"The process that trains {self._child.describe_end()}; what it had saved is kept: "
                "free memory and resume, or train again with a smaller batch or crop.",
                self._child.last_words(),
            )
        if message["job"] != self._number:
            return None  # the rest of a job that was cancelled
        if message["type"] == "progress":
            return progress_from_message(message)
        self._is_over = message["type"] in ("end", "refused")
        if message["type"] == "refused":
            raise BadInput(message["message"])
        return None

    def _cancel(self) -> None:
        """Ask the job to end, wait for it, and kill it when it does not."""
        self._child.send({"type": "cancel", "job": self._number})
        patient_until = time.monotonic() + PATIENCE
        while (left := patient_until - time.monotonic()) > 0:
            message = self._child.receive(left) or {"type": "late"}
            if message["type"] == "gone":
                return
            if message["type"] in ("end", "refused") and message["job"] == self._number:
                return
        self._child.kill()

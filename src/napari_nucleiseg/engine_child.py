"""The engine's child process: runs jobs, one at a time, for the process that holds the window.

``python -P -m napari_nucleiseg.engine_child --jobs MODULE:NAME``; only `engine` starts it.
It ends with the process that started it, whatever it is doing.
"""

from __future__ import annotations

import argparse
import importlib
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from typing import Any, BinaryIO

from napari_nucleiseg.engine_wire import progress_to_message, read_message, write_message
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.progress import Progress

Jobs = Mapping[str, Callable[[Mapping[str, Any]], Generator[Progress]]]
_LOOK_AT_PARENT_EVERY = 0.5  # s


def main() -> None:
    """Serve the parent process until it goes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", required=True, metavar="MODULE:NAME")
    module, _, name = parser.parse_args().jobs.partition(":")
    # Ctrl+C in the terminal reaches all processes of it; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    server = _Server(*_pipes())
    threading.Thread(target=server.listen, name="listen", daemon=True).start()
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    server.serve(getattr(importlib.import_module(module), name))


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """Move the pipes aside: prints go to stderr, and whoever reads stdin finds nothing."""
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return incoming, outgoing


def _end_with_parent(parent: int) -> None:
    """End once this process is an orphan.

    The end of stdin says so too, but not while a fork of the parent holds the pipe open.
    """
    while os.getppid() == parent:
        time.sleep(_LOOK_AT_PARENT_EVERY)
    os._exit(0)


class _Server:
    """Takes requests in one thread and runs jobs in the main one."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        self._requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._writing = threading.Lock()
        self._cancelled = 0  # number of the job that was cancelled last; they only grow

    def listen(self) -> None:
        try:
            while (message := read_message(self._incoming)) is not None:
                self._take(message)
        finally:
            # Also in the middle of a long step, which no exception would end.
            os._exit(0)

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "cancel":
            self._cancelled = message["job"]
            self._send({"type": "cancelling", "job": message["job"]})
        else:
            self._requests.put(message)

    def serve(self, jobs: Jobs) -> None:
        about: Mapping[str, Any] = {}
        for step in jobs["prepare"]({}) if "prepare" in jobs else ():
            about = {**about, **step.values}
        self._send({"type": "ready", "about": about})
        while True:
            self._answer(jobs, self._requests.get())

    def _answer(self, jobs: Jobs, request: dict[str, Any]) -> None:
        number = request["job"]
        try:
            self._run(_find(jobs, request["name"]), request["request"], number)
        except BadInput as error:
            self._send({"type": "refused", "job": number, "message": str(error)})
        else:
            self._send({"type": "end", "job": number})

    def _run(
        self,
        make: Callable[[Mapping[str, Any]], Generator[Progress]],
        request: Mapping[str, Any],
        number: int,
    ) -> None:
        with closing(make(request)) as steps:
            while self._cancelled < number and (step := next(steps, None)) is not None:
                self._send(progress_to_message(step, number))

    def _send(self, message: Mapping[str, Any]) -> None:
        with self._writing:
            write_message(self._outgoing, message)


def _find(jobs: Jobs, name: str) -> Callable[[Mapping[str, Any]], Generator[Progress]]:
    if name not in jobs:
        raise BadInput(f"There is no job {name!r:.80}; expected one of {', '.join(sorted(jobs))}.")
    return jobs[name]


if __name__ == "__main__":
    main()

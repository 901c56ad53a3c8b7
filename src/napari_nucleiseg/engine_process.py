"""The parent's side of the engine's child process: its start, messages and end."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from typing import IO, Any

from napari_nucleiseg.engine_wire import read_message, write_message

_KEPT_LINES = 60
_LONGEST_WORDS = 300
_GONE = {"type": "gone"}


class ChildProcess:
    """One child process, started once.

    Parameters
    ----------
    jobs : str
        ``module:name`` of the dict of jobs that it runs.
    """

    def __init__(self, jobs: str) -> None:
        # -P: a json.py in the folder that napari was started in must not be imported.
        command = [sys.executable, "-P", "-m", "napari_nucleiseg.engine_child", "--jobs", jobs]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONIOENCODING": "utf-8:replace"},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        # Set once it is ready, and when it dies: nobody waits for a child that is gone.
        self._ready_or_gone = threading.Event()
        self._about: dict[str, Any] = {}
        self._said: deque[str] = deque(maxlen=_KEPT_LINES)
        self._writing = threading.Lock()
        self._listener = _thread(self._overhear, _pipe(self._process.stderr))
        self._reader = _thread(self._read, _pipe(self._process.stdout))

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    @property
    def is_ready(self) -> bool:
        """Whether it has imported all that it needs, and would begin a job at once."""
        return self._ready_or_gone.is_set() and self.is_alive

    @property
    def about(self) -> dict[str, Any]:
        """What it found out about the machine while it started; empty until it is ready."""
        return dict(self._about)

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message; to a child that has died, nothing is sent."""
        with self._writing:
            try:
                write_message(_pipe(self._process.stdin), message)
            except (OSError, ValueError):
                # The pipe is broken or closed: `receive` says that the child is gone.
                return

    def receive(self, seconds: float) -> dict[str, Any] | None:
        """Wait for a message; None if none came, type "gone" once the child has died."""
        try:
            return self._inbox.get(timeout=seconds)
        except queue.Empty:
            return None

    def wait_until_ready(self, seconds: float) -> bool:
        """Wait up to `seconds` until it is ready; False if it died or is not."""
        return self._ready_or_gone.wait(seconds) and self.is_alive

    def end(self, seconds: float) -> None:
        """End it by closing its stdin; kill it if that takes longer than `seconds`."""
        with self._writing:
            try:
                _pipe(self._process.stdin).close()
            except OSError:
                # What was still to be sent has no reader any more.
                self._process.kill()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill it, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def last_words(self) -> str:
        """Give the last lines that it printed."""
        self._listener.join(1)
        return "\n".join(self._said)

    def describe_end(self) -> str:
        """Say in one clause how it ended, with the last thing it said."""
        code = self._process.wait()
        lines = [line for line in self.last_words().splitlines() if line and line[0] != " "]
        said = f" after saying: {lines[-1][:_LONGEST_WORDS]}" if lines else ""
        return f"{_end_in_words(code)}{said}"

    def _read(self, pipe: IO[bytes]) -> None:
        try:
            while (message := read_message(pipe)) is not None:
                if message["type"] == "ready":
                    self._about = message["about"]
                    self._ready_or_gone.set()
                else:
                    self._inbox.put(message)
        except (OSError, ValueError):
            # Not our language any more; there is no way back into step.
            self._process.kill()
        self._process.wait()
        self._ready_or_gone.set()
        self._inbox.put(_GONE)

    def _overhear(self, pipe: IO[bytes]) -> None:
        for line in pipe:
            self._said.append(line.decode("utf-8", "replace").rstrip())


def _end_in_words(code: int) -> str:
    if code >= 0:
        return f"ended with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name in ("SIGKILL", "SIGABRT", "SIGSEGV", "SIGBUS"):
        return f"was ended by {name}, most often for want of memory,"
    return f"was ended by {name}"


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def _thread(target: Any, pipe: IO[bytes]) -> threading.Thread:
    thread = threading.Thread(target=target, args=(pipe,), name="nucleiseg engine", daemon=True)
    thread.start()
    return thread

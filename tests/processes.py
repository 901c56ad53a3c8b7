"""Run window tests and TensorFlow tests in processes of their own, and count them as one run.

TensorFlow and an OpenGL window in one process crash it, and either can crash by itself. So,
unless a run is about `tests/_qt` or `tests/nn` alone, each of these folders is left to a child
pytest, which sends its reports back: one run, one summary, one exit code, also when a child
dies. The tests in `tests/nn` start first and run beside all others, because they take longest
and leave a core idle half the time. Tests elsewhere that are marked `tensorflow` have a child
too, which runs beside the windows.
"""

from __future__ import annotations

import base64
import collections
import importlib.abc
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TESTS = Path(__file__).parent
WINDOWS = TESTS / "_qt"
TENSORFLOW = TESTS / "nn"  # its modules import TensorFlow when they are collected
APART = (WINDOWS, TENSORFLOW)
IN_CHILD = "NUCLEISEG_TEST_CHILD"  # names the child's folder
MARK = "\x1e"  # begins a line that is meant for the parent
LAST_WORDS = 60  # lines of a dead child's output to show
NORMAL_ENDS = (
    pytest.ExitCode.OK,
    pytest.ExitCode.TESTS_FAILED,
    pytest.ExitCode.NO_TESTS_COLLECTED,
)


def pytest_configure(config: pytest.Config) -> None:
    child = os.environ.get(IN_CHILD)
    paths = [Path(config.invocation_params.dir, arg.split("::")[0]) for arg in config.args]
    alone = [folder for folder in APART if all(is_within(path, folder) for path in paths)]
    if child:
        config.pluginmanager.register(Sender(config))
    elif not alone:
        config.pluginmanager.register(Parent(config), "tests-apart")
    if child != TENSORFLOW.name and TENSORFLOW not in alone:
        sys.meta_path.insert(0, RefuseTensorFlow())


def is_within(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


class RefuseTensorFlow(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """An importer that fails with the remedy, where TensorFlow would crash or hang."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname == "tensorflow" else None

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        raise ImportError(
            "TensorFlow cannot be imported in the process that opens windows: move the test to "
            "tests/nn, or mark it with pytest.mark.tensorflow and import inside of it."
        )


class Sender:
    """In the child: send what happens to the parent, by way of the standard output."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    def send(self, kind: str, content: Any) -> None:
        writer = self.config.get_terminal_writer()
        # Pickled, because reports hold tuples, which JSON would turn into lists.
        writer.line("\n" + MARK + base64.b64encode(pickle.dumps((kind, content))).decode())
        writer.flush()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.send("collected", [item.nodeid for item in session.items])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.send("collect", self.pack(report))

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        self.send("start", [nodeid, location])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.send("report", self.pack(report))

    def pytest_runtest_logfinish(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        self.send("finish", [nodeid, location])

    def pack(self, report: pytest.CollectReport | pytest.TestReport) -> Any:
        hook = self.config.hook.pytest_report_to_serializable
        return hook(config=self.config, report=report)


class Parent:
    """Leave the tests of the folders apart out, then run a child for each folder."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.marked: list[str] = []

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        return True if any(is_within(collection_path, folder) for folder in APART) else None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self.marked = [item.nodeid for item in items if item.get_closest_marker("tensorflow")]
        items[:] = [item for item in items if not item.get_closest_marker("tensorflow")]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Iterator[None]:
        windows = Child(session, WINDOWS, self.asked_paths(WINDOWS))
        tensorflow = Child(session, TENSORFLOW, self.asked_paths(TENSORFLOW))
        marked = Child(session, TENSORFLOW, self.marked)
        if self.config.option.collectonly:
            return (yield)
        with tensorflow, windows, marked:
            tensorflow.start()
            result = yield
            for child in (windows, marked):
                child.start()
            for child in (windows, tensorflow, marked):
                child.follow()
        return result

    def asked_paths(self, folder: Path) -> list[str]:
        """Those of the paths on the command line that lie in a folder."""
        root = self.config.invocation_params.dir
        if folder in [root / ignored for ignored in self.config.option.ignore or ()]:
            return []
        paths = []
        for arg in self.config.args:
            path = root / arg.split("::")[0]
            if is_within(path, folder):
                paths.append(arg)
            elif is_within(folder, path):
                paths.append(str(folder))
        return list(dict.fromkeys(paths)) if folder.is_dir() else []


class Child:
    """A child pytest, from the parent's side."""

    def __init__(self, session: pytest.Session, folder: Path, asked: list[str]) -> None:
        self.session, self.config = session, session.config
        self.folder, self.asked = folder, asked
        self.process: subprocess.Popen[str] | None = None
        self.lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.waiting: list[str] = []
        self.running: tuple[str, tuple[str, int | None, str]] | None = None
        self.last_words: collections.deque[str] = collections.deque(maxlen=LAST_WORDS)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def start(self) -> None:
        """Start it, unless there is nothing for it to do."""
        if not self.asked or self.is_stopped():
            return
        self.process = subprocess.Popen(
            self.command(),
            cwd=self.config.invocation_params.dir,
            env={**os.environ, IN_CHILD: self.folder.name},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        threading.Thread(target=self.read, args=(self.process,), daemon=True).start()

    def read(self, process: subprocess.Popen[str]) -> None:
        """Keep its output until it is asked for, so that a full pipe never stops it."""
        for line in process.stdout or ():
            self.lines.put(line)
        self.lines.put(None)

    def follow(self) -> None:
        """Report what it has done and does, to its end."""
        while self.process is not None and not self.is_stopped():
            line = self.lines.get()
            if line is None:
                self.judge(self.process.wait())
                return
            self.take(line)

    def is_stopped(self) -> bool:
        return bool(self.session.shouldfail or self.session.shouldstop)

    def command(self) -> list[str]:
        option = self.config.option
        chosen = ["-k", option.keyword, "-m", option.markexpr]
        quiet = [
            "-p",
            "no:cacheprovider",
            "--color=no",
            "-q",
            "--no-header",
            "--tb",
            option.tbstyle,
        ]
        return [sys.executable, "-m", "pytest", *quiet, *chosen, *self.asked]

    def take(self, line: str) -> None:
        """Act on one line of the child's output."""
        if not line.startswith(MARK):
            self.last_words.append(line)
            return
        kind, content = pickle.loads(base64.b64decode(line[len(MARK) :]))
        hook = self.config.hook
        if kind == "collected":
            self.waiting = content
            self.session.testscollected += len(content)
        elif kind == "collect":
            hook.pytest_collectreport(report=self.unpack(content))
        elif kind == "report":
            hook.pytest_runtest_logreport(report=self.unpack(content))
        elif kind == "start":
            self.running = content
            self.waiting.remove(content[0])
            hook.pytest_runtest_logstart(nodeid=content[0], location=content[1])
        else:
            self.running = None
            hook.pytest_runtest_logfinish(nodeid=content[0], location=content[1])

    def unpack(self, content: Any) -> Any:
        hook = self.config.hook.pytest_report_from_serializable
        return hook(config=self.config, data=content)

    def judge(self, code: int) -> None:
        """Report a child that died as a failure, and run what it left in a new one."""
        refused = self.session.testsfailed and code == pytest.ExitCode.INTERRUPTED
        if code in NORMAL_ENDS or refused:
            return
        self.report_death(code)
        if self.running and self.waiting:
            self.session.testscollected -= len(self.waiting)
            rest = Child(self.session, self.folder, self.waiting)
            with rest:
                rest.start()
                rest.follow()

    def report_death(self, code: int) -> None:
        name = f"tests/{self.folder.name}"
        nodeid, location = self.running or (name, (name, None, name))
        said = "".join(self.last_words)
        report = pytest.TestReport(
            nodeid=nodeid,
            location=location,
            keywords={},
            outcome="failed",
            longrepr=f"The process of {name} ended with code {code}.\n{said}",
            when="call",
        )
        self.config.hook.pytest_runtest_logreport(report=report)

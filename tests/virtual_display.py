"""Give window tests a screen of their own under Linux.

It is started only when a collected test opens a window, also where there is a real screen,
so that no window steals the focus of the person who runs the tests.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys

import pytest

WINDOW_FIXTURES = {"qapp", "qtbot"}
SCREEN = "1280x800x24"

_server = pytest.StashKey[subprocess.Popen[bytes]]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = any(WINDOW_FIXTURES.intersection(getattr(item, "fixturenames", ())) for item in items)
    if wanted and sys.platform == "linux" and not os.environ.get("NUCLEISEG_TEST_DISPLAY"):
        config.stash[_server] = start_server()


def start_server() -> subprocess.Popen[bytes]:
    """Start Xvfb on a free display and point Qt at it."""
    program = shutil.which("Xvfb")
    if program is None:
        raise pytest.UsageError(
            "The window tests need Xvfb, which is not installed; run scripts/system_packages.sh, "
            "or set NUCLEISEG_TEST_DISPLAY=1 to open the windows on your own screen."
        )
    reader, writer = os.pipe()
    server = subprocess.Popen(
        [program, "-displayfd", str(writer), "-screen", "0", SCREEN, "-nolisten", "tcp"],
        pass_fds=[writer],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=_end_with_parent,
    )
    os.close(writer)
    with os.fdopen(reader) as answer:
        number = answer.readline().strip()
    if not number:
        raise pytest.UsageError(f"Xvfb ended with code {server.wait()} before it had a display.")
    os.environ["DISPLAY"] = f":{number}"
    os.environ["QT_QPA_PLATFORM"] = "xcb"
    os.environ.pop("WAYLAND_DISPLAY", None)
    return server


def _end_with_parent() -> None:
    """Ask Linux to end this process when pytest ends, however that comes about."""
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


def pytest_unconfigure(config: pytest.Config) -> None:
    server = config.stash.get(_server, None)
    if server is not None:
        server.terminate()
        server.wait()

"""Signals of data, heard by widgets for as long as these live.

A widget's Python half outlives its Qt half: without this, it would be called and fail.
Nothing here hangs on `destroyed`: the garbage collector may have emptied a function that is
connected to it by the time that it is called, which ends the process.
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer

_CALM_MS = 150
Link = tuple[Any, Callable[..., Any]]


class Ear:
    """Hears the signals of one thing at a time.

    Parameters
    ----------
    owner : QObject
        A widget, whose methods are called.
    """

    def __init__(self, owner: QObject) -> None:
        self._owner = weakref.ref(owner)
        self._links: list[Link] = []

    def listen(self, *links: Link) -> None:
        """Connect signals of psygnal or napari to methods, in place of those before."""
        for signal, heard in self._links:
            signal.disconnect(heard)
        self._links = [(signal, _while_alive(self._owner, method)) for signal, method in links]
        for signal, heard in self._links:
            signal.connect(heard)


def listen(owner: QObject, *links: Link) -> None:
    """Connect signals of psygnal or napari to methods of a widget, until it is destroyed.

    Parameters
    ----------
    owner : QObject
    *links : tuple of signal and method
    """
    Ear(owner).listen(*links)


def calm_timer(owner: QObject, method: Callable[[], Any]) -> QTimer:
    """Make a timer that calls a method once for many signals in a row; `ask_calmly` starts it."""
    timer = QTimer(owner)
    timer.setSingleShot(True)
    timer.setInterval(_CALM_MS)
    timer.timeout.connect(method)
    return timer


def ask_calmly(timer: QTimer) -> None:
    """Start a `calm_timer`, unless it runs: it is never put off."""
    if not timer.isActive():
        timer.start()


def _while_alive(owner: weakref.ref[QObject], method: Callable[..., Any]) -> Callable[..., None]:
    reference = weakref.WeakMethod(method)

    def heard(*arguments: Any) -> None:
        widget, act = owner(), reference()
        if widget is not None and act is not None and isalive(widget):
            act(*arguments)

    # Signals look at how many arguments a callback takes.
    heard.__signature__ = inspect.signature(method)  # type: ignore[attr-defined]
    return heard

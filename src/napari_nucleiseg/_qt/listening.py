"""Signals of data, heard by widgets for as long as these live."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject


def listen(owner: QObject, *links: tuple[Any, Callable[..., Any]]) -> None:
    """Connect signals of psygnal or napari to methods of a widget, until it is destroyed.

    A widget's Python half outlives its Qt half: without this, it would be called and fail.

    Parameters
    ----------
    owner : QObject
    *links : tuple of signal and method
    """
    for signal, method in links:
        signal.connect(method)

    def stop() -> None:
        for signal, method in links:
            signal.disconnect(method)

    # A function and no bound method: PyQt5 would never call that.
    owner.destroyed.connect(stop)

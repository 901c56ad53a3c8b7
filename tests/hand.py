"""A hand on mouse and keyboard: real events on the canvas of a real window."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from napari import Viewer
from napari._qt.qt_viewer import QtViewer
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QCursor, QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

from napari_nucleiseg._qt.canvas import canvas_widget

_NO_KEY = Qt.KeyboardModifier.NoModifier
# vispy drops moves that follow one another faster than 10 ms.
_PACE = 15


@contextmanager
def shown_window() -> Iterator[Viewer]:
    """Open a window with real mouse and keys; one serves all tests of a module."""
    viewer = Viewer(show=True, show_welcome_screen=False)
    # `make_napari_viewer`, in other modules, counts those left in here as leaked.
    QtViewer._instances.discard(viewer.window._qt_viewer)
    # The notice that napari shows on its start must be gone before it hides what is clicked.
    QTest.qWait(100)
    yield viewer
    viewer.close()
    gc.collect()


class Hand:
    """Moves, clicks, draws and types over the layers of a viewer.

    Places are in the world, y before x, of a viewer that shows two dimensions, upright.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self.canvas: QWidget = canvas_widget(viewer)

    def point(self, y: float, x: float) -> None:
        """Move the pointer there."""
        QTest.mouseMove(self.canvas, self.at(y, x))
        QTest.qWait(2 * _PACE)

    def press(self, key: str | Qt.Key, *, shift: bool = False, ctrl: bool = False) -> None:
        """Press a key, and let it go."""
        modifiers = _NO_KEY
        if shift:
            modifiers |= Qt.KeyboardModifier.ShiftModifier
        if ctrl:
            modifiers |= Qt.KeyboardModifier.ControlModifier
        code = getattr(Qt.Key, f"Key_{key}") if isinstance(key, str) else key
        QTest.keyClick(self.canvas, code, modifiers)

    def use(self, key: str, y: float, x: float, *, shift: bool = False) -> None:
        """Press a key with the pointer there."""
        self.point(y, x)
        self.press(key, shift=shift)

    def click(self, y: float, x: float) -> None:
        """Click the left button there."""
        self.point(y, x)
        QTest.mouseClick(self.canvas, Qt.MouseButton.LeftButton, _NO_KEY, self.at(y, x))

    def double_click(self, y: float, x: float) -> None:
        """Click twice, as Qt reports it: the second press comes as a double click."""
        self.click(y, x)
        QTest.mouseDClick(self.canvas, Qt.MouseButton.LeftButton, _NO_KEY, self.at(y, x))
        QTest.mouseRelease(self.canvas, Qt.MouseButton.LeftButton, _NO_KEY, self.at(y, x))

    def drag(self, *places: Sequence[float]) -> None:
        """Press the left button at the first place, move along, release at the last."""
        self.begin_drag(*places)
        self.end_drag(*places[-1])

    def begin_drag(self, *places: Sequence[float]) -> None:
        """Press the left button at the first place and move along; keep it down."""
        first, *others = (self.at(*place) for place in places)
        self.point(*places[0])
        QTest.mousePress(self.canvas, Qt.MouseButton.LeftButton, _NO_KEY, first)
        for place in others:
            self._move_pressed(place)
            QTest.qWait(_PACE)

    def end_drag(self, y: float, x: float) -> None:
        """Release the left button there."""
        QTest.mouseRelease(self.canvas, Qt.MouseButton.LeftButton, _NO_KEY, self.at(y, x))

    def at(self, y: float, x: float) -> QPoint:
        """Where a place of the world is on the canvas."""
        camera = self._viewer.scene.camera
        return QPoint(
            round((x - camera.center[-1]) * camera.zoom + self.canvas.width() / 2),
            round((y - camera.center[-2]) * camera.zoom + self.canvas.height() / 2),
        )

    def _move_pressed(self, place: QPoint) -> None:
        """Move with the left button down, which QTest's own moves are not."""
        everywhere = self.canvas.mapToGlobal(place)
        QCursor.setPos(everywhere)
        left = Qt.MouseButton.LeftButton
        none = Qt.MouseButton.NoButton
        event = QMouseEvent(
            QEvent.Type.MouseMove, QPointF(place), QPointF(everywhere), none, left, _NO_KEY
        )
        QApplication.sendEvent(self.canvas, event)

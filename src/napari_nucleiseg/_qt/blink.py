"""A widget that is not drawn for a moment, so that it is drawn with what it brings about."""

from __future__ import annotations

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget

LONGEST = 100  # ms; what takes less is felt as at once


class Blink(QTimer):
    """Holds the drawing of a widget back, for a short while at most.

    Drawn by software, a window with a canvas takes 25 ms for whatever has changed in it: a
    slider that is drawn ahead of its labels takes that time from them. Begin before the widget
    asks to be drawn: Qt keeps what it was asked before.

    Parameters
    ----------
    widget : QWidget
    """

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget
        self.setSingleShot(True)
        self.setInterval(LONGEST)
        self.timeout.connect(self.end)

    def begin(self) -> None:
        """Do not draw the widget; one that is held back already is not held for longer."""
        if not self.isActive():
            self._widget.setUpdatesEnabled(False)
            self.start()

    def end(self) -> None:
        """Draw the widget as soon as the window is drawn."""
        self.stop()
        self._widget.setUpdatesEnabled(True)

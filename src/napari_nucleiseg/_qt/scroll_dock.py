"""What all docks are: one column that scrolls, and that ends when its dock is closed."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QDockWidget, QFrame, QScrollArea, QWidget

_PLUGIN = " (napari-nucleiseg)"
_RESIZING = (QEvent.Type.LayoutRequest, QEvent.Type.FontChange, QEvent.Type.StyleChange)


class ScrollDock(QScrollArea):
    """Widget of a dock: scrolls up and down, and is destroyed when its dock is closed.

    napari takes the widget of a dock that is closed out of its window, and keeps it. Its
    jobs would run on, unseen and with nothing to stop them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._narrowest: int | None = None
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def show_column(self, column: QWidget, narrowest: int = 0) -> None:
        """Show a column, and be at least as wide as it needs, or as this [px]."""
        self._narrowest = narrowest
        self.setWidget(column)
        self._fit_width()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802
        """Follow the column, which Qt watches already, when a text or the font widens it."""
        handled = bool(super().eventFilter(watched, event))
        if event is not None and watched is self.widget() and event.type() in _RESIZING:
            self._fit_width()
        return handled

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802 - Qt's name
        """Make room for the bar to scroll with, which takes some of the column's."""
        super().resizeEvent(event)
        self._fit_width()

    def _fit_width(self) -> None:
        column, port = self.widget(), self.viewport()
        if self._narrowest is not None and column is not None and port is not None:
            beside = self.width() - port.width()  # a frame, and the bar where there is one
            needed = column.minimumSizeHint().width() + beside
            self.setMinimumWidth(max(self._narrowest, needed))

    def event(self, event: QEvent) -> bool:
        """Name the tab of its dock, and end when napari takes it out of its window."""
        handled = super().event(event)
        if event.type() != QEvent.Type.ParentChange:
            return bool(handled)
        dock = self.parent()
        if isinstance(dock, QDockWidget):
            # On tabs side by side there is room for what tells them apart only.
            dock.setWindowTitle(dock.windowTitle().removesuffix(_PLUGIN))
        elif dock is None:
            self.let_go()
            # From within the event loop: what is put off outside of it waits for its end.
            QTimer.singleShot(0, self.deleteLater)
        return bool(handled)

    def let_go(self) -> None:
        """End what would outlive the dock; called once, when it is closed."""

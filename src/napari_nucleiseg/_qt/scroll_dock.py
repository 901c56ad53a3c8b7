"""What all docks are: one column that scrolls, a tab beside the others, ended when closed."""

from __future__ import annotations

import re

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtGui import QResizeEvent, QShowEvent
from qtpy.QtWidgets import QDockWidget, QFrame, QMainWindow, QScrollArea, QWidget

_PLUGIN = re.compile(r" \((napari-nucleiseg|Nucleus segmentation)\)$")
_RESIZING = (QEvent.Type.LayoutRequest, QEvent.Type.FontChange, QEvent.Type.StyleChange)


class ScrollDock(QScrollArea):
    """Widget of a dock: scrolls up and down, and is destroyed when its dock is closed.

    napari takes the widget of a dock that is closed out of its window, and keeps it. Its
    jobs would run on, unseen and with nothing to stop them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._narrowest: int | None = None
        self._has_joined = False
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
            dock.setWindowTitle(_PLUGIN.sub("", dock.windowTitle()))
            # Later than this, napari's and Qt's own changes of the layout are on their way.
            dock.dockLocationChanged.connect(self._join_tabs)
        elif dock is None:
            self.let_go()
            # From within the event loop: what is put off outside of it waits for its end.
            QTimer.singleShot(0, self.deleteLater)
        return bool(handled)

    def _join_tabs(self) -> None:
        """Become a tab of our other docks in the same place, the first time it has one.

        Above each other, three docks leave no room in a small window. A person may take
        them apart, so it is done once.
        """
        dock = self.parent()
        window = dock.parent() if isinstance(dock, QDockWidget) else None
        if self._has_joined or not isinstance(window, QMainWindow):
            return
        self._has_joined = True
        for other in _docks_beside(dock, window)[-1:]:
            dock.show()  # what is hidden gets no tab
            window.tabifyDockWidget(other, dock)

    def showEvent(self, event: QShowEvent | None) -> None:  # noqa: N802 - Qt's name
        """Come to the front when the dock is shown again."""
        super().showEvent(event)
        if event is not None and not event.spontaneous():
            QTimer.singleShot(0, self.come_forward)  # once it has its tab again

    def come_forward(self) -> None:
        """Go in front of the tabs beside."""
        dock = self.parent()
        if isinstance(dock, QDockWidget) and not (dock.isFloating() or dock.isHidden()):
            dock.lower()  # or Qt takes the newest for raised already, whatever its tab
            dock.raise_()

    def let_go(self) -> None:
        """End what would outlive the dock; called once, when it is closed."""


def _docks_beside(dock: QDockWidget, window: QMainWindow) -> list[QDockWidget]:
    """List our other docks in sight in the area of a dock."""
    area = window.dockWidgetArea(dock)
    inside = (each.parent() for each in window.findChildren(ScrollDock))
    others = [each for each in inside if isinstance(each, QDockWidget) and each is not dock]
    in_sight = [each for each in others if not (each.isHidden() or each.isFloating())]
    return [each for each in in_sight if window.dockWidgetArea(each) == area]

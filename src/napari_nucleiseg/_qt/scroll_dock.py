"""What all docks are: one column that scrolls, and that ends when its dock is closed."""

from __future__ import annotations

from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import QDockWidget, QFrame, QScrollArea, QWidget

_PLUGIN = " (napari-nucleiseg)"


class ScrollDock(QScrollArea):
    """Widget of a dock: scrolls up and down, and is destroyed when its dock is closed.

    napari takes the widget of a dock that is closed out of its window, and keeps it. Its
    jobs would run on, unseen and with nothing to stop them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def show_column(self, column: QWidget, narrowest: int = 0) -> None:
        """Show a column, and be at least as wide as it needs, or as this [px]."""
        self.setWidget(column)
        self.setMinimumWidth(max(narrowest, column.minimumSizeHint().width()))

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

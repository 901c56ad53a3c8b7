"""Buttons for the tools."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QWidget

from napari_nucleiseg._qt.key_button import KeyButton
from napari_nucleiseg._qt.tool_list import TOOLS, Tool


class ToolGrid(QWidget):
    """One button a tool; the one that waits for clicks is down.

    Attributes
    ----------
    pressed : Signal(object)
        The `Tool` of a button that the person pressed.
    """

    pressed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(4)
        self.buttons = {
            tool: KeyButton(tool.label, tool.key, tool.tip, checkable=True) for tool in TOOLS
        }
        for tool, button in self.buttons.items():
            self.add(button)
            button.clicked.connect(lambda _, tool=tool: self.pressed.emit(tool))

    def add(self, button: QWidget) -> None:
        """Put a button in the next free place."""
        place = self._grid.count()
        self._grid.addWidget(button, place // 2, place % 2)

    def show_usable(self, are_usable: bool) -> None:
        """Show whether there is something to use the tools on; other buttons stay as they are."""
        for button in self.buttons.values():
            button.setEnabled(are_usable)

    def show_waiting(self, waiting: Tool | None) -> None:
        """Show which tool waits for clicks."""
        for tool, button in self.buttons.items():
            button.setChecked(tool is waiting)

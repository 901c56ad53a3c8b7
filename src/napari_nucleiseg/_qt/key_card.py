"""A card with all keys."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent, QKeySequence, QMouseEvent
from qtpy.QtWidgets import (
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QShortcut,
    QVBoxLayout,
    QWidget,
)

from napari_nucleiseg._qt.key_button import KeyCap

KEY = "?"
Group = tuple[str, Sequence[tuple[str, str]]]


class KeyCard(QDialog):
    """Shows keys in groups, over the window, which goes on working. `?` in the window calls it.

    Parameters
    ----------
    columns : sequence of sequence of (title, ((key, meaning), ...))
        Groups, in columns from left to right.
    parent : QWidget
        The window it lies over.
    """

    def __init__(self, columns: Sequence[Sequence[Group]], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys")
        self.setModal(False)
        # The canvas keeps the keyboard: the keys work while they are read.
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self.setStyleSheet("KeyCard { border: 1px solid rgba(128, 128, 128, 200); }")
        row = QHBoxLayout(self)
        row.setContentsMargins(18, 14, 18, 14)
        row.setSpacing(28)
        for groups in columns:
            row.addLayout(_column(groups))
        # napari has no name for this key, so it cannot be bound on the viewer.
        self._shortcut = QShortcut(QKeySequence(KEY), parent)
        self._shortcut.activated.connect(self.toggle)
        self.destroyed.connect(self._shortcut.deleteLater)

    def hear_key(self, is_heard: bool) -> None:
        """Come by the key or not: of two cards of one window that hear it, Qt calls none."""
        self._shortcut.setEnabled(is_heard)

    def toggle(self) -> None:
        """Show the card in the middle of its window, or put it away."""
        if self.isVisible():
            self.hide()
            return
        self.adjustSize()
        middle = self.parentWidget().frameGeometry().center()
        self.move(middle - self.rect().center())
        self.show()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Go away on the key that called the card, as on Escape."""
        if event.text() == KEY:
            self.hide()
        else:
            super().keyPressEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Go away on a click."""
        self.hide()


def _column(groups: Sequence[Group]) -> QVBoxLayout:
    column = QVBoxLayout()
    column.setSpacing(10)
    for title, rows in groups:
        heading = QLabel(f"<b>{title}</b>")
        column.addWidget(heading)
        column.addLayout(_rows(rows))
    column.addStretch(1)
    return column


def _rows(rows: Sequence[tuple[str, str]]) -> QGridLayout:
    grid = QGridLayout()
    grid.setHorizontalSpacing(12)
    grid.setVerticalSpacing(3)
    for place, (key, meaning) in enumerate(rows):
        grid.addWidget(KeyCap(key), place, 0)
        grid.addWidget(QLabel(meaning), place, 1)
    grid.setColumnStretch(1, 1)
    return grid

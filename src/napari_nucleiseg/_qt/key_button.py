"""A button that names its key."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget


def native(key: str) -> str:
    """Give a key as this system writes it: Ctrl+Z is Command and Z on a Mac."""
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText) or key


class KeyButton(QPushButton):
    """A button with its key at the right edge.

    A click leaves the keyboard where it was, so that keys go on to the canvas.

    Parameters
    ----------
    text : str
    key : str, optional
        As Qt writes it, "Ctrl+Z"; none by default.
    tip : str, optional
        Tooltip.
    checkable : bool
    """

    def __init__(
        self,
        text: str,
        key: str = "",
        tip: str = "",
        *,
        checkable: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setCheckable(checkable)
        self.setToolTip(f"{tip}\n\nKey: {native(key)}" if key and tip else tip)
        self.setAccessibleName(text)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        row = QHBoxLayout(self)
        row.setContentsMargins(7, 2, 6, 2)
        row.setSpacing(5)
        row.addWidget(_passive(QLabel(text)))
        row.addStretch(1)
        if key:
            row.addWidget(_passive(KeyCap(key)))

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Ask for the room of text and key; a plain button knows only its own text."""
        wanted = self.layout().sizeHint()
        return QSize(wanted.width(), max(wanted.height(), 26))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Never clip the text."""
        return self.sizeHint()


class KeyCap(QLabel):
    """A key, drawn like one; mid grey is readable on dark and on light."""

    def __init__(self, key: str) -> None:
        super().__init__(native(key))
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setStyleSheet(
            "border: 1px solid rgba(128, 128, 128, 200); border-radius: 3px; padding: 0px 4px;"
        )


def _passive(label: QLabel) -> QLabel:
    """Let the button have the mouse."""
    label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    return label

"""Text that is broken anywhere rather than widening its dock."""

from __future__ import annotations

import re

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import QApplication, QLabel, QWidget

_LONGEST = 16
_BREAK = "\u200b"  # of no width
# Tags and entities stay whole.
_LONG_RUN = re.compile(rf"[^\s<>&;]{{{_LONGEST + 1},}}")
_PART = re.compile(rf".{{{_LONGEST}}}(?=.)")


class WrappedLabel(QLabel):
    """A label of several lines; names and paths longer than a line are broken, too.

    Qt breaks lines between words alone, so that the longest name would be the least width
    of all that stands above and below it. What is copied is the text as it was given.
    """

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        self.setText(text)

    def setText(self, text: str | None) -> None:  # noqa: N802 - Qt's name
        """Show a text."""
        super().setText(_LONG_RUN.sub(_broken, text or ""))

    def text(self) -> str:
        """Give the text as it was given."""
        return super().text().replace(_BREAK, "")

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802 - Qt's name
        """Copy what is selected, without the places where it may be broken."""
        clipboard = QApplication.clipboard()
        if event is not None and clipboard and event.matches(QKeySequence.StandardKey.Copy):
            clipboard.setText(self.selectedText().replace(_BREAK, ""))
            return
        super().keyPressEvent(event)


def _broken(run: re.Match[str]) -> str:
    return _PART.sub(lambda part: part[0] + _BREAK, run[0])

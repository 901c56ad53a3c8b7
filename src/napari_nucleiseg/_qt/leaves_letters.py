"""Lists and boxes that have no use for letters."""

from __future__ import annotations

from qtpy.QtGui import QKeyEvent


class LeavesLetters:
    """Stands before a list, table or combo box, and leaves letters and digits to the keys.

    Qt's own would go to the entry that begins with them, and napari would hear nothing.
    """

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Pass a letter on to the dock around it."""
        if types_a_sign(event):
            event.ignore()
        else:
            super().keyPressEvent(event)  # type: ignore[misc]


def types_a_sign(event: QKeyEvent) -> bool:
    """Tell letters and digits from keys such as Return and the arrows."""
    return event.text().isprintable() and bool(event.text().strip())

"""One line of text with a name in it that may be longer than a dock is wide."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent, QKeySequence, QResizeEvent
from qtpy.QtWidgets import QApplication, QLabel, QSizePolicy, QWidget


class ElidingLabel(QLabel):
    """Shortens its text in the middle, where Qt would cut off its end without a sign.

    It is never wider than there is room. What is copied from a shortened text is the whole.
    """

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._whole = ""
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setText(text)

    @property
    def shown_text(self) -> str:
        """The text as there is room for it."""
        return super().text()

    def setText(self, text: str | None) -> None:  # noqa: N802 - Qt's name
        """Show a text."""
        self._whole = text or ""
        self._fit()

    def text(self) -> str:
        """Give the whole text."""
        return self._whole

    def resizeEvent(self, event: QResizeEvent | None) -> None:  # noqa: N802 - Qt's name
        """Shorten the text for another width."""
        super().resizeEvent(event)
        self._fit()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802 - Qt's name
        """Copy the whole text where it is shown shortened."""
        clipboard = QApplication.clipboard()
        is_short = self.shown_text != self._whole
        if is_short and event and clipboard and event.matches(QKeySequence.StandardKey.Copy):
            clipboard.setText(self._whole)
            return
        super().keyPressEvent(event)

    def _fit(self) -> None:
        room = self.contentsRect().width()
        middle = Qt.TextElideMode.ElideMiddle
        shown = self.fontMetrics().elidedText(self._whole, middle, room)
        if shown != self.shown_text:
            super().setText(shown)

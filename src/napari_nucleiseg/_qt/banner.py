"""A notice in a dock, with what can be done about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from qtpy.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_nucleiseg._qt.wrapped_label import WrappedLabel


@dataclass(frozen=True)
class Notice:
    """What a banner says.

    Attributes
    ----------
    text : str
    is_grave : bool
        Whether something may be lost if it is not heeded.
    actions : tuple of (str, callable)
        Texts of buttons and what they do.
    """

    text: str
    is_grave: bool = False
    actions: tuple[tuple[str, Callable[[], object]], ...] = ()


class Banner(QFrame):
    """Shows one `Notice`, or nothing."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.notice: Notice | None = None
        self._label = WrappedLabel()
        self._buttons = QHBoxLayout()
        self._buttons.setContentsMargins(0, 0, 0, 0)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.setSpacing(6)
        layout.addWidget(self._label)
        layout.addLayout(self._buttons)
        self.hide()

    def show_notice(self, notice: Notice | None) -> None:
        """Show a notice; None hides the banner."""
        if notice == self.notice:
            return
        self.notice = notice
        self._clear_buttons()
        self.setVisible(notice is not None)
        if notice is None:
            return
        self._label.setText(notice.text)
        edge = "#e5534b" if notice.is_grave else "#d9962b"
        self.setStyleSheet(f"Banner {{ border: none; border-left: 3px solid {edge}; }}")
        for text, act in notice.actions:
            button = QPushButton(text)
            button.clicked.connect(lambda _=False, act=act: act())
            self._buttons.addWidget(button)
        self._buttons.addStretch()

    def _clear_buttons(self) -> None:
        while self._buttons.count():
            item = self._buttons.takeAt(0)
            widget = item.widget() if item else None
            if widget is not None:
                widget.hide()
                widget.deleteLater()

"""How far a dataset is: a bar with a part for each status, and their numbers."""

from __future__ import annotations

from collections import Counter

from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_nucleiseg._qt.sample_delegate import COLOURS
from napari_nucleiseg.listing import Shown

_HEIGHT = 8


class _Bar(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[Shown] = Counter()
        self.setFixedHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        painter = QPainter(self)
        painter.setPen(Qt.PenStyle.NoPen)
        total, left = sum(self.counts.values()), 0.0
        for status in reversed(Shown):
            width = self.width() * self.counts[status] / total if total else 0.0
            painter.setBrush(QColor(COLOURS[status]))
            painter.drawRect(QRectF(left, 0, width, self.height()))
            left += width
        painter.end()


class StatusBar(QWidget):
    """Shows how many samples have each status."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bar, self._label = _Bar(), QLabel()
        self._label.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._bar)
        layout.addWidget(self._label)

    def show_counts(self, counts: Counter[Shown]) -> None:
        """Show other numbers."""
        self._bar.counts = counts
        self._bar.update()
        self._label.setText(describe_counts(counts))
        self.setToolTip(self._label.text())

    @property
    def text(self) -> str:
        """What is written under the bar."""
        return self._label.text()


def describe_counts(counts: Counter[Shown]) -> str:
    """Write the numbers out, with coloured dots (rich text); lines break between them alone."""
    parts = [
        f'<span style="color:{COLOURS[status]}">●</span>&nbsp;{counts[status]:,}&nbsp;'
        f"{status.value}"
        for status in reversed(Shown)
        if counts[status]
    ]
    return " &nbsp; ".join(parts).replace(",", "\u202f")

"""A small plot of curves that grow while somebody looks at them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

# Readable on napari's dark and light background, and by the colour-blind.
COLOURS = ("#e69f00", "#56b4e9", "#009e73")
_MARGIN = 4


class CurvePlot(QWidget):
    """Draws curves over the steps of a training.

    Parameters
    ----------
    names : sequence of str
        Of the curves, three at most.
    low, high : float, optional
        Range of the values; found from the data when None.
    """

    def __init__(
        self,
        names: Sequence[str],
        low: float | None = None,
        high: float | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._names, self._low, self._high = tuple(names), low, high
        self._steps = 1
        self.points: dict[str, list[tuple[float, float]]] = {}
        self.clear(1)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Suggest 7 lines of text in height."""
        return QSize(240, 7 * self.fontMetrics().lineSpacing())

    def clear(self, steps: int) -> None:
        """Take all curves away; the axis goes to `steps`."""
        self._steps = max(steps, 1)
        self.points = {name: [] for name in self._names}
        self.update()

    def add(self, name: str, step: float, value: float) -> None:
        """Let a curve grow by a point; a value that is not finite is left out."""
        if math.isfinite(value):
            self.points[name].append((step, value))
            self.update()

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest value of the axis."""
        values = [value for curve in self.points.values() for _, value in curve]
        low = self._low if self._low is not None else min(values, default=0.0)
        high = self._high if self._high is not None else max(values, default=1.0)
        return low, high if high > low else low + 1.0

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw frame, numbers, names and curves."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink = self.palette().color(QPalette.ColorRole.WindowText)
        area = self._area()
        painter.setPen(QPen(_faint(ink), 1))
        painter.drawRect(area)
        self._draw_numbers(painter, area, ink)
        self._draw_names(painter, area)
        for colour, curve in zip(COLOURS, self.points.values(), strict=False):
            self._draw_curve(painter, area, colour, curve)
        painter.end()

    def _area(self) -> QRectF:
        line, left = self.fontMetrics().lineSpacing(), self._numbers_width() + 2 * _MARGIN
        return QRectF(left, line, self.width() - left - _MARGIN, self.height() - 2 * line - _MARGIN)

    def _numbers_width(self) -> int:
        return max(self.fontMetrics().horizontalAdvance(f"{each:.2f}") for each in self.range)

    def _draw_numbers(self, painter: QPainter, area: QRectF, ink: QColor) -> None:
        painter.setPen(ink)
        line = self.fontMetrics().lineSpacing()
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for value, y in zip(self.range, (area.bottom(), area.top()), strict=True):
            place = QRectF(0, y - line / 2, area.left() - _MARGIN, line)
            painter.drawText(place, int(right), f"{value:.2f}")
        below = QRectF(area.left(), area.bottom() + 1, area.width(), line)
        painter.drawText(below, int(Qt.AlignmentFlag.AlignLeft), "0")
        painter.drawText(below, int(Qt.AlignmentFlag.AlignRight), f"{self._steps} steps")

    def _draw_names(self, painter: QPainter, area: QRectF) -> None:
        x = area.left()
        for name, colour in zip(self._names, COLOURS, strict=False):
            curve = self.points[name]
            text = f"{name} {curve[-1][1]:.2f}" if curve else name
            painter.setPen(QColor(colour))
            painter.drawText(QPointF(x, area.top() - _MARGIN), text)
            x += self.fontMetrics().horizontalAdvance(text) + 4 * _MARGIN

    def _draw_curve(
        self, painter: QPainter, area: QRectF, colour: str, curve: list[tuple[float, float]]
    ) -> None:
        low, high = self.range
        places = [
            QPointF(
                area.left() + area.width() * min(step / self._steps, 1.0),
                area.bottom() - area.height() * (value - low) / (high - low),
            )
            for step, value in curve
        ]
        painter.setPen(QPen(QColor(colour), 2))
        painter.drawPolyline(QPolygonF(places))
        if len(places) == 1:
            painter.drawEllipse(places[0], 1.5, 1.5)


def _faint(ink: QColor) -> QColor:
    faint = QColor(ink)
    faint.setAlpha(90)
    return faint

"""How one sample is painted in the list: thumbnail, name, modality, nuclei, status."""

from __future__ import annotations

from collections.abc import Callable

from napari.utils.theme import get_theme
from qtpy.QtCore import QModelIndex, QObject, QRect, QSize, Qt
from qtpy.QtGui import QColor, QFontMetrics, QPainter
from qtpy.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from napari_nucleiseg._qt.dataset_model import ROW, Row
from napari_nucleiseg._qt.thumbnails import EDGE
from napari_nucleiseg.listing import Shown

MARGIN = 5
COLOURS = {
    Shown.UNLABELLED: "#8a8f99",
    Shown.PREDICTED: "#d9962b",
    Shown.ANNOTATED: "#3d9aa8",
    Shown.CORRECTED: "#4d86e0",
    Shown.APPROVED: "#46a758",
}
_UNSAVED = "#e5534b"
_DOT = 8


class SampleDelegate(QStyledItemDelegate):
    """Paints a `Row`.

    Parameters
    ----------
    theme : callable
        Gives the name of napari's theme; asked at each painting.
    parent : QObject
    """

    def __init__(self, theme: Callable[[], str], parent: QObject) -> None:
        super().__init__(parent)
        self._theme = theme

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:  # noqa: N802
        """Give all rows one height."""
        return QSize(0, EDGE + 2 * MARGIN)

    def paint(
        self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """Paint one row."""
        row = index.data(ROW)
        if painter is None or row is None:
            return
        theme = get_theme(self._theme())
        text = QColor(theme.text.as_hex())
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, QColor(theme.current.as_hex()))
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(option.rect, QColor(theme.primary.as_hex()))
        inside = option.rect.adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN)
        self._paint_thumbnail(painter, QRect(inside.topLeft(), QSize(EDGE, EDGE)), row)
        self._paint_text(painter, inside.adjusted(EDGE + 2 * MARGIN, 0, 0, 0), row, text)
        painter.restore()

    def _paint_thumbnail(self, painter: QPainter, place: QRect, row: Row) -> None:
        if row.thumbnail is not None:
            painter.drawImage(place, row.thumbnail)
            return
        painter.fillRect(place, QColor(128, 128, 128, 60))
        if row.problem:
            painter.setPen(QColor(_UNSAVED))
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter, "!")

    def _paint_text(self, painter: QPainter, place: QRect, row: Row, colour: QColor) -> None:
        upper = QRect(place.left(), place.top(), place.width(), place.height() // 2)
        lower = QRect(place.left(), upper.bottom(), place.width(), place.height() // 2)
        painter.setPen(colour)
        # Names often differ at their end.
        _draw_elided(painter, upper, row.sample.id, Qt.TextElideMode.ElideMiddle)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(_UNSAVED if row.is_unsaved else COLOURS[row.status]))
        painter.drawEllipse(lower.left(), lower.center().y() - _DOT // 2 + 1, _DOT, _DOT)
        faded = QColor(colour)
        faded.setAlpha(190)
        painter.setPen(faded)
        place = lower.adjusted(_DOT + MARGIN, 0, 0, 0)
        _draw_elided(painter, place, describe(row), Qt.TextElideMode.ElideRight)


def describe(row: Row) -> str:
    """Say in one line what is known of a sample."""
    is_told = row.count is not None and row.status is not Shown.UNLABELLED
    nuclei = f"{row.count} nucle{'us' if row.count == 1 else 'i'}" if is_told else ""
    status = "not saved" if row.is_unsaved else row.status.value
    return " · ".join(each for each in (status, nuclei, row.sample.modality) if each)


def _draw_elided(painter: QPainter, place: QRect, text: str, mode: Qt.TextElideMode) -> None:
    elided = QFontMetrics(painter.font()).elidedText(text, mode, place.width())
    flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
    painter.drawText(place, int(flags), elided)

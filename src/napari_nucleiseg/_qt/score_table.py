"""A table of scores, one row an image. It knows nothing of models or layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSortFilterProxyModel, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

from napari_nucleiseg._qt.leaves_letters import LeavesLetters

_PADDING = 12
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class ScoreTable(LeavesLetters, QTableView):
    """Rows of an id and numbers, in the order given until a header is pressed.

    Parameters
    ----------
    columns : sequence of (title, format, tooltip)
        Beside the first column, which shows the id. The format is one of Python's, such as
        ".2f" or "+.2f".

    Attributes
    ----------
    chosen : Signal(str)
        Id of the row that the person went to.
    """

    chosen = Signal(str)

    def __init__(
        self, columns: Sequence[tuple[str, str, str]], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._rows = _Rows(columns, self)
        self._sorted = QSortFilterProxyModel(self)
        self._sorted.setSortRole(Qt.ItemDataRole.UserRole)
        self._sorted.setSourceModel(self._rows)
        self.setModel(self._sorted)
        self._dress(columns)
        self.selectionModel().currentRowChanged.connect(self._on_row)

    def _dress(self, columns: Sequence[tuple[str, str, str]]) -> None:
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setSortingEnabled(True)
        self.setWordWrap(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().lineSpacing() + 6)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setMinimumSectionSize(24)
        # Qt's own widths leave room for an icon and an arrow, and the numbers out of sight.
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        for column, (title, form, _) in enumerate(columns, start=1):
            header.resizeSection(column, self._width_of(title, form))
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)

    def _width_of(self, title: str, form: str) -> int:
        words = (title, format(9999 if form == "d" else 0, form))
        return max(self.fontMetrics().horizontalAdvance(each) for each in words) + _PADDING

    @property
    def ids(self) -> list[str]:
        """The ids in the order shown."""
        rows = range(self._sorted.rowCount())
        return [self._sorted.index(row, 0).data(Qt.ItemDataRole.UserRole) for row in rows]

    def show_rows(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Show other rows: an id and one number a column."""
        self._rows.show(rows)
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self._sorted.sort(-1)

    def select(self, sample_id: str) -> None:
        """Mark a row without going to it; an id that is not listed marks none."""
        ids = self.ids
        self.selectionModel().blockSignals(True)
        if sample_id in ids:
            self.selectRow(ids.index(sample_id))
        else:
            # The current row goes as well: else a click on it would be no change.
            self.clearSelection()
            self.setCurrentIndex(QModelIndex())
        self.selectionModel().blockSignals(False)
        self.viewport().update()

    def _on_row(self, current: QModelIndex, before: QModelIndex) -> None:
        if current.isValid():
            sample_id = current.siblingAtColumn(0).data(Qt.ItemDataRole.UserRole)
            self.chosen.emit(sample_id)


class _Rows(QAbstractTableModel):
    def __init__(self, columns: Sequence[tuple[str, str, str]], parent: QWidget) -> None:
        super().__init__(parent)
        self._columns = [("Image", "", "Name of the image."), *columns]
        self._content: list[tuple[Any, ...]] = []

    def show(self, rows: Sequence[tuple[Any, ...]]) -> None:
        self.beginResetModel()
        self._content = list(rows)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        return 0 if parent is not None and parent.isValid() else len(self._content)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        return 0 if parent is not None and parent.isValid() else len(self._columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        value = self._content[index.row()][index.column()]
        if role == Qt.ItemDataRole.UserRole:
            return value
        if role == Qt.ItemDataRole.DisplayRole:
            return format(value, self._columns[index.column()][1])
        if role == Qt.ItemDataRole.ToolTipRole and index.column() == 0:
            return value
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() > 0:
            return _RIGHT
        return None

    def headerData(  # noqa: N802 - Qt's name
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        title, _, tooltip = self._columns[section]
        return {Qt.ItemDataRole.DisplayRole: title, Qt.ItemDataRole.ToolTipRole: tooltip}.get(role)

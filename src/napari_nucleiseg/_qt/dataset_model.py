"""The list of samples as Qt sees it. It holds 10,000 without a pause: rows are made when
they are painted, and the order is worked out in Python's own sort.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, QObject, Qt
from qtpy.QtGui import QImage

from napari_nucleiseg._qt.listening import ask_calmly, calm_timer, listen
from napari_nucleiseg._qt.thumbnails import Thumbnails
from napari_nucleiseg.dataset import Dataset
from napari_nucleiseg.listing import Query, Shown, chosen, known_count, shown_status
from napari_nucleiseg.sample import Sample
from napari_nucleiseg.session import Session

ROW = int(Qt.ItemDataRole.UserRole)
_NO_PARENT = QModelIndex()


@dataclass(frozen=True)
class Row:
    """What is painted of a sample."""

    sample: Sample
    status: Shown
    count: int | None
    is_unsaved: bool
    thumbnail: QImage | None
    problem: str


class DatasetModel(QAbstractListModel):
    """The samples that a query chooses.

    Parameters
    ----------
    session : Session
        Followed; `session.order` is kept as the list is.
    thumbnails : Thumbnails
    parent : QObject
    """

    def __init__(self, session: Session, thumbnails: Thumbnails, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._thumbnails = session, thumbnails
        self._samples: tuple[Sample, ...] = ()
        self._places: list[int] = []
        self._rows: dict[str, int] = {}
        self.query = Query()
        self._later = calm_timer(self, self.refresh)
        listen(
            self,
            (session.dataset_changed, self._on_dataset_changed),
            (session.states_read, self._on_states_read),
            (session.state_changed, self._repaint),
            (thumbnails.made, self._repaint),
        )
        self._on_dataset_changed(session.dataset)

    # --- what Qt asks

    def rowCount(self, parent: QModelIndex = _NO_PARENT) -> int:  # noqa: N802
        """Count the rows."""
        return 0 if parent.isValid() else len(self._places)

    def data(self, index: QModelIndex, role: int = ROW) -> Any:
        """Give the `Row` of an index, or its text and tooltip."""
        if not index.isValid():
            return None
        sample = self._samples[self._places[index.row()]]
        if role == ROW:
            return self._row(sample)
        if role == Qt.ItemDataRole.DisplayRole:
            return sample.id
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._thumbnails.problems.get(sample.id, sample.id)
        return None

    def _row(self, sample: Sample) -> Row:
        return Row(
            sample,
            shown_status(self._session, sample),
            known_count(self._session, sample),
            sample.id in self._session.pending or sample.id in self._session.left_unsaved,
            self._thumbnails.images.get(sample.id),
            self._thumbnails.problems.get(sample.id, ""),
        )

    # --- what the dock asks

    def sample_at(self, row: int) -> Sample:
        """Give the sample of a row."""
        return self._samples[self._places[row]]

    def row_of(self, sample_id: str) -> int | None:
        """Give the row of a sample; None while it is not listed."""
        return self._rows.get(sample_id)

    def set_query(self, query: Query) -> None:
        """List what another query asks for."""
        if query != self.query:
            self.query = query
            self.refresh()

    def refresh(self) -> None:
        """Choose and sort again."""
        self._later.stop()
        places = chosen(self._session, self._samples, self.query)
        ids = tuple(self._samples[place].id for place in places)
        self._session.order = ids  # a session that has just opened a dataset has its own
        if places == self._places:
            self._repaint_all()
            return
        self.beginResetModel()
        self._places = places
        self._rows = {sample_id: row for row, sample_id in enumerate(ids)}
        self.endResetModel()

    # --- following the session

    def _on_dataset_changed(self, dataset: Dataset | None) -> None:
        self._samples = dataset.samples if dataset else ()
        self._places, self._rows = [], {}
        self.beginResetModel()
        self.endResetModel()
        self.refresh()

    def _on_states_read(self, ids: tuple[str, ...]) -> None:
        # Statuses come in batches: one look at all rows for many of them.
        ask_calmly(self._later)

    def _repaint(self, sample_id: str) -> None:
        # A sample whose new status is filtered out stays in sight until the next query:
        # the one at hand must not vanish when it is saved.
        row = self._rows.get(sample_id)
        if row is not None:
            index = self.index(row)
            self.dataChanged.emit(index, index)

    def _repaint_all(self) -> None:
        if self._places:
            self.dataChanged.emit(self.index(0), self.index(len(self._places) - 1))

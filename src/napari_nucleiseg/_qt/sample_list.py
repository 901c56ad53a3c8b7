"""The list of samples with its search, filters and order."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from qtpy.QtCore import QModelIndex, Qt, QTimer
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListView,
    QShortcut,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_nucleiseg._qt.dataset_model import DatasetModel
from napari_nucleiseg._qt.eliding_combo import ElidingCombo
from napari_nucleiseg._qt.layers import SampleLayers
from napari_nucleiseg._qt.leaves_letters import LeavesLetters
from napari_nucleiseg._qt.listening import listen
from napari_nucleiseg._qt.sample_delegate import SampleDelegate
from napari_nucleiseg._qt.thumbnails import Thumbnails
from napari_nucleiseg.dataset import Dataset
from napari_nucleiseg.listing import ORDERS, Query, Shown
from napari_nucleiseg.sample import Sample

_CALM_MS = 60
_AHEAD = 12
"""Rows beyond the visible ones whose thumbnails are made too."""


class _View(LeavesLetters, QListView):
    pass


class SampleList(QWidget):
    """Shows the session's dataset; a click or an arrow key selects a sample.

    Parameters
    ----------
    layers : SampleLayers
    theme : callable
        Gives the name of napari's theme.
    parent : QWidget, optional
    """

    def __init__(
        self, layers: SampleLayers, theme: Callable[[], str], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._layers, self._session = layers, layers.session
        session = self._session
        self.thumbnails = Thumbnails(session, self)
        self.model = DatasetModel(session, self.thumbnails, self)
        self.view = _View()
        self.view.setModel(self.model)
        self.view.setItemDelegate(SampleDelegate(theme, self))
        self.view.setUniformItemSizes(True)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.view.setMouseTracking(True)
        self.view.setMinimumHeight(170)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search by name")
        self.search.setClearButtonEnabled(True)
        self.status = _combo("Any status", [each.value for each in Shown])
        self.modality = _combo("Any modality", [])
        self.order = _combo("", ORDERS, prefix="By ")
        self.empty = QLabel("No sample fits the search and filters.")
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.hide()
        self._name_parts()
        self._arrange()
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_CALM_MS)
        self._connect()
        self._on_dataset_changed(session.dataset)

    def _name_parts(self) -> None:
        """Say what is what to those who do not see it."""
        self.view.setAccessibleName("Samples")
        self.search.setAccessibleName("Search by name")
        self.status.setAccessibleName("Status")
        self.modality.setAccessibleName("Modality")
        self.order.setAccessibleName("Order")

    def _arrange(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.search)
        for pair in ((self.status, self.order), (self.modality,)):
            row = QHBoxLayout()
            row.setSpacing(4)
            for each in pair:
                row.addWidget(each, 1)
            layout.addLayout(row)
        layout.addWidget(self.view, 1)
        layout.addWidget(self.empty)

    def _connect(self) -> None:
        self.search.textChanged.connect(self._on_query_edited)
        # Out of the field, where letters are keys again.
        self.search.returnPressed.connect(self.view.setFocus)
        leave = QShortcut(QKeySequence(Qt.Key.Key_Escape), self.search)
        leave.setContext(Qt.ShortcutContext.WidgetShortcut)
        leave.activated.connect(self._on_search_left)
        for combo in (self.status, self.modality, self.order):
            combo.currentIndexChanged.connect(self._on_query_edited)
        selection = self.view.selectionModel()
        if selection is not None:
            selection.currentChanged.connect(self._on_current_changed)
        self.view.clicked.connect(self._on_clicked)
        self._later.timeout.connect(self._ask_for_thumbnails)
        self.model.modelReset.connect(self._on_reset)
        bar = self.view.verticalScrollBar()
        if bar is not None:
            bar.valueChanged.connect(lambda _: self._later.start())
            bar.rangeChanged.connect(lambda _low, _high: self._later.start())
        listen(
            self,
            (self._session.dataset_changed, self._on_dataset_changed),
            (self._session.sample_changed, self._on_sample_changed),
        )

    def _on_search_left(self) -> None:
        self.search.clear()
        self.view.setFocus()

    # --- from the session

    def _on_dataset_changed(self, dataset: Dataset | None) -> None:
        samples = dataset.samples if dataset else ()
        _refill(self.modality, sorted({each.modality for each in samples if each.modality}))
        self.modality.setVisible(self.modality.count() > 2)
        self._on_query_edited()

    def _on_sample_changed(self, sample: Sample | None) -> None:
        row = None if sample is None else self.model.row_of(sample.id)
        if row is None:
            self.view.setCurrentIndex(QModelIndex())
            self.view.clearSelection()
            return
        index = self.model.index(row)
        if index != self.view.currentIndex():
            self.view.setCurrentIndex(index)
        self.view.scrollTo(index)

    def _on_reset(self) -> None:
        self.empty.setVisible(not self.model.rowCount() and self._session.dataset is not None)
        self._on_sample_changed(self._session.sample)
        self._later.start()

    # --- to the session

    def _on_query_edited(self) -> None:
        self.model.set_query(
            Query(
                self.search.text().strip(),
                self.status.currentData() or "",
                self.modality.currentData() or "",
                self.order.currentData(),
            )
        )

    def _on_current_changed(self, current: QModelIndex, previous: QModelIndex) -> None:
        if current.isValid():
            sample = self.model.sample_at(current.row())
            if sample is not self._session.sample:
                self._session.select(sample.id)

    def _on_clicked(self, index: QModelIndex) -> None:
        """Show a sample again whose layer was deleted, or that could not be read."""
        sample = self.model.sample_at(index.row())
        if self._layers.labels_layer is None and not self._layers.is_loading:
            self._session.select(sample.id)

    # --- thumbnails

    def visible_rows(self) -> range:
        """Give the rows in sight."""
        port = self.view.viewport()
        if port is None or not self.model.rowCount():
            return range(0)
        first = self.view.indexAt(port.rect().topLeft())
        last = self.view.indexAt(port.rect().bottomLeft())
        stop = last.row() + 1 if last.isValid() else self.model.rowCount()
        return range(max(0, first.row()), stop)

    def _ask_for_thumbnails(self) -> None:
        rows = self.visible_rows()
        ahead = range(rows.stop, min(rows.stop + _AHEAD, self.model.rowCount()))
        self.thumbnails.ask_for([self.model.sample_at(row) for row in (*rows, *ahead)])


def _combo(every: str, choices: Iterable[str], prefix: str = "") -> QComboBox:
    combo = ElidingCombo()
    # Long texts never widen the dock.
    combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    if every:
        combo.addItem(every, "")
    for choice in choices:
        combo.addItem(f"{prefix}{choice}" if prefix else choice.capitalize(), choice)
    return combo


def _refill(combo: QComboBox, choices: Iterable[str]) -> None:
    """Replace all but the first entry of a filter, and let it pass all."""
    combo.blockSignals(True)
    while combo.count() > 1:
        combo.removeItem(1)
    for choice in choices:
        combo.addItem(choice, choice)
    combo.setCurrentIndex(0)
    combo.blockSignals(False)

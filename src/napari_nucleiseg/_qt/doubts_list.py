"""A list of doubts. It knows nothing of layers: it shows, and says what was chosen."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, QSize, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QLabel,
    QListView,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_nucleiseg._qt.key_button import KeyButton
from napari_nucleiseg._qt.leaves_letters import LeavesLetters
from napari_nucleiseg.doubts import Doubt

_LEAST_HEIGHT = 90  # px
_UNLABELLED = "Nothing is labelled yet: segment the image first."
NEXT, PREVIOUS, DISMISS, BRING_BACK = "G", "Shift+G", "T", "Shift+T"


class DoubtsList(QWidget):
    """Shows doubts, the gravest first, and how many there are.

    Attributes
    ----------
    chosen : Signal(object)
        The `Doubt` that the person went to.
    dismissed : Signal(object)
        The `Doubt` that the person found to be none. It has left the list.
    wanted_back : Signal()
        The one that was dismissed last is to be listed again.
    """

    chosen = Signal(object)
    dismissed = Signal(object)
    wanted_back = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._place = 0
        self._is_labelled = True
        self.model = _DoubtsModel(self)
        self.view = _View(self)
        self.view.setModel(self.model)
        self.view.setAccessibleName("Doubtful nuclei")
        self.count = QLabel()
        self.count.setWordWrap(True)
        self.next = KeyButton("Next", NEXT, "Go to the next doubtful nucleus.")
        self.previous = KeyButton("Previous", PREVIOUS, "Go back to the one before.")
        self.right = KeyButton(
            "Looks right", DISMISS, "Take this nucleus off the list, until napari closes."
        )
        self.back = KeyButton(
            "Bring back", BRING_BACK, "List the nucleus again that was taken off the list last."
        )
        self._lay_out()
        self._connect()
        self.show_doubts(())
        self.show_dismissed(False)

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """What is on the list."""
        return self.model.doubts

    @property
    def current(self) -> Doubt | None:
        """The one that was chosen last, if it is still there."""
        row = self.view.currentIndex().row()
        return self.doubts[row] if 0 <= row < len(self.doubts) else None

    def show_doubts(self, doubts: tuple[Doubt, ...], is_labelled: bool = True) -> None:
        """Show other doubts; the current one stays current, where its nucleus is still listed.

        Where it is not, the next step leads to the one that took its place.

        Parameters
        ----------
        doubts : tuple of Doubt
        is_labelled : bool
            Whether there is any nucleus that could be doubted.
        """
        self._is_labelled = is_labelled
        row, current = self.view.currentIndex().row(), self.current
        self.model.show(doubts)
        ids = [doubt.id for doubt in doubts]
        if current is not None and current.id in ids:
            self._select(ids.index(current.id))
        elif row >= 0:
            self._place = row
        self._update()

    def show_dismissed(self, is_any: bool) -> None:
        """Show whether there is a dismissed doubt to bring back."""
        self.back.setEnabled(is_any)

    def go_to(self, doubt: Doubt) -> None:
        """Choose a doubt that is on the list."""
        self._select(self.doubts.index(doubt))
        self._choose()

    def go(self, by: int) -> Doubt | None:
        """Choose the next (1) or the previous (-1) doubt, round and round.

        Returns
        -------
        Doubt, or None
            Where there is none.
        """
        if not self.doubts:
            return None
        row = self.view.currentIndex().row()
        if row < 0:
            place = min(self._place, len(self.doubts))
            row = place - 1 if by > 0 else place
        self._select((row + by) % len(self.doubts))
        self._choose()
        return self.current

    def dismiss(self) -> Doubt | None:
        """Take the current doubt off the list: it looks right."""
        doubt = self.current
        if doubt is None:
            return None
        self.show_doubts(tuple(each for each in self.doubts if each is not doubt))
        self.dismissed.emit(doubt)
        return doubt

    def _lay_out(self) -> None:
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(4)
        buttons = QGridLayout()
        buttons.setSpacing(4)
        buttons.addWidget(self.next, 0, 0)
        buttons.addWidget(self.previous, 0, 1)
        buttons.addWidget(self.right, 1, 0)
        buttons.addWidget(self.back, 1, 1)
        rows.addWidget(self.count)
        rows.addWidget(self.view, stretch=1)
        rows.addLayout(buttons)
        rows.addStretch(0)

    def _connect(self) -> None:
        self.view.clicked.connect(self._choose)
        self.view.activated.connect(self._choose)
        self.view.selectionModel().currentChanged.connect(self._update)
        self.next.clicked.connect(lambda: self.go(1))
        self.previous.clicked.connect(lambda: self.go(-1))
        self.right.clicked.connect(self.dismiss)
        self.back.clicked.connect(self.wanted_back)

    def _select(self, row: int) -> None:
        self.view.setCurrentIndex(self.model.index(row, 0))

    def _choose(self) -> None:
        if self.current is not None:
            self.chosen.emit(self.current)

    def _update(self) -> None:
        count = len(self.doubts)
        one = "1 doubtful nucleus" if count == 1 else f"{count} doubtful nuclei"
        none = "No doubtful nuclei." if self._is_labelled else _UNLABELLED
        self.count.setText(one if count else none)
        self.view.setVisible(bool(count))
        self.next.setEnabled(bool(count))
        self.previous.setEnabled(bool(count))
        self.right.setEnabled(self.current is not None)


class _DoubtsModel(QAbstractListModel):
    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.doubts: tuple[Doubt, ...] = ()

    def show(self, doubts: tuple[Doubt, ...]) -> None:
        self.beginResetModel()
        self.doubts = tuple(doubts)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        return 0 if parent is not None and parent.isValid() else len(self.doubts)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        doubt = self.doubts[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return f"{doubt.id}:  {doubt.text}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"Nucleus {doubt.id}\n" + "\n".join(doubt.text.split("; "))
        return None


class _View(LeavesLetters, QListView):
    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setUniformItemSizes(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setMinimumHeight(_LEAST_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Ask for little: the dock gives what is left, and scrolls only where that is less."""
        return QSize(super().sizeHint().width(), _LEAST_HEIGHT)

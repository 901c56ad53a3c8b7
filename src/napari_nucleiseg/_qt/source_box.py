"""Choosing what is segmented."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from enum import Enum, auto
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_nucleiseg._qt.eliding_combo import ElidingCombo
from napari_nucleiseg._qt.image_plane import CHANNELS


class Source(Enum):
    """What an entry stands for."""

    SAMPLE = auto()
    DATASET = auto()
    LAYER = auto()


class SourceBox(QWidget):
    """Lists the current sample, the whole dataset and Image layers.

    Attributes
    ----------
    changed : Signal()
        Another source or channel is shown, by the person or because the chosen one is gone.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.box = ElidingCombo()
        self.box.setMinimumContentsLength(10)
        self.channel_box = ElidingCombo()
        self.channel_box.addItems(["all colours", *CHANNELS])
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addWidget(self.box)
        rows.addWidget(self.channel_box)
        self._entries: list[tuple[Source, Any]] = []
        self._picked: tuple[Source | None, Any] = None, lambda: None
        self.channel_box.hide()
        self.box.currentIndexChanged.connect(self._on_picked)
        self.channel_box.currentIndexChanged.connect(self._on_changed)

    @property
    def source(self) -> Source | None:
        """What is chosen; None where there is nothing to choose from."""
        row = self.box.currentIndex()
        return self._entries[row][0] if row >= 0 else None

    @property
    def layer(self) -> Any:
        """The chosen Image layer, or None."""
        row = self.box.currentIndex()
        return self._entries[row][1]() if self.source is Source.LAYER else None

    @property
    def channel(self) -> int | None:
        """The chosen channel of a colour image; None for all."""
        index = self.channel_box.currentIndex()
        return index - 1 if index > 0 and self._has_channels() else None

    def show_choices(self, sample: str, count: int, layers: Sequence[Any]) -> None:
        """Show what there is to choose from.

        What was picked from the list stays chosen while it is there; else it is the sample,
        or the first layer.

        Parameters
        ----------
        sample : str
            Id of the current sample; "" without one.
        count : int
            How many samples the dataset has; 0 without one.
        layers : sequence of napari Image layers
        """
        self.box.blockSignals(True)
        self.box.clear()
        self._entries = []
        if sample:
            self._add(Source.SAMPLE, None, f"This image: {sample}")
        for layer in layers:
            self._add(Source.LAYER, weakref.ref(layer), f"Layer: {layer.name}")
        if count:
            self._add(Source.DATASET, None, f"Whole dataset ({count})")
        picked = self._picked[0], self._picked[1]()
        rows = [row for row, entry in enumerate(self._entries) if _same(entry, picked)]
        self.box.setCurrentIndex(rows[0] if rows else 0)
        self.box.blockSignals(False)
        self._on_changed()

    def choose_layer(self, layer: Any) -> None:
        """Choose an Image layer that is listed."""
        for row, entry in enumerate(self._entries):
            if _same(entry, (Source.LAYER, layer)):
                self.box.setCurrentIndex(row)

    def leave_layer(self) -> None:
        """Choose the sample, or what else comes first, if a layer is chosen."""
        if self.source is Source.LAYER:
            self.box.setCurrentIndex(0)

    def _add(self, source: Source, layer: weakref.ref[Any] | None, text: str) -> None:
        self._entries.append((source, layer))
        self.box.addItem(text)
        self.box.setItemData(self.box.count() - 1, text, Qt.ItemDataRole.ToolTipRole)

    def _has_channels(self) -> bool:
        return bool(getattr(self.layer, "rgb", False))

    def _on_picked(self, row: int) -> None:
        source, layer = self._entries[row]
        self._picked = source, layer or (lambda: None)
        self._on_changed()

    def _on_changed(self) -> None:
        self.channel_box.setVisible(self._has_channels())
        self.box.setToolTip(self.box.currentText())
        self.changed.emit()


def _same(entry: tuple[Source, Any], chosen: tuple[Source | None, Any]) -> bool:
    layer = entry[1]() if entry[1] is not None else None
    return entry[0] is chosen[0] and layer is chosen[1]

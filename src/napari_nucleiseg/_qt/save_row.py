"""Save and approve, and what is saved, in the dock where the strokes are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QGridLayout, QWidget

from napari_nucleiseg._qt.key_button import KeyButton
from napari_nucleiseg._qt.keys import KEYS
from napari_nucleiseg._qt.listening import listen
from napari_nucleiseg._qt.name_line import name_line
from napari_nucleiseg.listing import shown_status

if TYPE_CHECKING:
    from napari_nucleiseg._qt.layers import SampleLayers
    from napari_nucleiseg.sample import Sample


class SaveRow(QWidget):
    """Two buttons and a line of text about the sample that is shown; hidden without one."""

    def __init__(self, layers: SampleLayers, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layers = layers
        self.save = KeyButton("Save", "S", KEYS["S"].capitalize())
        self.approve = KeyButton("Approve", "A", KEYS["A"].capitalize())
        self.text = name_line()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        grid.addWidget(self.text, 0, 0, 1, 2)
        grid.addWidget(self.save, 1, 0)
        grid.addWidget(self.approve, 1, 1)
        self.save.clicked.connect(lambda: layers.saving.save())
        self.approve.clicked.connect(lambda: layers.saving.approve())
        listen(
            self,
            (layers.saving.changed, self._update),
            (layers.draft.unsaved_changed, self._update),
            (layers.labels_layer_changed, self._update),
            (layers.session.state_changed, self._update),
        )
        self._update()

    def _update(self) -> None:
        sample = self._layers.sample
        self.setVisible(sample is not None)
        if sample is None:
            return
        self.text.setText(self._describe(sample))
        # Reasons of failed saves name long paths, and the Dataset dock shows them in whole.
        reason = self._layers.saving.failures.get(sample.id)
        self.text.setToolTip(reason or self.text.text())

    def _describe(self, sample: Sample) -> str:
        if sample.id in self._layers.saving.failures:
            return f"⚠ Not saved: {sample.id}"
        if self._layers.draft.unsaved:
            return f"Not saved yet: {sample.id}"
        return f"{shown_status(self._layers.session, sample).capitalize()}: {sample.id}"

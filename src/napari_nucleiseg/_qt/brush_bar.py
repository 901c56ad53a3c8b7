"""napari's own ways to paint, at hand beside the tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QGridLayout, QLabel, QSlider, QWidget

from napari_nucleiseg._qt import napari_keys
from napari_nucleiseg._qt.key_button import KeyButton
from napari_nucleiseg._qt.listening import Ear

if TYPE_CHECKING:
    from napari.layers import Labels

_BRUSH_TIP = (
    "Paint with the selected label. Other nuclei stay as they are while “preserve labels” is "
    "ticked in napari's controls of the layer."
)
_MODES = (
    ("pan_zoom", "Move", napari_keys.PAN_ZOOM, "Move and zoom the image."),
    ("paint", "Brush", napari_keys.BRUSH, _BRUSH_TIP),
    ("erase", "Eraser", napari_keys.ERASER, "Paint background."),
    ("fill", "Fill", napari_keys.FILL, "Give a whole nucleus the selected label."),
    ("pick", "Pick", napari_keys.PICK, "Select the label that you click."),
)
_LARGEST_BRUSH = 100


class BrushBar(QWidget):
    """Buttons for the modes of a Labels layer, the size of the brush and the label.

    It shows and changes the layer that it was given, and follows it.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layer: Labels | None = None
        self._ear = Ear(self)
        self._is_in_use = True
        self.modes = {
            mode: KeyButton(text, napari_keys.key_of(action), tip, checkable=True)
            for mode, text, action, tip in _MODES
        }
        self.new_label = KeyButton(
            "New label",
            napari_keys.key_of(napari_keys.NEW_LABEL),
            "Select a label that is not in use, to paint a new nucleus.",
        )
        self.brush_size = QSlider(Qt.Orientation.Horizontal)
        self.brush_size.setRange(1, _LARGEST_BRUSH)
        self.brush_size.setAccessibleName("Size of the brush")
        self.brush_size.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.size_text, self.label_text = QLabel("Size"), QLabel()
        self._lay_out()
        self._connect()
        self.show_layer(None)

    def show_layer(self, layer: Labels | None) -> None:
        """Follow another layer; None shows that there is none."""
        self._layer = layer
        signals = () if layer is None else self._signals(layer)
        self._ear.listen(*((signal, self._update) for signal in signals))
        self.setEnabled(layer is not None)
        self._update()

    def show_in_use(self, is_in_use: bool) -> None:
        """Show whether a click paints at all: not while a tool waits for it."""
        self._is_in_use = is_in_use
        self._update()

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        for place, button in enumerate([*self.modes.values(), self.new_label]):
            grid.addWidget(button, place // 3, place % 3)
        keys = (napari_keys.SMALLER_BRUSH, napari_keys.LARGER_BRUSH)
        self.brush_size.setToolTip(
            "Size of the brush.\n\nKeys: " + " ".join(map(napari_keys.key_of, keys))
        )
        grid.addWidget(self.size_text, 2, 0)
        grid.addWidget(self.brush_size, 2, 1)
        grid.addWidget(self.label_text, 2, 2)

    def _connect(self) -> None:
        for mode, button in self.modes.items():
            button.clicked.connect(lambda _, mode=mode: self._choose(mode))
        self.new_label.clicked.connect(self._on_new_label)
        self.brush_size.valueChanged.connect(self._on_size)

    def _signals(self, layer: Labels) -> tuple:
        return layer.events.mode, layer.events.brush_size, layer.events.selected_label

    def _update(self) -> None:
        layer = self._layer
        for mode, button in self.modes.items():
            button.setChecked(self._is_in_use and layer is not None and layer.mode == mode)
        if layer is None:
            return
        with QSignalBlocker(self.brush_size):
            self.brush_size.setValue(round(layer.brush_size))
        self.size_text.setText(f"Size {layer.brush_size:g} px")
        self.label_text.setText(f"Label {layer.selected_label}")

    def _choose(self, mode: str) -> None:
        if self._layer is not None:
            self._layer.mode = mode
        self._update()

    def _on_size(self, size: int) -> None:
        if self._layer is not None:
            self._layer.brush_size = size

    def _on_new_label(self) -> None:
        if self._layer is not None:
            self._layer.selected_label = int(self._layer.data.max()) + 1
            self._layer.mode = "paint"

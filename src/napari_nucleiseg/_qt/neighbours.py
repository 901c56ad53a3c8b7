"""Keeps the brush from eating the nuclei beside the one that is painted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.layers import Labels

# With “preserve labels” on, napari's eraser erases the selected label alone, which is mostly
# one that is not in use yet, and its bucket fills background alone: both would seem broken.
_FREE = ("erase", "fill")


class Neighbours:
    """Switches napari's “preserve labels” on for the brush, and off for eraser and bucket.

    What the person chooses with napari's own box while painting holds for the layers to come.
    """

    def __init__(self) -> None:
        self._are_kept = True
        self._layer: Labels | None = None
        self._is_switching = False

    def watch(self, layer: Labels | None) -> None:
        """Look after another layer; None for none."""
        if self._layer is not None:
            self._layer.events.mode.disconnect(self._on_mode_chosen)
            self._layer.events.preserve_labels.disconnect(self._on_box_ticked)
        self._layer = layer
        if layer is not None:
            layer.events.mode.connect(self._on_mode_chosen)
            layer.events.preserve_labels.connect(self._on_box_ticked)
            self._on_mode_chosen()

    def _on_mode_chosen(self) -> None:
        layer = self._layer
        if layer is not None:
            self._is_switching = True
            layer.preserve_labels = self._are_kept and layer.mode not in _FREE
            self._is_switching = False

    def _on_box_ticked(self) -> None:
        layer = self._layer
        if layer is not None and not self._is_switching and layer.mode not in _FREE:
            self._are_kept = bool(layer.preserve_labels)

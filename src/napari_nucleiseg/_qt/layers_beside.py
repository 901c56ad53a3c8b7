"""Layers that are shown beside a sample's labels and never saved."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from napari.layers import Image, Labels

_MAPS = (("foreground", "gray"), ("distance", "viridis"), ("border", "magma"))


class LayersBeside:
    """A prediction beside an annotation, and the maps of the network.

    Layers that the person has deleted are made again when they are shown again.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = weakref.ref(viewer)
        self._prediction: Labels | None = None
        self._maps: list[Image] = []

    def __contains__(self, layer: object) -> bool:
        """Whether a layer is one of these."""
        return any(layer is each for each in (self._prediction, *self._maps))

    def clear(self) -> None:
        """Remove them from the viewer."""
        self._remove(self._prediction, *self._maps)
        self._prediction, self._maps = None, []

    def _remove(self, *layers: Any) -> None:
        viewer = self._viewer()
        for layer in layers:
            if layer is not None and viewer is not None and layer in viewer.layers:
                viewer.layers.remove(layer)

    def show_prediction(self, labels: np.ndarray, above: Labels | None) -> None:
        """Show outlines of a prediction (H, W) int32; `above` stays the active layer."""
        viewer = self._viewer()
        if viewer is None:
            return
        if self._prediction is not None and self._prediction in viewer.layers:
            self._prediction.data = labels
            return
        layer = Labels(labels, name="prediction", opacity=1.0)
        layer.contour = 1
        layer.editable = False
        self._prediction = viewer.add_layer(layer)
        viewer.layers.selection.active = above

    def show_maps(self, maps: np.ndarray | None, above: Labels | None) -> None:
        """Show maps (H, W, 3) under the labels, the first of them visible; None for no maps."""
        viewer = self._viewer()
        self._remove(*self._maps)
        self._maps = []
        if viewer is None or maps is None:
            return
        place = viewer.layers.index(above) if above is not None else len(viewer.layers)
        for channel, (name, colormap) in enumerate(_MAPS):
            layer = Image(
                maps[..., channel], name=name, colormap=colormap, opacity=0.6, visible=not channel
            )
            viewer.layers.insert(place + channel, layer)
            self._maps.append(layer)
        if above is not None:
            viewer.layers.selection.active = above

"""The errors of a prediction, as a layer over the sample that is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_nucleiseg.error_map import Error

if TYPE_CHECKING:
    import numpy as np

    from napari_nucleiseg._qt.layers import SampleLayers

COLOURS = {
    Error.MISSED: "#e5484d",
    Error.EXTRA: "#3b82f6",
    Error.SPLIT: "#facc15",
    Error.MERGED: "#e879f9",
}
LEGEND = " &nbsp; ".join(
    f'<span style="color: {colour}">&#9632;</span>&nbsp;{error.name.lower()}'
    for error, colour in COLOURS.items()
)


class ErrorLayer:
    """Shows one error map at a time, and takes it away with its sample.

    Parameters
    ----------
    viewer : napari.Viewer
    layers : SampleLayers
    """

    def __init__(self, viewer: Any, layers: SampleLayers) -> None:
        self._viewer, self._layers = viewer, layers
        self.layer: Labels | None = None
        viewer.layers.events.removed.connect(self._on_removed)

    def show(self, sample_id: str, drawn: np.ndarray | None) -> None:
        """Show an `error_map` over its sample; None, or another sample's, takes it away.

        Parameters
        ----------
        sample_id : str
        drawn : (H, W) uint8, or None
        """
        self.remove()
        opened = self._layers.draft.opened
        if drawn is None or opened is None or opened.sample.id != sample_id:
            return
        if drawn.shape != opened.labels.shape:
            return
        layer = Labels(drawn, name="errors", opacity=0.8, colormap=_colormap())
        layer.editable = False
        self.layer = self._viewer.add_layer(layer)
        # The person goes on painting where they were.
        self._viewer.layers.selection.active = self._layers.labels_layer

    def remove(self) -> None:
        """Take the layer away."""
        layer, self.layer = self.layer, None
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _on_removed(self, event: Any) -> None:
        if event.value is self.layer:
            self.layer = None


def _colormap() -> DirectLabelColormap:
    colours: dict[int | None, str] = {int(error): colour for error, colour in COLOURS.items()}
    return DirectLabelColormap(color_dict={**colours, None: "transparent", 0: "transparent"})

"""What the tools act on: a Labels layer, and what is known of its image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Labels

from napari_nucleiseg._qt.gestures import Evidence, Scene
from napari_nucleiseg._qt.plane import Plane, displayed_plane
from napari_nucleiseg.errors import BadInput

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Layer

    from napari_nucleiseg._qt.layers import SampleLayers
    from napari_nucleiseg.edits import Edit
    from napari_nucleiseg.sample import Sample
    from napari_nucleiseg.session import Session


class Target:
    """The Labels layer that is being corrected.

    It is the selected layer; while the sample's image or no layer is selected, the layer of
    the current sample. Without a sample, it is the only Labels layer there is.

    Parameters
    ----------
    viewer : Viewer
    session : Session
    layers : SampleLayers
    """

    def __init__(self, viewer: Viewer, session: Session, layers: SampleLayers) -> None:
        self._viewer = viewer
        self._session = session
        self._layers = layers

    def layer(self) -> Labels | None:
        """Find the layer; None where there is none, or it is not clear which."""
        active = self._viewer.layers.selection.active
        if isinstance(active, Labels):
            return active
        if active is not None and not isinstance(active, Image):
            return None
        if self._layers.labels_layer is not None:
            # What another image hides is not to be changed by accident.
            return None if self._is_stray(active) else self._layers.labels_layer
        found = [layer for layer in self._viewer.layers if isinstance(layer, Labels)]
        return found[0] if len(found) == 1 else None

    def _is_stray(self, layer: Layer | None) -> bool:
        return isinstance(layer, Image) and not self._layers.owns(layer)

    def sample(self, layer: Labels) -> Sample | None:
        """Give the sample whose labels a layer shows; None for a layer of its own."""
        return self._layers.sample if layer is self._layers.labels_layer else None

    def plane(self) -> Plane:
        """Find the plane that is on display.

        Raises
        ------
        BadInput
            If there is no such layer, or it cannot be seen or changed.
        """
        layer = self.layer()
        if layer is None:
            active, labels = self._viewer.layers.selection.active, self._layers.labels_layer
            if labels is not None and self._is_stray(active):
                raise BadInput(
                    f"“{active.name}” has no labels; segment it, or select “{labels.name}”."
                )
            raise BadInput("No Labels layer is selected; click one in the list of layers.")
        if not layer.visible:
            raise BadInput(f"Layer “{layer.name}” is hidden; show it before you correct it.")
        if not layer.editable:
            raise BadInput(f"Layer “{layer.name}” cannot be edited; unlock it or copy it.")
        return displayed_plane(self._viewer, layer)

    def scene(self, plane: Plane) -> Scene:
        """Gather what a gesture may look at."""
        labels = plane.pixels
        if labels.dtype.itemsize < 4:
            # New ids have to fit here, so that the layer's type is judged when they are written.
            labels = labels.astype(np.int32)
        return Scene(labels, lambda: Evidence(self._image(plane), self.maps(plane)))

    def write(self, plane: Plane, edit: Edit) -> None:
        """Make an edit, as one step of undo."""
        if plane.layer is self._layers.labels_layer:
            self._layers.draft.apply_edit(edit)
        else:
            plane.write(edit)

    def maps(self, plane: Plane) -> np.ndarray | None:
        """Give the network's maps of the plane, if they are kept."""
        sample = self.sample(plane.layer)
        if sample is None:
            return None
        maps = self._session.maps(sample.id)
        return maps if maps is not None and maps.shape[:2] == plane.shape else None

    def _image(self, plane: Plane) -> np.ndarray | None:
        """Pixels of the topmost image that is seen and lies just under the labels."""
        for layer in reversed(self._viewer.layers):
            if not isinstance(layer, Image) or not layer.visible or layer.multiscale:
                continue
            image = self._image_plane(layer)
            if image is not None and _same_place(image, plane):
                return image.pixels
        return None

    def _image_plane(self, layer: Image) -> Plane | None:
        try:
            return displayed_plane(self._viewer, layer)
        except BadInput:
            return None


def _same_place(image: Plane, labels: Plane) -> bool:
    """Both have one size, and their corners lie on one another."""
    if image.shape != labels.shape:
        return False
    corners = np.array([(0.0, 0.0), np.subtract(labels.shape, 1.0)])
    return np.allclose(image.displayed_world(corners), labels.displayed_world(corners))

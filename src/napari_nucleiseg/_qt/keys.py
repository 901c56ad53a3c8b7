"""The keys that work wherever the pointer is, as long as no text is being typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from napari.utils.notifications import show_info

if TYPE_CHECKING:
    from napari_nucleiseg._qt.layers import SampleLayers

KEYS = {
    "Q": "previous sample",
    "W": "next sample",
    "S": "save",
    "A": "approve, then next sample",
}


def bind_keys(viewer: Any, layers: SampleLayers) -> None:
    """Bind `KEYS` on a viewer; napari hears them from the canvas and from the docks."""
    actions = {
        "Q": layers.session.previous_sample,
        "W": layers.session.next_sample,
    }
    for key, action in actions.items():
        viewer.bind_key(key, _ignoring_viewer(action), overwrite=True)
    viewer.bind_key("S", _saving(layers), overwrite=True)
    viewer.bind_key("A", _approving(layers), overwrite=True)


def _ignoring_viewer(action: Any) -> Any:
    def act(viewer: Any) -> None:
        action()

    return act


def _saving(layers: SampleLayers) -> Any:
    def save(viewer: Any) -> None:
        layers.saving.save()
        active = viewer.layers.selection.active
        if isinstance(active, Labels) and not layers.owns(active):
            show_info(f"“{active.name}” is of no dataset: use File > Save Selected Layers.")

    return save


def _approving(layers: SampleLayers) -> Any:
    def approve(viewer: Any) -> None:
        active, labels = viewer.layers.selection.active, layers.labels_layer
        is_stray = isinstance(active, (Image, Labels)) and not layers.owns(active)
        if labels is not None and is_stray:
            show_info(f"“{active.name}” is of no dataset: select “{labels.name}” to approve it.")
        else:
            layers.saving.approve()

    return approve

"""The keys that work wherever the pointer is, as long as no text is being typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Labels
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
        "A": layers.saving.approve,
    }
    for key, action in actions.items():
        viewer.bind_key(key, _ignoring_viewer(action), overwrite=True)
    viewer.bind_key("S", _saving(layers), overwrite=True)


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

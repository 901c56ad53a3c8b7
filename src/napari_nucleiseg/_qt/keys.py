"""The keys that work wherever the pointer is, as long as no text is being typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
        "S": layers.saving.save,
        "A": layers.saving.approve,
    }
    for key, action in actions.items():
        viewer.bind_key(key, _ignoring_viewer(action), overwrite=True)


def _ignoring_viewer(action: Any) -> Any:
    def act(viewer: Any) -> None:
        action()

    return act

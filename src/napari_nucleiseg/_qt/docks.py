"""Finding the docks of a viewer, and opening those that are not there yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_nucleiseg._qt.dataset_dock import DatasetDock

PLUGIN = "napari-nucleiseg"


def show_dock(viewer: Any, name: str) -> Any:
    """Open a dock as the Plugins menu does, or bring it to the front; gives its widget.

    Parameters
    ----------
    viewer : napari.Viewer
    name : str
        Its display name in the manifest, e.g. "Dataset".
    """
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, name)
    dock.show()
    dock.raise_()
    return widget


def dataset_dock(viewer: Any) -> DatasetDock:
    """Open the Dataset dock."""
    dock: DatasetDock = show_dock(viewer, "Dataset")
    return dock

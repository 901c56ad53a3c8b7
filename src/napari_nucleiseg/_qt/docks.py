"""Finding the docks of a viewer, and opening those that are not there yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from npe2 import PluginManager

if TYPE_CHECKING:
    from napari_nucleiseg._qt.dataset_dock import DatasetDock

PLUGIN = "napari-nucleiseg"
MENU = "Nucleus segmentation"
"""The plugin's name in the menus, by which they name its docks."""


def show_dock(viewer: Any, name: str) -> Any:
    """Open a dock as the Plugins menu does, or bring it to the front; gives its widget.

    Parameters
    ----------
    viewer : napari.Viewer
    name : str
        Its display name in the manifest, e.g. "Dataset".
    """
    window = viewer.window
    # A script that calls `add_plugin_dock_widget` has docks of the other name.
    there = [each for each in _names(name) if each in window.dock_widgets]
    if there:
        widget = window.dock_widgets[there[0]]
    else:
        make = PluginManager.instance().commands.get(f"{PLUGIN}.{name.lower()}")
        widget = make(viewer)
        window.add_dock_widget(widget, name=_names(name)[0])
    widget.parent().show()
    widget.come_forward()
    return widget


def _names(name: str) -> tuple[str, str]:
    return f"{name} ({MENU})", f"{name} ({PLUGIN})"


def dataset_dock(viewer: Any) -> DatasetDock:
    """Open the Dataset dock."""
    dock: DatasetDock = show_dock(viewer, "Dataset")
    return dock

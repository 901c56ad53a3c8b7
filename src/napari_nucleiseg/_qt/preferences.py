"""The plugin's part of napari's Preferences; `napari.yaml` declares it."""

from __future__ import annotations

from dataclasses import dataclass

from napari.settings import get_plugin_settings

PLUGIN = "napari-nucleiseg"


@dataclass(frozen=True)
class Display:
    """How nuclei are shown when the first sample of a dataset is opened.

    Attributes
    ----------
    opacity : float
    contour : int
        Width of the outlines [px]; 0 fills the nuclei.
    brush_size : int
        Diameter [px].
    """

    opacity: float = 0.6
    contour: int = 0
    brush_size: int = 10


def display() -> Display:
    """Read the preferences; the defaults count where napari does not know the plugin."""
    try:
        chosen = get_plugin_settings(PLUGIN).display
    except KeyError:
        return Display()
    return Display(chosen.opacity, chosen.contour, chosen.brush_size)

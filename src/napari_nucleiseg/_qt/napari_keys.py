"""napari's own keys, as the person has set them in napari's preferences."""

from __future__ import annotations

from napari.settings import get_settings

PAN_ZOOM = "napari:activate_labels_pan_zoom_mode"
BRUSH = "napari:activate_labels_paint_mode"
ERASER = "napari:activate_labels_erase_mode"
FILL = "napari:activate_labels_fill_mode"
PICK = "napari:activate_labels_picker_mode"
NEW_LABEL = "napari:new_label"
SMALLER_BRUSH = "napari:decrease_brush_size"
LARGER_BRUSH = "napari:increase_brush_size"


def key_of(action: str) -> str:
    """Give the key of one of napari's actions: the last of several; "" where it has none."""
    keys = get_settings().shortcuts.shortcuts.get(action, [])
    return str(keys[-1]) if keys else ""

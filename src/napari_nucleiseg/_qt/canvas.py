"""The one place that knows the inside of napari's canvas: pointer, scene and widget.

napari gives plugins no door to these, so every use of its private names stands here.
"""

from __future__ import annotations

import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np
from qtpy.QtGui import QCursor

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari import Viewer
    from napari.layers import Layer
    from qtpy.QtWidgets import QWidget

# How much wider than a box the camera looks: its neighbours tell what is wrong with it.
_SURROUNDINGS = 6.0
_MARGIN = 1 / 0.95  # the same for a whole image, as napari has it
_kept_from_crashing: WeakSet[Viewer] = WeakSet()


def unwrapped(viewer: Viewer) -> Viewer:
    """Give the viewer behind the proxy that napari hands to plugins."""
    return getattr(viewer, "__wrapped__", viewer)


def canvas_widget(viewer: Viewer) -> QWidget:
    """Find the widget that shows the layers; it takes the mouse and the keys."""
    return _canvas(viewer).native


def main_window(viewer: Viewer) -> QWidget:
    """Find the window of the viewer."""
    return unwrapped(viewer).window._qt_window


def scene_node(viewer: Viewer) -> Any:
    """Find the node of the scene whose coordinates are the world's, x before y."""
    return _canvas(viewer).view.scene


def pointer(viewer: Viewer) -> tuple[float, ...] | None:
    """Find where in the world the pointer is; None where it is not over the canvas.

    `viewer.cursor.position` does not serve: it stays behind when the camera moves under a
    still pointer, and when the pointer stops within 10 ms of the move before.
    """
    canvas = _canvas(viewer)
    at = canvas.native.mapFromGlobal(QCursor.pos())
    if not viewer.mouse_over_canvas or not canvas.native.rect().contains(at):
        return None
    position = (at.x(), at.y())
    view, _ = canvas._get_viewbox_at(position)
    return None if view is None else canvas._map_canvas2world(position, view)


def look_at(viewer: Viewer, low: np.ndarray, high: np.ndarray) -> None:
    """Move the camera so that a box lies in the middle, with its surroundings.

    Parameters
    ----------
    viewer : Viewer
    low, high : (2,) float
        Corners of the box in the displayed world: y, x.
    """
    widget = canvas_widget(viewer)
    extent = max(float(np.max(high - low)), 1e-9) * _SURROUNDINGS
    _aim(viewer, (low + high) / 2, min(widget.width(), widget.height()) / extent)


def fit(viewer: Viewer, layer: Layer) -> None:
    """Show all of a 2D layer, whatever else there is."""
    # `viewer.reset_view` takes single layers since napari 0.9 only, and fails beside a stack.
    extent = layer.extent  # from the middle of the first pixel to that of the last
    low, high = np.asarray(extent.world)[:, -2:]
    height, width = (high - low + np.asarray(extent.step)[-2:]) * _MARGIN
    room = canvas_widget(viewer)
    zoom = min(room.height() / height, room.width() / width)
    if zoom > 0:  # a canvas that is not laid out yet is 0 px high, and napari divides by it
        _aim(viewer, (low + high) / 2, zoom)


def _aim(viewer: Viewer, centre: np.ndarray, zoom: float) -> None:
    camera = unwrapped(viewer).scene.camera
    camera.center = tuple(centre)
    camera.zoom = zoom


def take_zooms(viewer: Viewer) -> list[Callable]:
    """Take napari's zoom off the double click; gives what to put back at its front."""
    clicks = viewer.mouse_double_click_callbacks
    zooms = [each for each in clicks if getattr(each, "__name__", "") == "double_click_to_zoom"]
    clicks[:] = [each for each in clicks if each not in zooms]
    return zooms


def keep_from_crashing(viewer: Viewer) -> None:
    """Take napari 0.9 off two ways to end the process where Mesa 22.3 draws by software.

    When a layer is removed, what it was drawn with is deleted in whatever context of OpenGL is
    current: mostly Qt's own, which shares it. Mesa then draws with what is gone, unless it is
    the canvas' context. And with the antialiased lines that the circle of the brush has, Mesa
    writes beyond the end of a buffer; so it gets plain ones. Its box goes, too: once the brush
    was used it stays in the corner. Once done for a viewer, it is not done again.
    """
    viewer = unwrapped(viewer)
    if viewer in _kept_from_crashing:
        return
    _kept_from_crashing.add(viewer)
    overlay = getattr(viewer, "canvas", None) and viewer.canvas.overlays.get("_brush_circle")
    canvas = weakref.ref(_canvas(viewer))

    def make_current() -> None:
        with suppress(RuntimeError):  # of a window that is closed
            if (shown := canvas()) is not None:
                shown.native.makeCurrent()

    def draw_plainly() -> None:
        shown = canvas()
        for visual in shown._viewer_overlay_to_visual.get(overlay, []) if shown else []:
            for circle in (visual._white_circle, visual._black_circle):
                circle.border.method = "gl"

    viewer.layers.events.removing.connect(make_current)
    if overlay is not None:
        overlay.box = False
        # After napari's own callback, which makes what is drawn when the brush is first shown.
        overlay.events.visible.connect(draw_plainly, priority=-1)
        draw_plainly()


def _canvas(viewer: Viewer) -> Any:
    return unwrapped(viewer).window._qt_viewer.canvas

"""Lines over the image: around the chosen nucleus, and where a cut will go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from skimage.measure import find_contours
from vispy.scene.visuals import Line

from napari_nucleiseg._qt import canvas

if TYPE_CHECKING:
    from napari import Viewer

    from napari_nucleiseg._qt.plane import Plane

_OVER_ALL_LAYERS = 1_000_000


class Marks:
    """An outline and a line, which are no layers and so stand in nobody's way.

    Parameters
    ----------
    viewer : Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._outline = self._line(width=5, color="black"), self._line(width=2, color="white")
        self._cut = self._line(width=5, color="black"), self._line(width=2, color="yellow")

    def show_outline(self, plane: Plane, labels: np.ndarray, id: int) -> None:
        """Draw a line around a nucleus; 0 draws none."""
        self._show(self._outline, plane, _outline(labels, id) if id else [])

    def show_cut(self, plane: Plane, line: list[tuple[float, float]]) -> None:
        """Draw an open line through points y, x [px]."""
        corners = np.array(line, float).reshape(-1, 2)
        self._show(self._cut, plane, [corners] if len(corners) > 1 else [])

    def clear(self) -> None:
        """Take everything away."""
        self.clear_cut()
        for line in self._outline:
            line.visible = False

    def clear_cut(self) -> None:
        """Take the open line away."""
        for line in self._cut:
            line.visible = False

    def remove(self) -> None:
        """Leave the canvas for good."""
        for line in (*self._outline, *self._cut):
            line.parent = None

    def _line(self, width: int, color: str) -> Line:
        line = Line(pos=np.zeros((2, 2)), width=width, color=color, connect="segments")
        line.parent = canvas.scene_node(self._viewer)
        line.order = _OVER_ALL_LAYERS
        line.visible = False
        return line

    def _show(self, lines: tuple[Line, Line], plane: Plane, curves: list[np.ndarray]) -> None:
        for line in lines:
            line.visible = bool(curves)
        if not curves:
            return
        ends = plane.displayed_world(np.concatenate([_segments(curve) for curve in curves]))
        for line in lines:
            line.set_data(pos=ends[:, ::-1])


def _outline(labels: np.ndarray, id: int) -> list[np.ndarray]:
    mask = labels == id
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return []
    crop = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    corner = np.array([rows[0] - 1, columns[0] - 1])
    return [curve + corner for curve in find_contours(np.pad(crop, 1).astype(float), 0.5)]


def _segments(curve: np.ndarray) -> np.ndarray:
    """Both ends of each piece of a curve: (n, 2) to (2 n - 2, 2)."""
    return np.repeat(curve, 2, axis=0)[1:-1]

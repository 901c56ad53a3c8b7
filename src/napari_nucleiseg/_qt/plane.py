"""The plane of a layer that is seen: which pixels of the array, and where they lie.

A layer of a dataset is two-dimensional and is its own plane. Of a stack, the tools see and
change the plane on display, whatever axes it has been turned to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleiseg._qt.key_button import native
from napari_nucleiseg.errors import BadInput

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image, Labels

    from napari_nucleiseg.edits import Edit

Point = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane of a Labels or Image layer.

    Attributes
    ----------
    layer : Labels or Image
    axes : (row, column)
        The axes of `layer.data` that are seen.
    seen : (down, right)
        The same axes as they are seen, which may be the other way round.
    position : (ndim,) int
        Where the other axes stand; entries of the seen axes mean nothing.
    """

    layer: Labels | Image
    axes: tuple[int, int]
    seen: tuple[int, int]
    position: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width [px]."""
        return self.layer.data.shape[self.axes[0]], self.layer.data.shape[self.axes[1]]

    @property
    def pixels(self) -> np.ndarray:
        """(H, W) or, of an RGB image, (H, W, C): a view where the data is an array."""
        index = tuple(
            slice(None) if axis in self.axes else at for axis, at in enumerate(self.position)
        )
        return np.asarray(self.layer.data[index])

    def pixel(self, world: tuple[float, ...] | np.ndarray) -> Point:
        """Where a position in the viewer's world lies: row, column [px]."""
        found = np.asarray(self.layer.world_to_data(world))
        return float(found[self.axes[0]]), float(found[self.axes[1]])

    def displayed_world(self, points: np.ndarray) -> np.ndarray:
        """Where pixels (n, 2) lie in the axes that are seen: (n, 2) float, down and right."""
        # A layer's transform is affine: three points tell where all others go.
        corners = np.tile(np.asarray(self.position, float), (3, 1))
        corners[:, self.axes] = [(0, 0), (1, 0), (0, 1)]
        origin, *steps = (np.asarray(self.layer.data_to_world(each)) for each in corners)
        world = origin + np.asarray(points, float) @ (np.array(steps) - origin)
        return world[:, self.seen]

    def write(self, edit: Edit) -> None:
        """Make an edit of this plane as one step of the layer's own undo.

        Raises
        ------
        BadInput
            If the layer's type of number cannot hold a new id.
        """
        values = self._free_ids(edit.values)
        highest = np.iinfo(self.layer.data.dtype).max
        if len(values) and values.max() > highest:
            raise BadInput(
                f"Layer “{self.layer.name}” holds ids up to {highest} and they are used up; "
                "convert it to a larger data type (right click on the layer)."
            )
        index = [np.full(len(values), at, np.intp) for at in self.position]
        for axis, positions in zip(self.axes, edit.index, strict=True):
            index[axis] = positions
        with self.layer.block_history():
            self.layer.data_setitem(tuple(index), values)

    def _free_ids(self, values: np.ndarray) -> np.ndarray:
        """Lift ids that are new to this plane above those of all other planes."""
        values = values.astype(np.int64)
        if self.layer.ndim == 2:
            return values
        here = int(self.pixels.max())
        everywhere = int(np.max(self.layer.data))
        return np.where(values > here, values + everywhere - here, values)


def displayed_plane(viewer: Viewer, layer: Labels | Image) -> Plane:
    """Find the plane of a layer that is on display.

    Raises
    ------
    BadInput
        If the view is in 3D, the layer has several scales, or its plane is not the one
        that is seen.
    """
    if viewer.dims.ndisplay != 2:
        raise BadInput(f"The view is in 3D; switch to 2D ({native('Ctrl+Y')}) to correct nuclei.")
    if layer.multiscale:
        raise BadInput(f"Layer “{layer.name}” has several scales; correct a layer with one.")
    missing = viewer.dims.ndim - layer.ndim
    down, right = (axis - missing for axis in viewer.dims.displayed)
    row, column = sorted((down, right))
    if row < 0:
        raise BadInput(f"Layer “{layer.name}” is seen from the side; turn the view to its plane.")
    position = np.round(layer.world_to_data(viewer.dims.point)).astype(int)
    for axis, size in enumerate(layer.data.shape[: layer.ndim]):
        if axis not in (row, column) and not 0 <= position[axis] < size:
            raise BadInput(f"Layer “{layer.name}” has no plane here; move the slider into it.")
    return Plane(layer, (row, column), (down, right), tuple(position.tolist()))

"""The plane of an Image layer that is segmented: 2D, colour, or one slice of a stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleiseg._qt.key_button import native
from napari_nucleiseg.errors import BadInput

if TYPE_CHECKING:
    from napari import Viewer
    from napari.layers import Image

CHANNELS = ("red", "green", "blue")


@dataclass(frozen=True, eq=False)
class ImagePlane:
    """A plane of an image, as it was when it was chosen.

    Attributes
    ----------
    layer : Image
        Where it comes from.
    pixels : array-like
        The layer's data, of the finest scale; perhaps not in memory.
    axes : (row, column)
        The axes of `pixels` that are seen.
    position : (ndim,) int
        Where the other axes stand; entries of the seen axes mean nothing.
    channel : int or None
        0 to 2 for one channel of a colour image.
    """

    layer: Image
    pixels: Any
    axes: tuple[int, int]
    position: tuple[int, ...]
    channel: int | None = None

    @property
    def grid(self) -> tuple[int, ...]:
        """Shape of the whole layer's data, without its colour channels."""
        return tuple(self.pixels.shape[: len(self.position)])

    @property
    def index(self) -> tuple[int | slice, ...]:
        """What cuts the plane out of an array of the shape `grid`."""
        return tuple(
            slice(None) if axis in self.axes else at for axis, at in enumerate(self.position)
        )

    def read(self) -> np.ndarray:
        """Read the pixels: (H, W) or (H, W, 3). A copy; slow where they come from a disk.

        Alpha is dropped.
        """
        plane = np.array(self.pixels[self.index])
        if plane.ndim == 2:
            return plane
        return plane[..., :3] if self.channel is None else plane[..., self.channel]


def shown_plane(viewer: Viewer, layer: Image, channel: int | None = None) -> ImagePlane:
    """Find the plane of a layer that the viewer shows.

    Parameters
    ----------
    viewer : Viewer
        Its sliders choose the plane of a stack.
    layer : Image
    channel : int, optional
        0 to 2 for one channel of a colour image.

    Raises
    ------
    BadInput
        If the view is in 3D, or shows another plane than the layer's.
    """
    if viewer.dims.ndisplay != 2 and layer.ndim > 2:
        raise BadInput(
            f"The view is in 3D; switch to 2D ({native('Ctrl+Y')}) to choose the plane to segment."
        )
    missing = viewer.dims.ndim - layer.ndim
    row, column = sorted(axis - missing for axis in viewer.dims.displayed[-2:])
    if row < 0:
        raise BadInput(f"Layer “{layer.name}” is seen from the side; turn the view to its plane.")
    pixels = layer.data[0] if layer.multiscale else layer.data
    position = np.round(layer.world_to_data(viewer.dims.point)).astype(int)
    for axis in range(layer.ndim):
        if axis not in (row, column) and not 0 <= position[axis] < pixels.shape[axis]:
            raise BadInput(f"Layer “{layer.name}” has no plane here; move the slider into it.")
    return ImagePlane(layer, pixels, (row, column), tuple(position.tolist()), channel)

"""Labels layers for Image layers that belong to no dataset: one for each image."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Image, Labels

from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.merging import find_hand_work, merge_prediction

if TYPE_CHECKING:
    from napari_nucleiseg._qt.image_plane import ImagePlane

_results: WeakKeyDictionary[Any, PlaneResults] = WeakKeyDictionary()
_TRANSFORM = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")


@dataclass(eq=False)
class _Kept:
    """What is known of one plane: as the model's labels were shown, and a hand's work."""

    shown: np.ndarray
    erased: np.ndarray
    touched: frozenset[int] = frozenset()
    first_free: int = 1


@dataclass(eq=False)
class _Made:
    """The layer made for an image, its planes, and the maps of the plane segmented last."""

    layer: Labels
    planes: dict[tuple[Any, ...], _Kept] = field(default_factory=dict)


def plane_results_for(viewer: Any) -> PlaneResults:
    """Give the `PlaneResults` of a viewer; they are made on the first call.

    Parameters
    ----------
    viewer : Viewer
        Not the proxy that napari hands to plugins.
    """
    return _results.setdefault(viewer, PlaneResults(viewer))


class PlaneResults:
    """Shows labels of image planes, each image's in a layer of its own.

    The layer lies where the image lies. For a stack it is as large as the stack, and each
    plane that is segmented fills its own slice. Nuclei that a hand has touched, and what it
    has erased, stay when a plane is segmented again.

    Parameters
    ----------
    viewer : Viewer
        Not the proxy that napari hands to plugins.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = weakref.ref(viewer)
        self._made: WeakKeyDictionary[Image, _Made] = WeakKeyDictionary()
        self._maps: tuple[weakref.ref[Image], tuple[Any, ...], np.ndarray] | None = None

    def keep_maps(self, plane: ImagePlane, maps: np.ndarray) -> None:
        """Keep the maps (H, W, 3) of the plane that was segmented last, and only these."""
        self._maps = weakref.ref(plane.layer), (*_place(plane), plane.channel), maps

    def drop_maps(self) -> None:
        """Forget the kept maps."""
        self._maps = None

    def maps(self, plane: ImagePlane) -> np.ndarray | None:
        """Give the maps of a plane, if they are the kept ones."""
        if self._maps is None or self._maps[0]() is not plane.layer:
            return None
        return self._maps[2] if self._maps[1] == (*_place(plane), plane.channel) else None

    def show(self, plane: ImagePlane, labels: np.ndarray) -> None:
        """Show the labels of a plane.

        A layer that was deleted is made again; one whose image has another size by now stays,
        and a new one is made.

        Parameters
        ----------
        plane : ImagePlane
            Its image may have been deleted meanwhile.
        labels : (H, W) int32

        Raises
        ------
        BadInput
            If a label image of the stack's size does not fit into memory.
        """
        viewer = self._viewer()
        if viewer is None:
            return
        made = self._made.get(plane.layer)
        is_usable = made is not None and made.layer in viewer.layers
        if made is None or not is_usable or made.layer.data.shape != plane.grid:
            made = self._made[plane.layer] = _Made(_labels_layer(plane))
            viewer.add_layer(made.layer)
        _fill(made, plane, labels)


def _fill(made: _Made, plane: ImagePlane, labels: np.ndarray) -> None:
    now = made.layer.data[plane.index]
    # What stands in a plane before anything was shown there, a hand has drawn.
    new = _Kept(np.zeros_like(now), np.zeros(now.shape, bool))
    kept = made.planes.setdefault(_place(plane), new)
    hand = find_hand_work(kept.shown, now)
    kept.touched |= hand.touched
    kept.erased = (kept.erased | hand.erased) & (now == 0)
    merged = merge_prediction(now, labels, kept.touched, kept.erased, kept.first_free)
    kept.first_free = max(kept.first_free, int(merged.max(initial=0)) + 1)
    kept.shown = merged
    # In place and past the undo history: it holds the strokes, under ids that still fit.
    made.layer.data[plane.index] = merged
    made.layer.refresh()
    made.layer.selected_label = max(made.layer.selected_label, kept.first_free)


def _labels_layer(plane: ImagePlane) -> Labels:
    try:
        empty = np.zeros(plane.grid, np.int32)
    except MemoryError as error:
        size = np.prod(plane.grid, dtype=float) * 4 / 2**30
        raise BadInput(
            f"Labels of all of “{plane.layer.name}” take {size:.0f} GB, more than there is;"
            " open a part of the stack."
        ) from error
    transform = {name: getattr(plane.layer, name) for name in _TRANSFORM}
    return Labels(empty, name=f"{plane.layer.name} nuclei", **transform)


def _place(plane: ImagePlane) -> tuple[int | None, ...]:
    return tuple(None if isinstance(each, slice) else each for each in plane.index)

"""Corrections of labels by hand: arrays to arrays.

Each function returns an `Edit`, the pixels to change, so that a viewer applies it as one
step that can be undone. The labels themselves are never written to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_nucleiseg import grow, shapes
from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.errors import BadInput

Window = tuple[slice, slice]

# Nuclei that are merged across a gap up to this [px] are joined by filling it.
_WIDEST_GAP = 4
# Width of the Gaussian that smooths, as share of the nucleus' radius, and its limits [px].
_SMOOTHING, _LEAST_SMOOTHING, _MOST_SMOOTHING = 0.15, 1.0, 6.0


@dataclass(frozen=True, eq=False)
class Edit:
    """Pixels that a correction changes. False where it changes nothing.

    Attributes
    ----------
    index : (rows, columns)
        int64 arrays of one length: `labels[edit.index]` are the pixels.
    values : (n,) array of the labels' dtype
        What the pixels become.
    touched : tuple of int
        Ids, of nuclei that exist after the edit, which it shaped.
    """

    index: tuple[np.ndarray, np.ndarray]
    values: np.ndarray
    touched: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return len(self.values) > 0

    def apply(self, labels: np.ndarray) -> np.ndarray:
        """Give a copy of the labels with the edit made."""
        edited = labels.copy()
        edited[self.index] = self.values
        return edited


def delete(labels: np.ndarray, id: int) -> Edit:
    """Make a nucleus background.

    Parameters
    ----------
    labels : (H, W) int
    id : int

    Raises
    ------
    BadInput
        If no nucleus has that id.
    """
    window, mask = _find(labels, id)
    return _edit(labels, window, np.where(mask, 0, labels[window]))


def merge(labels: np.ndarray, id: int, other: int) -> Edit:
    """Join two nuclei under the id of the first; a gap of up to 4 px is filled.

    Parameters
    ----------
    labels : (H, W) int
    id, other : int
        The same id twice changes nothing.

    Raises
    ------
    BadInput
        If no nucleus has one of the ids.
    """
    first, _ = _find(labels, id)
    second, _ = _find(labels, other)
    window = _union(first, second)
    old = labels[window]
    new = np.where(old == other, id, old)
    if id != other and _overlap(first, second):
        new[_bridge(old == id, old == other) & (old == 0)] = id
    return _edit(labels, window, new, id)


def are_joined(labels: np.ndarray, edit: Edit, id: int, other: int) -> bool:
    """Tell whether two nuclei touch after an edit that merged them.

    Parameters
    ----------
    labels : (H, W) int
        From before the edit.
    edit : Edit
        Of `merge`; one that changes nothing joins nothing.
    id, other : int
    """
    if not edit:
        return False
    window = _around(*edit.index)
    old, new = labels[window], labels[window].copy()
    new[edit.index[0] - window[0].start, edit.index[1] - window[1].start] = edit.values
    _, parts = shapes.pieces(new == id)
    return bool(np.intersect1d(parts[old == id], parts[old == other]).size)


def split_by_line(labels: np.ndarray, id: int, line: np.ndarray) -> Edit:
    """Cut a nucleus along a drawn line.

    The largest part keeps the id, the others get new ones. The line need not reach the
    outline: its ends are lengthened. A line between two pieces of one nucleus parts them.

    Parameters
    ----------
    labels : (H, W) int
    id : int
    line : (n, 2) float
        Corners of the line as drawn: y, x [px].

    Raises
    ------
    BadInput
        If no nucleus has that id, the line has less than two different points, or it does
        not divide the nucleus.
    """
    line = np.asarray(line, np.float64)
    is_line = line.ndim == 2 and line.shape[1] == 2 and len(line) > 1 and np.isfinite(line).all()
    if not is_line or not np.ptp(line, axis=0).any():
        raise BadInput("The line has no length; draw it from one side of the nucleus to the other.")
    window, mask = _find(labels, id)
    line = line - [window[0].start, window[1].start]
    parts = shapes.cut(mask, line)
    if parts.max() < 2:
        parts = _pieces_by_side(mask, line)
    if parts.max() < 2:
        raise BadInput(
            f"The line does not divide nucleus {id}; draw it from one side to the other."
        )
    return _split(labels, window, id, parts)


def split_at_waist(labels: np.ndarray, id: int) -> Edit:
    """Cut a nucleus where it is narrowest, once; see `shapes.waist`.

    The larger part keeps the id, the other gets a new one. Pieces that do not touch are
    parted instead, each under an id of its own.

    Parameters
    ----------
    labels : (H, W) int
    id : int

    Raises
    ------
    BadInput
        If no nucleus has that id, or the nucleus has no waist.
    """
    window, mask = _find(labels, id)
    count, parts = shapes.pieces(mask)
    if count < 2:
        line = shapes.waist(mask)
        if line is None:
            raise BadInput(f"Nucleus {id} has no waist; draw a line where it should be cut.")
        parts = shapes.cut(mask, line)
    return _split(labels, window, id, parts)


def fill_holes(labels: np.ndarray, id: int) -> Edit:
    """Fill the background that a nucleus encloses; other nuclei inside it stay.

    Parameters
    ----------
    labels : (H, W) int
    id : int

    Raises
    ------
    BadInput
        If no nucleus has that id.
    """
    window, mask = _find(labels, id)
    old = labels[window]
    return _edit(labels, window, np.where(shapes.holes(mask) & (old == 0), id, old), id)


def smooth(labels: np.ndarray, id: int) -> Edit:
    """Smooth the outline of a nucleus by a Gaussian of 0.15 times its radius.

    Neighbours keep their pixels, and the nucleus stays in as many pieces as it was or
    fewer; where smoothing would tear or erase it, less is done, at last nothing.

    Parameters
    ----------
    labels : (H, W) int
    id : int

    Raises
    ------
    BadInput
        If no nucleus has that id.
    """
    window, mask = _find(labels, id, margin=3 * int(_MOST_SMOOTHING))
    old = labels[window]
    count, _ = shapes.pieces(mask)
    sigma = _SMOOTHING * np.sqrt(mask.sum() / np.pi)
    sigma = float(np.clip(sigma, _LEAST_SMOOTHING, _MOST_SMOOTHING))
    for width in (sigma, sigma / 2, sigma / 4):
        # Reflected, so that an outline that ends at the image's edge is not rounded there.
        blurred = cv2.GaussianBlur(
            mask.astype(np.float32), (0, 0), width, borderType=cv2.BORDER_REFLECT
        )
        smoothed = (blurred > 0.5) & (mask | (old == 0))
        if 1 <= shapes.pieces(smoothed)[0] <= count:
            new = np.where(smoothed, id, np.where(mask, 0, old))
            return _edit(labels, window, new, id)
    return _edit(labels, window, old)


def grow_from_click(
    labels: np.ndarray,
    point: tuple[float, float],
    *,
    maps: np.ndarray | None = None,
    image: np.ndarray | None = None,
) -> Edit:
    """Add a nucleus around a click, under a new id.

    It is grown from the maps where they see something there, else from the image: what
    stands out from its surroundings as the clicked pixel does, be it brighter, darker or of
    another colour. It never covers another nucleus.

    Parameters
    ----------
    labels : (H, W) int
    point : (y, x)
        The click [px].
    maps : (H, W, 3) uint8 or float32, optional
        Foreground, distance and border.
    image : (H, W) or (H, W, C), optional

    Raises
    ------
    BadInput
        If the click is outside the image or on a nucleus, or nothing stands out there.
    ValueError
        If there are neither maps nor image, or they are not of the size of the labels.
    """
    if maps is None and image is None:
        raise ValueError("grow_from_click got neither maps nor image; one is needed.")
    for evidence in (maps, image):
        if evidence is not None and evidence.shape[:2] != labels.shape:
            raise ValueError(f"Labels are {labels.shape}, maps or image {evidence.shape[:2]}.")
    pixel = (round(point[0]), round(point[1]))
    if not (0 <= pixel[0] < labels.shape[0] and 0 <= pixel[1] < labels.shape[1]):
        raise BadInput(f"The click at {pixel} is outside the image; click on a nucleus in it.")
    if labels[pixel]:
        raise BadInput(f"Nucleus {labels[pixel]} is here already; click beside it, or delete it.")
    is_line = min(labels.shape) < 2  # nothing stands out across it
    found = None if is_line else grow.region(labels, pixel, maps=maps, image=image)
    if found is None:
        raise BadInput("Nothing stands out from its surroundings here; paint it with the brush.")
    window, mask = found
    new_id = int(labels.max()) + 1
    return _edit(labels, window, np.where(mask, new_id, labels[window]), new_id)


def _find(labels: np.ndarray, id: int, margin: int = _WIDEST_GAP) -> tuple[Window, np.ndarray]:
    """Find the window around a nucleus, with a margin, and its mask in there."""
    whole = labels == id
    rows = np.flatnonzero(whole.any(axis=1))
    if id < 1 or not len(rows):
        raise BadInput(f"No nucleus has the id {id}; point at a nucleus.")
    columns = np.flatnonzero(whole[rows[0] : rows[-1] + 1].any(axis=0))
    window = (
        slice(max(0, rows[0] - margin), min(labels.shape[0], rows[-1] + 1 + margin)),
        slice(max(0, columns[0] - margin), min(labels.shape[1], columns[-1] + 1 + margin)),
    )
    return window, whole[window]


def _edit(labels: np.ndarray, window: Window, new: np.ndarray, *touched: int) -> Edit:
    rows, columns = np.nonzero(new != labels[window])
    values = new[rows, columns].astype(labels.dtype)
    index = (rows + window[0].start, columns + window[1].start)
    return Edit(index, values, touched if len(values) else ())


def _split(labels: np.ndarray, window: Window, id: int, parts: np.ndarray) -> Edit:
    """Give parts (h, w), numbered 1..n, ids: the largest keeps its own."""
    order = np.argsort(-np.bincount(parts.ravel())[1:], kind="stable") + 1
    ids = np.zeros(len(order) + 1, np.int64)
    ids[order] = [id, *(int(labels.max()) + np.arange(1, len(order)))]
    new = np.where(parts > 0, ids[parts], labels[window])
    return _edit(labels, window, new, *ids[order].tolist())


def _union(first: Window, second: Window) -> Window:
    y, x = (
        slice(min(a.start, b.start), max(a.stop, b.stop))
        for a, b in zip(first, second, strict=True)
    )
    return y, x


def _around(rows: np.ndarray, columns: np.ndarray) -> Window:
    """Find the window that holds pixels and those beside them."""
    y, x = (slice(max(0, int(each.min()) - 1), int(each.max()) + 2) for each in (rows, columns))
    return y, x


def _overlap(first: Window, second: Window) -> bool:
    return all(a.start < b.stop and b.start < a.stop for a, b in zip(first, second, strict=True))


def _bridge(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Pixels between two masks where the gap is not too wide."""
    to_first, to_second = shapes.distance_to(first), shapes.distance_to(second)
    gap = to_first[second].min() - 1
    if gap > _WIDEST_GAP:
        return np.zeros_like(first)
    return to_first + to_second <= max(gap, 1) + 1.5


def _pieces_by_side(mask: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Sort whole pieces by the side of the line on which their centres lie: 1 and 2."""
    count, numbered = shapes.pieces(mask)
    side = np.zeros(count + 1, np.int32)
    along = line[-1] - line[0]
    for piece in range(1, count + 1):
        across = np.argwhere(numbered == piece).mean(axis=0) - line[0]
        side[piece] = 1 if along[0] * across[1] > along[1] * across[0] else 2
    _, ranked = np.unique(side, return_inverse=True)
    return ranked.astype(np.int32)[numbered]

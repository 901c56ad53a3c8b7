"""Connected parts of an image above given levels, cached while it changes only below them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.spans import find_runs


@dataclass(frozen=True, eq=False)
class Cut:
    """The parts of an image above a level, as runs of pixels.

    Attributes
    ----------
    starts, lengths : (n,) int64
        Flat index of the first pixel of each run, ascending, and its pixels.
    parts : (n,) int32
        The part, from 1, that each run belongs to. Parts touch at no edge and no corner.
    areas : (parts + 1,) float64
        Pixels of each part; entry 0 is 0.
    """

    starts: np.ndarray
    lengths: np.ndarray
    parts: np.ndarray
    areas: np.ndarray

    def parts_at(self, places: np.ndarray) -> np.ndarray:
        """Find the parts that pixels above the level, given by their flat indices, lie in."""
        return self.parts[np.searchsorted(self.starts, places, side="right") - 1]


class Cuts:
    """Cuts of one image after the other; a cut that is the same as the last is not made again."""

    def __init__(self) -> None:
        self._image = np.empty((0, 0), np.uint8)
        self._cuts: dict[int, Cut] = {}
        self._numbers = np.empty((0, 0), np.int32)

    def take(self, image: np.ndarray) -> None:
        """Set the image to cut; cuts that the change cannot alter are kept.

        Parameters
        ----------
        image : (H, W) uint8
            Must not be written to from now on.
        """
        before, self._image = self._image, image
        if before.shape != image.shape or not image.size:
            self._cuts = {}
            self._numbers = np.empty(image.shape, np.int32)
        else:
            changed = cv2.compare(before, image, cv2.CMP_NE)
            highest = cv2.minMaxLoc(cv2.max(before, image), mask=changed)[1]
            # Above all that has changed, what rises above a level is what did before.
            self._cuts = {level: cut for level, cut in self._cuts.items() if level >= highest}

    def at(self, level: int) -> Cut:
        """Give the parts of the image above a level, 0 to 255."""
        if level not in self._cuts:
            self._cuts[level] = self._cut(level)
        return self._cuts[level]

    def _cut(self, level: int) -> Cut:
        above = np.greater(self._image, level)
        count, numbers = cv2.connectedComponents(
            above.view(np.uint8), self._numbers, connectivity=8
        )
        starts, lengths = find_runs(above)
        parts = numbers.ravel()[starts]
        return Cut(starts, lengths, parts, np.bincount(parts, lengths, minlength=count))

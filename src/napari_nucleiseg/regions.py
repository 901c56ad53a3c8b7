"""What maps say of the regions of a label image, and of the lines along which two touch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.spans import bands, find_runs


@dataclass(frozen=True)
class Regions:
    """Sums over the pixels of each region: those of two regions add up when they are merged.

    Row i is label i; the rows of the background and of unused labels are zero.

    Attributes
    ----------
    area : (n,) float64
        px².
    at_edge : (n,) float64
        More than 0 for a region at the edge of the image: its runs of pixels there.
    moments : (n, 5) float64
        Sums of x, y, x², y² and xy [px, px²].
    maps : (n, 3) float64
        Sums of foreground, distance and border, each in [0, 1].
    peak : (n,) float64
        Highest distance, in [0, 1].
    """

    area: np.ndarray
    at_edge: np.ndarray
    moments: np.ndarray
    maps: np.ndarray
    peak: np.ndarray

    def merged(self, table: np.ndarray) -> Regions:
        """Give the regions that there are when label i becomes `table[i]`."""

        def added(values: np.ndarray) -> np.ndarray:
            out = np.zeros_like(values)
            np.add.at(out, table, values)
            return out

        peak = np.zeros_like(self.peak)
        np.maximum.at(peak, table, self.peak)
        return Regions(
            added(self.area), added(self.at_edge), added(self.moments), added(self.maps), peak
        )


@dataclass(frozen=True)
class Contacts:
    """The pairs of regions that touch, and what the maps say where they do.

    Two pixels that share an edge have the mean of their values there.

    Attributes
    ----------
    pairs : (k, 2) int64
        Labels, the smaller one first.
    length : (k,) float64
        Edges of pixels along which the two touch.
    sums, lowest, highest : (k, 3) float64
        Of foreground, distance and border along these edges.
    """

    pairs: np.ndarray
    length: np.ndarray
    sums: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray

    def merged(self, table: np.ndarray) -> Contacts:
        """Give the contacts that are left when label i becomes `table[i]`."""
        pairs = np.sort(table[self.pairs], axis=1)
        left = pairs[:, 0] != pairs[:, 1]
        values = (self.length, self.sums, self.lowest, self.highest)
        return _by_pair(pairs[left], *(each[left] for each in values))


def ellipse(area: np.ndarray, moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compare regions with the ellipses that have their moments of the second order.

    Parameters
    ----------
    area : (n,) float64
        px²; not zero.
    moments : (n, 5) float64
        As in `Regions`.

    Returns
    -------
    filled : (n,) float64
        Area over that of the ellipse: near 1 for a nucleus, less for what has bays.
    elongation : (n,) float64
        Logarithm of its longer axis over its shorter one.
    """
    x, y, xx, yy, xy = moments.T / area
    # A pixel is a square, whose own spread is a twelfth.
    xx, yy, xy = xx - x * x + 1 / 12, yy - y * y + 1 / 12, xy - x * y
    difference = np.sqrt((xx - yy) ** 2 / 4 + xy**2)
    wide, narrow = (xx + yy) / 2 + difference, np.maximum((xx + yy) / 2 - difference, 1 / 12)
    return area / (4 * np.pi * np.sqrt(wide * narrow)), np.log(wide / narrow) / 2


def relative_size(area: np.ndarray, regions: Regions) -> np.ndarray:
    """Give the logarithm of areas [px²] over the median area of the regions."""
    return np.log(np.maximum(area, 1) / np.median(regions.area[regions.area > 0]))


# --- measuring


def measure_regions(labels: np.ndarray, maps: np.ndarray) -> Regions:
    """Measure every label of an image.

    Parameters
    ----------
    labels : (H, W) int32
    maps : (H, W, 3) uint8
        Foreground, distance and border; 255 is 1.
    """
    count = int(labels.max(initial=0)) + 1
    sums, peak = np.zeros((10, count)), np.zeros(count)
    for first, band in bands(labels):
        starts, lengths = find_runs(band)
        if not len(starts):
            continue
        numbers = band.ravel()[starts]
        values = _run_sums(starts + first, lengths, labels.shape)
        top = first // labels.shape[1]
        for channel in range(3):
            flat = cv2.extractChannel(maps[top : top + len(band)], channel).ravel()
            # Sums of a row of 16 million pixels fit; 64 bits take twice as long.
            values.append(_reduced(np.add, flat, starts, lengths, np.uint32) / 255)
            if channel == 1:
                tops = _reduced(np.maximum, flat, starts, lengths, np.uint8) / 255
                np.maximum.at(peak, numbers, tops)
        for index, each in enumerate(values):
            sums[index] += np.bincount(numbers, each, minlength=count)
    return Regions(sums[0], sums[1], sums[2:7].T, sums[7:].T, peak)


def _run_sums(starts: np.ndarray, lengths: np.ndarray, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Give area, whether it is at the edge, and sums of x, y, x², y² and xy, of each run."""
    height, width = shape
    row, first = np.divmod(starts, width)
    last = first + lengths - 1
    at_edge = (first == 0) | (last == width - 1) | (row == 0) | (row == height - 1)
    middle, y, length = (first + last) / 2, row.astype(float), lengths.astype(float)
    # The squares of n numbers around their middle add up to n (n² - 1) / 12.
    xx = length * (middle**2 + (length**2 - 1) / 12)
    x = length * middle
    return [length, at_edge.astype(float), x, length * y, xx, length * y**2, x * y]


def _reduced(
    how: np.ufunc, flat: np.ndarray, starts: np.ndarray, lengths: np.ndarray, dtype: type
) -> np.ndarray:
    """Add up the values of each run, or take the highest."""
    bounds = np.stack([starts, starts + lengths], axis=1).ravel()
    if bounds[-1] == flat.size:
        bounds = bounds[:-1]
    return np.asarray(how.reduceat(flat, bounds, dtype=dtype)[::2])


def measure_contacts(labels: np.ndarray, maps: np.ndarray) -> Contacts:
    """Find the pairs of labels that share an edge of a pixel, and measure the maps there.

    Parameters
    ----------
    labels : (H, W) int32
    maps : (H, W, 3) uint8
        Foreground, distance and border; 255 is 1.
    """
    flat, width = labels.ravel(), labels.shape[1]
    values = maps.reshape(-1, 3)
    found = []
    for start, band in bands(labels):
        for offset, is_across in ((1, True), (width, False)):
            stop = min(start + band.size, flat.size - offset)
            first = start + np.flatnonzero(flat[start:stop] != flat[start + offset : stop + offset])
            first = first[(flat[first] != 0) & (flat[first + offset] != 0)]
            if is_across:
                first = first[first % width != width - 1]
            edges = np.stack([first, first + offset], axis=1)
            there = values[edges].astype(float).sum(axis=1) / 510
            pairs = np.sort(flat[edges].astype(np.int64), axis=1)
            found.append(_by_pair(pairs, np.ones(len(pairs)), there, there, there))
    names = ("pairs", "length", "sums", "lowest", "highest")
    return _by_pair(*(np.concatenate([getattr(each, name) for each in found]) for name in names))


def _by_pair(
    pairs: np.ndarray,
    length: np.ndarray,
    sums: np.ndarray,
    lowest: np.ndarray,
    highest: np.ndarray,
) -> Contacts:
    """Put together what belongs to the same pair."""
    base = int(pairs.max(initial=0)) + 1
    keys, places = np.unique(pairs[:, 0] * base + pairs[:, 1], return_inverse=True)

    def reduced(how: np.ufunc, values: np.ndarray, start: float) -> np.ndarray:
        out = np.full((len(keys), *values.shape[1:]), start)
        how.at(out, places, values)
        return out

    return Contacts(
        np.stack([keys // base, keys % base], axis=1),
        reduced(np.add, length, 0.0),
        reduced(np.add, sums, 0.0),
        reduced(np.minimum, lowest, np.inf),
        reduced(np.maximum, highest, -np.inf),
    )

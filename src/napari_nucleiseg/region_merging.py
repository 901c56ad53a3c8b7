"""Which regions that touch are parts of one nucleus."""

from __future__ import annotations

import numpy as np

from napari_nucleiseg.likelihood import likelihood
from napari_nucleiseg.regions import Contacts, Regions, ellipse, relative_size

WEIGHTS: dict[str, float] = {
    "size low": -1.575,
    "size high": 0.6737,
    "size both": -0.3263,
    "area ratio": 0.009003,
    "length": -0.02079,
    "border": -5.33,
    "border lowest": 0.1494,
    "border highest": 1.901,
    "distance": 14.37,
    "distance lowest": -9.994,
    "distance highest": -4.561,
    "peak low": -4.306,
    "peak high": -3.898,
    "foreground": -0.7612,
    "foreground lowest": 1.824,
    "filled low": -0.4011,
    "filled high": -6.277,
    "filled both": -6.763,
    "filled loss": -8.828,
    "elongation both": 0.1985,
    "constant": 18.58,
}
"""Of `merge_features`, and a constant."""
MOST_PARTS = 4
"""A nucleus falls into few regions: what is more is a sheet of cells."""


def merge_regions(regions: Regions, contacts: Contacts, threshold: float) -> np.ndarray:
    """Merge regions that touch, the most likely pair of each region first.

    A logistic regression tells from the maps and the shapes how likely two regions are one
    nucleus. Where each of the two has no likelier partner they are merged; then what came of
    it is judged anew, until no pair is above the threshold. Its weights were fitted to pairs
    whose merging makes AP, on average over IoU .5 to .9, better or worse
    (`scripts/fit_regions.py`). Merging an oversegmentation by a learned classifier follows
    Nunez-Iglesias et al. (2013), PLoS ONE 8(8): e71715.

    Parameters
    ----------
    regions : Regions
    contacts : Contacts
    threshold : float
        In [0, 1].

    Returns
    -------
    (n,) int64
        For each label the one that it becomes, the smallest of those merged.
    """
    table = np.arange(len(regions.area))
    while len(contacts.pairs):
        likely = likelihood(merge_features(regions, contacts), WEIGHTS)
        parts = np.bincount(table, minlength=len(table))
        likely[parts[contacts.pairs].sum(axis=1) > MOST_PARTS] = 0
        chosen = (likely > threshold) & _are_first(contacts.pairs, likely, len(table))
        if not chosen.any():
            break
        step = np.arange(len(table))
        step[contacts.pairs[chosen, 1]] = contacts.pairs[chosen, 0]
        table, regions, contacts = step[table], regions.merged(step), contacts.merged(step)
    return table


def _are_first(pairs: np.ndarray, likely: np.ndarray, count: int) -> np.ndarray:
    """Tell of each pair whether neither of its `count` regions has a likelier one: (k,) bool."""
    # Chance, always the same, decides between equals: in their order they would wait in a row.
    chance = np.random.default_rng(0).permutation(len(pairs))
    rank = np.empty(len(pairs), np.int64)
    rank[np.lexsort((chance, -likely))] = np.arange(len(pairs))
    first = np.full(count, len(pairs))
    for side in pairs.T:
        np.minimum.at(first, side, rank)
    return np.asarray((rank[:, None] == first[pairs]).all(axis=1))


def merge_features(regions: Regions, contacts: Contacts) -> dict[str, np.ndarray]:
    """Describe pairs of regions by (k,) float64 each; lengths count relative to the regions.

    "low" and "high" are of the two regions, "both" is of the two as one.
    """
    one, other = contacts.pairs.T
    area, size = regions.area, relative_size(regions.area, regions)

    def low(values: np.ndarray) -> np.ndarray:
        return np.minimum(values[one], values[other])

    def high(values: np.ndarray) -> np.ndarray:
        return np.maximum(values[one], values[other])

    filled, _ = ellipse(np.maximum(area, 1), regions.moments)
    both = area[one] + area[other]
    moments = regions.moments[one] + regions.moments[other]
    filled_both, elongation_both = ellipse(both, moments)
    foreground, distance, border = contacts.sums.T / contacts.length
    saddle = contacts.highest[:, 1]
    return {
        "size low": low(size),
        "size high": high(size),
        "size both": relative_size(both, regions),
        "area ratio": low(area) / high(area),
        "length": np.log(contacts.length / np.sqrt(low(area))),
        "border": border,
        "border lowest": contacts.lowest[:, 2],
        "border highest": contacts.highest[:, 2],
        "distance": distance,
        "distance lowest": contacts.lowest[:, 1],
        "distance highest": saddle,
        "peak low": low(regions.peak),
        "peak high": high(regions.peak),
        "foreground": foreground,
        "foreground lowest": contacts.lowest[:, 0],
        "filled low": low(filled),
        "filled high": high(filled),
        "filled both": filled_both,
        "filled loss": (filled * area)[contacts.pairs].sum(axis=1) / both - filled_both,
        "elongation both": elongation_both,
    }

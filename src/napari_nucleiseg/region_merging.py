"""Which regions that touch are parts of one nucleus."""

from __future__ import annotations

import numpy as np

from napari_nucleiseg.regions import Contacts, Regions, ellipse

WEIGHTS: dict[str, float] = {
    "size low": -1.677,
    "size high": 0.6972,
    "size both": -0.3202,
    "area ratio": 0.1255,
    "length": 0.08997,
    "border": -4.254,
    "border lowest": -0.2357,
    "border highest": 1.162,
    "distance": 15.24,
    "distance lowest": -9.518,
    "distance highest": -4.058,
    "peak low": -3.552,
    "peak high": -2.585,
    "foreground": -1.925,
    "foreground lowest": 1.703,
    "filled low": -0.6672,
    "filled high": -6.059,
    "filled both": -4.683,
    "filled loss": -6.888,
    "elongation both": 0.2145,
    "neighbours": 0.3673,
    "constant": 15.1,
}
"""Of `merge_features`, and a constant."""


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
        best = np.zeros(len(table))
        for side in contacts.pairs.T:
            np.maximum.at(best, side, likely)
        chosen = (likely > threshold) & (likely[:, None] >= best[contacts.pairs]).all(axis=1)
        if not chosen.any():
            break
        step = np.arange(len(table))
        step[contacts.pairs[chosen, 1]] = contacts.pairs[chosen, 0]
        while (step[step] != step).any():  # pairs of the same likelihood may be a chain
            step = step[step]
        table, regions, contacts = step[table], regions.merged(step), contacts.merged(step)
    return table


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
    neighbours = np.bincount(contacts.pairs.ravel(), minlength=len(area))
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
        "neighbours": high(neighbours),
    }


def relative_size(area: np.ndarray, regions: Regions) -> np.ndarray:
    """Give the logarithm of areas [px²] over the median area of the regions."""
    return np.log(np.maximum(area, 1) / np.median(regions.area[regions.area > 0]))


def likelihood(features: dict[str, np.ndarray], weights: dict[str, float]) -> np.ndarray:
    """Give the (n,) float64 likelihoods of a logistic regression, in [0, 1]."""
    logits = weights["constant"] + sum(weights[name] * each for name, each in features.items())
    return np.asarray(1 / (1 + np.exp(-logits)))

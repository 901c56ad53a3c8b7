"""How likely a region is a nucleus."""

from __future__ import annotations

import numpy as np

from napari_nucleiseg.likelihood import likelihood
from napari_nucleiseg.regions import Regions, ellipse, relative_size

WEIGHTS: dict[str, float] = {
    "size": 0.288,
    "foreground": 8.989,
    "distance": 1.358,
    "border": -3.658,
    "peak": 5.174,
    "filled": 8.137,
    "elongation": 0.567,
    "at edge": 0.1902,
    "constant": -17.87,
}
"""Of `confidence_features`, and a constant."""


def confidence(regions: Regions) -> np.ndarray:
    """Judge regions by the maps in them and by their shape.

    A logistic regression, fitted to whether a region covers an annotated nucleus with an IoU
    above .5 (`scripts/fit_regions.py`).

    Returns
    -------
    (n,) float64
        In [0, 1], of each label; that of unused ones means nothing.
    """
    return likelihood(confidence_features(regions), WEIGHTS)


def confidence_features(regions: Regions) -> dict[str, np.ndarray]:
    """Describe regions by (n,) float64 each; sizes count relative to the median."""
    area = np.maximum(regions.area, 1)
    filled, elongation = ellipse(area, regions.moments)
    foreground, distance, border = regions.maps.T / area
    return {
        "size": relative_size(regions.area, regions),
        "foreground": foreground,
        "distance": distance,
        "border": border,
        "peak": regions.peak,
        "filled": filled,
        "elongation": elongation,
        "at edge": regions.at_edge > 0,
    }

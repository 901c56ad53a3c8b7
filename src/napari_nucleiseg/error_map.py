"""Where a prediction is wrong, as one image to lay over the sample."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from skimage.segmentation import find_boundaries

from napari_nucleiseg.matching import outcomes


class Error(IntEnum):
    """What is wrong at a pixel; 0 stands for nothing."""

    MISSED = 1
    EXTRA = 2
    SPLIT = 3
    MERGED = 4


def error_map(labels_true: np.ndarray, labels_pred: np.ndarray, iou: float = 0.5) -> np.ndarray:
    """Draw the errors of a prediction.

    Parameters
    ----------
    labels_true, labels_pred : (H, W) int
    iou : float
        Nuclei that overlap less have no partner.

    Returns
    -------
    (H, W) uint8
        `Error` values: missed and extra nuclei are filled, and where two of them
        overlap the missed one is drawn; true nuclei that were split and predicted ones that
        join several are outlined instead, one pixel wide and within the nucleus.

    Raises
    ------
    ValueError
        As `matching.outcomes`.
    """
    found = outcomes(labels_true, labels_pred, iou)
    drawn = np.zeros(labels_true.shape, np.uint8)
    drawn[np.isin(labels_pred, np.setdiff1d(found.extra, found.merged))] = Error.EXTRA
    drawn[np.isin(labels_true, np.setdiff1d(found.missed, found.split))] = Error.MISSED
    drawn[_outlines(labels_true, found.split)] = Error.SPLIT
    drawn[_outlines(labels_pred, found.merged)] = Error.MERGED
    return drawn


def _outlines(labels: np.ndarray, ids: np.ndarray) -> np.ndarray:
    kept = np.where(np.isin(labels, ids), labels, 0)
    return find_boundaries(kept, mode="inner")

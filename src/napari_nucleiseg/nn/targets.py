"""What a network is to learn from labels."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_nucleiseg._cv2 import cv2

BORDER_REACH = 5  # px: two nuclei closer than this share a border


def targets_from_labels(labels: np.ndarray) -> np.ndarray:
    """Draw the three maps that a perfect network would give.

    They are drawn at the resolution of the crop, after its augmentation, so that
    borders are sharp at every zoom.

    Parameters
    ----------
    labels : (H, W) int
        Nucleus ids, 0 is background.

    Returns
    -------
    (H, W, 3) uint8
        Foreground, inner distance normalised to each nucleus' largest, and border
        between touching nuclei; 255 is 1.
    """
    targets = np.empty((*labels.shape, 3), np.uint8)
    targets[..., 0] = np.where(labels > 0, 255, 0)
    targets[..., 1] = normalised_distance(labels)
    targets[..., 2] = np.where(borders(labels), 255, 0)
    return targets


def normalised_distance(labels: np.ndarray) -> np.ndarray:
    """Measure how deep each pixel lies in its nucleus.

    A nucleus cut by the image's edge is taken to go on behind it.

    Parameters
    ----------
    labels : (H, W) int
        Nucleus ids, 0 is background.

    Returns
    -------
    (H, W) uint8
        Distance to the nucleus' edge over the largest in that nucleus, times 255.
    """
    inside = (labels > 0) & ~_edges(labels)
    distance = cv2.distanceTransform(inside.view(np.uint8), cv2.DIST_L2, 3)
    distance += labels > 0
    count = int(labels.max(initial=0))
    largest = np.ones(count + 1, np.float32)
    if count:
        largest[1:] = np.maximum(ndimage.maximum(distance, labels, np.arange(1, count + 1)), 1)
    return (distance * (np.float32(255) / largest)[labels]).astype(np.uint8)


def _edges(labels: np.ndarray) -> np.ndarray:
    """Find the pixels of nuclei that have a neighbour of another id."""
    values = labels.astype(np.float32)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    return cv2.dilate(values, cross) != cv2.erode(values, cross)


def borders(labels: np.ndarray) -> np.ndarray:
    """Find the pixels with two nuclei inside a window of `BORDER_REACH` px.

    Parameters
    ----------
    labels : (H, W) int
        Nucleus ids, 0 is background.

    Returns
    -------
    (H, W) bool
    """
    values = labels.astype(np.float32)
    window = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (BORDER_REACH, BORDER_REACH))
    absent = np.float32(2**24)
    largest = cv2.dilate(values, window)
    smallest = cv2.erode(np.where(values > 0, values, absent), window)
    return (largest > 0) & (smallest < largest)

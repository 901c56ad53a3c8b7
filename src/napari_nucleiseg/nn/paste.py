"""More nuclei that touch: those of one crop laid beneath those of another."""

from __future__ import annotations

import numpy as np

from napari_nucleiseg._cv2 import cv2

MOST_HIDDEN = 0.3  # of its area: a nucleus that lies deeper under others is left out


def paste_nuclei(
    image: np.ndarray,
    labels: np.ndarray,
    other_image: np.ndarray,
    other_labels: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Lay the nuclei of a second crop of the same image beneath those of the first.

    Copy-paste (Ghiasi et al. 2021), with two changes: nuclei that would mostly be hidden are
    left out, and their contrast to the background is drawn anew, because networks merge dim
    nuclei with bright neighbours.

    Parameters
    ----------
    image, other_image : (H, W, 3) uint8
    labels, other_labels : (H, W) uint16
        Nucleus ids, 0 is background.
    rng : Generator

    Returns
    -------
    image : (H, W, 3) uint8
    labels : (H, W) uint16 or int32
    """
    free, lone = labels == 0, other_labels == 0
    pasted = _mostly_visible(other_labels, free) & free
    if not pasted.any() or not lone.any():
        return image, labels
    background, other_background = np.median(image[free], 0), np.median(other_image[lone], 0)
    gain = np.exp(rng.normal(0, 0.35))
    nuclei = background + (other_image - other_background) * gain
    share = cv2.GaussianBlur(pasted.astype(np.float32), (0, 0), 0.7)[..., None]
    mixed = np.clip(image + share * (nuclei - image), 0, 255).astype(np.uint8)
    moved = other_labels.astype(np.int32) + labels.max()
    return mixed, np.where(pasted, moved, labels)


def _mostly_visible(labels: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Find the pixels of nuclei of which enough lies on free ground."""
    areas = np.bincount(labels.ravel())
    visible = np.bincount(labels[free], minlength=len(areas))
    keep = visible >= (1 - MOST_HIDDEN) * areas
    keep[0] = False
    return keep[labels]

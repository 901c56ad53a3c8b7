"""Nuclei drawn as discs, for tests of shapes, edits and doubts."""

from __future__ import annotations

import numpy as np


def disc(shape: tuple[int, int], y: float, x: float, radius: float) -> np.ndarray:
    """A bool image of one disc."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return np.asarray((rows - y) ** 2 + (columns - x) ** 2 <= radius**2)


def discs(shape: tuple[int, int], *circles: tuple[float, float, float]) -> np.ndarray:
    """Labels 1, 2, ... of discs (y, x, radius); the later one lies on top."""
    labels = np.zeros(shape, np.int32)
    for number, (y, x, radius) in enumerate(circles, start=1):
        labels[disc(shape, y, x, radius)] = number
    return labels


def iou(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union of two masks."""
    return float((first & second).sum() / (first | second).sum())

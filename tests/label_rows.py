"""Labels for tests of scores: short rows worked by hand, and crowds of rectangles."""

from __future__ import annotations

import numpy as np


def row(*runs: tuple[int, int]) -> np.ndarray:
    """One row of labels from (id, length) runs."""
    return np.concatenate([np.full(length, label, np.int32) for label, length in runs])[None]


EMPTY = row((0, 10))

# The prediction lies one pixel to the right:
#   true  1 1 1 1 . . . . . .      4 px
#   pred  . 7 7 7 7 . . . . .      4 px; shared 3, union 5, IoU .6
SHIFTED_TRUE = row((1, 4), (0, 6))
SHIFTED_PRED = row((0, 1), (7, 4), (0, 5))


def random_labels(seed: int, nuclei: int = 40, size: int = 96) -> np.ndarray:
    """Rectangles on top of each other, with ids that are not sequential."""
    random = np.random.default_rng(seed)
    labels = np.zeros((size, size), np.int32)
    for label in random.choice(np.arange(1, 900), nuclei, replace=False):
        top, left = random.integers(0, size - 4, 2)
        height, width = random.integers(2, 24, 2)
        labels[top : top + height, left : left + width] = label
    return labels


def shaken(labels: np.ndarray) -> np.ndarray:
    """The same nuclei, one row lower and with some dropped: every kind of IoU."""
    moved = np.roll(labels, 1, axis=0)
    moved[moved % 7 == 0] = 0
    return moved

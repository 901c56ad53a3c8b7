"""A dataset of squares: tiny, and known to the pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

EDGE, SIDE = 128, 20


def squares(shape: tuple[int, int], *corners: tuple[int, int]) -> np.ndarray:
    """Labels (H, W) int32: nucleus n is a square of 20 px at the n-th (top, left)."""
    labels = np.zeros(shape, np.int32)
    for number, (top, left) in enumerate(corners, start=1):
        labels[top : top + SIDE, left : left + SIDE] = number
    return labels


def write_sample(folder: Path, labels: np.ndarray, *, masks: bool) -> None:
    """Write bright squares as one sample in the layout of DSB2018."""
    (folder / "images").mkdir(parents=True)
    image = np.where(labels > 0, 200, 20).astype(np.uint8)
    Image.fromarray(image).save(folder / "images" / f"{folder.name}.png")
    for number in range(1, int(labels.max()) + 1) if masks else ():
        (folder / "masks").mkdir(exist_ok=True)
        mask = np.where(labels == number, 255, 0).astype(np.uint8)
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")

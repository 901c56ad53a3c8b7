"""Whole images at one small size, and how well two classes of pixels are told apart."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.nn.augment import Example, network_input
from napari_nucleiseg.nn.batches import Batch
from napari_nucleiseg.progress import Progress

_GAP = 4  # px between the parts of a picture


@dataclass(frozen=True)
class Pixels:
    """Annotated images, all resized to one size and kept in memory.

    Attributes
    ----------
    images : (N, edge, edge, 3) uint8
        Stretched to the full range.
    masks : (N, edge, edge) uint8
        1 on nuclei.
    modalities : tuple of N str
    """

    images: np.ndarray
    masks: np.ndarray
    modalities: tuple[str, ...]

    def __len__(self) -> int:
        """Count the images."""
        return len(self.images)


def resized(examples: Sequence[Example], edge: int) -> Pixels:
    """Resize examples to squares.

    A pixel of a mask is 1 where nuclei cover half of it or more. The nearest label instead
    would shift masks against their images by up to half a pixel, and the other way in
    flipped ones, which no network can learn.

    Parameters
    ----------
    examples : sequence of Example
    edge : int
        Height and width of the result [px].
    """
    images = np.empty((len(examples), edge, edge, 3), np.uint8)
    masks = np.empty((len(examples), edge, edge), np.uint8)
    for index, each in enumerate(examples):
        images[index] = resize_image(each.image, (edge, edge))
        covered = (each.labels > 0).astype(np.float32)
        masks[index] = resize_image(covered, (edge, edge)) >= np.float32(0.5)
    return Pixels(images, masks, tuple(each.modality for each in examples))


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize to (width, height) without aliasing, also where only one side shrinks."""
    smaller = min(size[0], image.shape[1]), min(size[1], image.shape[0])
    shrunk = cv2.resize(image, smaller, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(shrunk, size, interpolation=cv2.INTER_LINEAR))


def epoch_batches(data: Pixels, batch: int, seed: int, epoch: int) -> Iterator[Batch]:
    """Yield all images once, shuffled, each flipped left to right at even odds.

    An image and its mask are flipped together. The same epoch is always the same.

    Yields
    ------
    images : (n, edge, edge, 3) float32
        In [-1, 1]; n is `batch`, and what is left in the last one.
    masks : (n, edge, edge) uint8
    """
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(data))
    flips = rng.random(len(data)) < 0.5
    for start in range(0, len(data), batch):
        chosen = order[start : start + batch]
        images, masks = data.images[chosen], data.masks[chosen]
        turned = flips[chosen]
        images[turned], masks[turned] = images[turned, :, ::-1], masks[turned, :, ::-1]
        yield network_input(images), masks


def predict_nuclei(
    model: keras.Model, data: Pixels, batch: int
) -> Generator[Progress, None, np.ndarray]:
    """Run a network with two logits on all images.

    Yields
    ------
    Progress
        After every batch.

    Returns
    -------
    (N, edge, edge) float32
        Logit of a nucleus less that of background: above 0 is a nucleus.
    """
    parts = [np.empty((0, *data.masks.shape[1:]), np.float32)]
    for start in range(0, len(data), batch):
        logits = model.predict_on_batch(network_input(data.images[start : start + batch]))
        parts.append(logits[..., 1] - logits[..., 0])
        yield Progress(min(start + batch, len(data)), len(data), "Evaluating", "validate")
    return np.concatenate(parts)


def pixel_scores(margins: np.ndarray, masks: np.ndarray) -> dict[str, float]:
    """Score two classes of pixels.

    Parameters
    ----------
    margins : (N, H, W) float
        As from `predict_nuclei`.
    masks : (N, H, W) uint8
        1 on nuclei.

    Returns
    -------
    dict of str to float
        "loss" (cross-entropy) and "accuracy", means over all pixels; "iou" and "dice" of
        the nuclei, from the pixels of all images taken together, 1 where there are none.
    """
    margins = margins.astype(np.float64)
    true, found = masks > 0, margins > 0
    loss = np.logaddexp(0, np.where(true, -margins, margins)).mean()
    both, either = (true & found).sum(), (true | found).sum()
    return {
        "loss": round(float(loss), 5),
        "accuracy": round(float((true == found).mean()), 5),
        "iou": round(float(both / either) if either else 1.0, 5),
        "dice": round(float(2 * both / (both + either)) if either else 1.0, 5),
    }


def scores_by_modality(margins: np.ndarray, data: Pixels) -> dict[str, Any]:
    """Score all images, and those of each modality where there are several."""
    groups = {"all": np.ones(len(data), bool)}
    names = sorted(set(data.modalities))
    for name in names if len(names) > 1 else ():
        groups[name or "unknown"] = np.array([each == name for each in data.modalities])
    return {
        name: {"images": int(chosen.sum()), **pixel_scores(margins[chosen], data.masks[chosen])}
        for name, chosen in groups.items()
    }


def picture(image: np.ndarray, mask: np.ndarray, margins: np.ndarray, zoom: int = 2) -> np.ndarray:
    """Set an image beside its true and its predicted mask.

    Parameters
    ----------
    image : (H, W, 3) uint8
    mask : (H, W) uint8
    margins : (H, W) float
        Above 0 is a nucleus.

    Returns
    -------
    (zoom * H, zoom * (3 * W + 2 * gap), 3) uint8
    """
    masks = [np.repeat(each[..., None], 3, axis=2) for each in (mask > 0, margins > 0)]
    gap = np.full((len(image), _GAP, 3), 128, np.uint8)
    parts = [image, gap, masks[0] * np.uint8(255), gap, masks[1] * np.uint8(255)]
    whole = np.hstack(parts)
    return np.asarray(cv2.resize(whole, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_NEAREST))

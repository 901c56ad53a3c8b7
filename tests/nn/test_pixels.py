from __future__ import annotations

import math

import numpy as np
import pytest

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.nn.augment import Example, example
from napari_nucleiseg.nn.pixels import Pixels, epoch_batches, picture, pixel_scores, resized
from napari_nucleiseg.synthetic import make_image


def marked(count: int = 12) -> Pixels:
    """Images that are white exactly where their masks are, each with marks of its own."""
    masks = (np.random.default_rng(0).random((count, 8, 8)) < 0.4).astype(np.uint8)
    return Pixels(np.repeat(masks[..., None], 3, axis=3) * np.uint8(255), masks, ("",) * count)


def test_an_epoch_shows_every_image_once_and_flips_it_with_its_mask() -> None:
    data = marked()
    seen, flipped = [], 0
    for images, masks in epoch_batches(data, 5, seed=3, epoch=1):
        np.testing.assert_array_equal(images[..., 0] > 0, masks > 0)
        assert (images.min(), images.max(), images.dtype) == (-1, 1, np.float32)
        for mask in masks:
            plain = [i for i, each in enumerate(data.masks) if (each == mask).all()]
            turned = [i for i, each in enumerate(data.masks) if (each[:, ::-1] == mask).all()]
            assert len(plain) + len(turned) == 1
            flipped += len(turned)
            seen += plain + turned
    assert sorted(seen) == list(range(12))
    assert seen != list(range(12))
    assert 0 < flipped < 12


def test_an_epoch_leaves_the_data_alone_and_differs_from_the_next() -> None:
    data = marked()
    before = data.images.copy()
    first = np.concatenate([masks for _, masks in epoch_batches(data, 5, 3, 1)])
    again = np.concatenate([masks for _, masks in epoch_batches(data, 5, 3, 1)])
    following = np.concatenate([masks for _, masks in epoch_batches(data, 5, 3, 2)])
    np.testing.assert_array_equal(data.images, before)
    np.testing.assert_array_equal(first, again)
    assert (first != following).any()


def test_images_and_labels_are_resized_together() -> None:
    image = np.zeros((60, 100), np.uint8)
    labels = np.zeros((60, 100), np.int32)
    image[30:, :50], labels[30:, :50] = 200, 7
    flat = Example("flat", np.full((40, 40, 3), 9, np.uint8), np.zeros((40, 40), np.uint16))
    data = resized([example("a", image, labels, "made"), flat], 64)
    assert data.images.shape == (2, 64, 64, 3)
    assert data.modalities == ("made", "")
    np.testing.assert_array_equal(data.masks[0, 32:, :32], 1)
    assert data.masks[0].sum() == 32 * 32
    np.testing.assert_array_equal(data.images[0, 34:, :30], 255)
    assert (data.masks[1].max(), data.images[1].min(), data.images[1].max()) == (0, 9, 9)


@pytest.mark.parametrize("size", [(96, 160), (128, 128), (333, 257), (40, 50)])
def test_masks_stay_on_their_images(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    blobs = cv2.GaussianBlur(rng.standard_normal(size).astype(np.float32), (0, 0), 5) > 0
    white = np.repeat(blobs[..., None], 3, axis=2) * np.uint8(255)
    plain = Example("a", white, blobs.astype(np.uint16))
    turned = Example("b", white[::-1, ::-1].copy(), blobs[::-1, ::-1].astype(np.uint16))
    data = resized([plain, turned], 64)
    np.testing.assert_array_equal(data.masks[0] > 0, data.images[0, ..., 0] >= 127.5)
    np.testing.assert_array_equal(data.masks[1], data.masks[0, ::-1, ::-1])


@pytest.mark.parametrize("shape", [(64, 1024), (1024, 64), (1024, 1024)])
def test_fine_lines_become_grey_whichever_side_shrinks(shape: tuple[int, int]) -> None:
    labels = np.zeros(shape, np.uint16)
    along = np.indices(shape)[int(np.argmax(shape))]
    image = np.repeat(((along % 8 == 0) * 255).astype(np.uint8)[..., None], 3, axis=2)
    found = resized([Example("a", image, labels)], 128).images[0]
    assert found.min() > 25, "an eighth of white"
    assert found.max() < 40


def test_scores_of_pixels_are_those_of_their_definitions() -> None:
    masks = np.array([[[1, 1], [0, 0]]], np.uint8)
    margins = np.array([[[2.0, -1.0], [3.0, -4.0]]])
    found = pixel_scores(margins, masks)
    chances = [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(1)), 1 / (1 + math.exp(3)), 0.98201379]
    assert found["loss"] == pytest.approx(-sum(map(math.log, chances)) / 4, abs=1e-5)
    assert (found["accuracy"], found["iou"], found["dice"]) == (0.5, 0.33333, 0.5)
    nothing = pixel_scores(np.full((1, 2, 2), -1.0), np.zeros((1, 2, 2), np.uint8))
    assert (nothing["iou"], nothing["dice"]) == (1, 1)


def test_the_picture_shows_image_true_and_predicted_mask() -> None:
    image, labels = make_image("fluorescence", (64, 64), 0)
    made = example("a", image, labels)
    drawn = picture(made.image, (labels > 0).astype(np.uint8), np.full((64, 64), -1.0), zoom=1)
    assert drawn.shape == (64, 3 * 64 + 8, 3)
    np.testing.assert_array_equal(drawn[:, :64], made.image)
    np.testing.assert_array_equal(drawn[:, 68:132, 0] > 0, labels > 0)
    assert drawn[:, 136:].max() == 0

from __future__ import annotations

import numpy as np
import pytest

from napari_nucleiseg.nn.paste import MOST_HIDDEN, paste_nuclei


def scene(*boxes: tuple[int, int, int, int], value: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Draw bright boxes (top, left, bottom, right) on a background of 20."""
    image, labels = np.full((64, 64, 3), 20, np.uint8), np.zeros((64, 64), np.uint16)
    for number, (top, left, bottom, right) in enumerate(boxes, 1):
        image[top:bottom, left:right] = value
        labels[top:bottom, left:right] = number
    return image, labels


def paste(first, second, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return paste_nuclei(*first, *second, np.random.default_rng(seed))


def test_a_nucleus_on_free_ground_is_added_with_its_pixels() -> None:
    first, second = scene((5, 5, 15, 15)), scene((40, 40, 50, 52))
    image, labels = paste(first, second)
    assert set(np.unique(labels)) == {0, 1, 2}
    np.testing.assert_array_equal(labels == 2, second[1] == 1)
    np.testing.assert_array_equal(labels == 1, first[1] == 1)
    inside = image[42:48, 42:50]
    assert inside.min() > 60, "it is bright"
    np.testing.assert_array_equal(image[:30], first[0][:30])


def test_what_lies_beneath_touches_and_never_covers() -> None:
    first, second = scene((10, 10, 30, 30)), scene((10, 26, 30, 46))
    image, labels = paste(first, second)
    np.testing.assert_array_equal(labels == 1, first[1] == 1)
    assert (labels[15, 29], labels[15, 30]) == (1, 2)
    np.testing.assert_array_equal(image[12:28, 12:26], first[0][12:28, 12:26])


@pytest.mark.parametrize(("shift", "expected"), [(5, 2), (7, 1)])
def test_a_nucleus_that_would_mostly_be_hidden_is_left_out(shift: int, expected: int) -> None:
    assert 5 / 20 < MOST_HIDDEN < 7 / 20
    _, labels = paste(scene((10, 10, 30, 30)), scene((10, 30 - shift, 30, 50 - shift)))
    assert labels.max() == expected


def test_the_contrast_is_drawn_anew() -> None:
    seen = {int(paste(scene(), scene((20, 20, 40, 40)), seed)[0][30, 30, 0]) for seed in range(8)}
    assert len(seen) > 4
    assert min(seen) > 20


def test_crops_without_nuclei_or_without_ground_are_left_alone() -> None:
    empty, full = scene(), scene((0, 0, 64, 64))
    for first, second in ((full, scene((5, 5, 9, 9))), (empty, empty), (empty, full)):
        image, labels = paste(first, second)
        np.testing.assert_array_equal(image, first[0])
        np.testing.assert_array_equal(labels, first[1])


def test_high_ids_do_not_run_over() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    labels, other = np.zeros((2, 32, 32), np.uint16)
    labels[2:10, 2:10], other[20:28, 20:28] = 40000, 25536
    _, both = paste_nuclei(image, labels, image + 50, other, np.random.default_rng(0))
    assert set(np.unique(both)) == {0, 40000, 65536}

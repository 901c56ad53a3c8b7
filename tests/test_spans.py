"""Runs of equal pixels, and tables looked up."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest

from napari_nucleiseg.spans import find_runs, look_up


def runs_read_pixel_by_pixel(*images: np.ndarray) -> list[tuple[int, int]]:
    height, width = images[0].shape
    found = []
    for row in range(height):
        at = row * width
        for values, run in groupby(zip(*(each[row].tolist() for each in images), strict=True)):
            length = len(list(run))
            if values[0]:
                found.append((at, length))
            at += length
    return found


@pytest.mark.parametrize("seed", range(20))
def test_runs_are_those_that_reading_every_pixel_finds(seed: int) -> None:
    random = np.random.default_rng(seed)
    shape = tuple(random.integers(1, 20, 2))
    labels = random.integers(0, 3, shape).astype(np.int32)
    other = random.random(shape) > 0.5
    for images in ((labels,), (other,), (labels, other), (labels, other, labels[::-1])):
        starts, lengths = find_runs(*images)
        pairs = list(zip(starts.tolist(), lengths.tolist(), strict=True))
        assert pairs == runs_read_pixel_by_pixel(*images)


def test_an_image_without_pixels_has_no_runs() -> None:
    for shape in ((0, 0), (0, 5), (5, 0)):
        starts, lengths = find_runs(np.zeros(shape, np.int32))
        assert len(starts) == len(lengths) == 0


def test_a_table_is_looked_up_in_place_too() -> None:
    labels = np.random.default_rng(0).integers(0, 50, (700, 300)).astype(np.int32)
    table = np.random.default_rng(1).permutation(50).astype(np.int32)
    expected = table[labels]
    np.testing.assert_array_equal(look_up(table, labels, labels), expected)

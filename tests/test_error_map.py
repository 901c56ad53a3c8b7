from __future__ import annotations

import numpy as np
import pytest
from squares import squares

from napari_nucleiseg.error_map import Error, error_map

SHAPE = (100, 100)


def test_a_right_prediction_has_no_errors() -> None:
    labels = squares(SHAPE, (10, 10), (60, 60))
    drawn = error_map(labels, labels * 7)
    assert drawn.dtype == np.uint8
    assert not drawn.any()


def test_missed_and_extra_nuclei_are_filled() -> None:
    truth, found = squares(SHAPE, (10, 10)), squares(SHAPE, (60, 60))
    drawn = error_map(truth, found)
    assert np.array_equal(drawn == Error.MISSED, truth > 0)
    assert np.array_equal(drawn == Error.EXTRA, found > 0)


def test_a_misplaced_nucleus_is_missed_where_it_is_and_extra_where_it_is_not() -> None:
    truth, found = squares(SHAPE, (10, 10)), squares(SHAPE, (10, 22))
    drawn = error_map(truth, found)
    assert np.array_equal(drawn == Error.MISSED, truth > 0)
    assert np.array_equal(drawn == Error.EXTRA, (found > 0) & (truth == 0))


def test_a_split_nucleus_is_outlined_by_its_truth() -> None:
    truth = squares(SHAPE, (10, 10))
    found = np.where(np.arange(100) < 20, truth, 2 * truth)
    drawn = error_map(truth, found)
    outline = truth > 0
    outline[11:29, 11:29] = False
    assert np.array_equal(drawn == Error.SPLIT, outline)
    assert not (drawn == Error.MISSED).any()


def test_a_merged_nucleus_is_outlined_as_it_was_found() -> None:
    truth = squares(SHAPE, (10, 10), (10, 30))
    drawn = error_map(truth, (truth > 0).astype(np.int32))
    outline = truth > 0
    outline[11:29, 11:49] = False
    assert np.array_equal(drawn == Error.MERGED, outline)


def test_images_of_different_size_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        error_map(np.zeros((4, 4), int), np.zeros((4, 5), int))

"""Matching against cases worked by hand, and against a slow and plain implementation."""

from __future__ import annotations

import numpy as np
import pytest
from label_rows import EMPTY, random_labels, row, shaken
from scipy.optimize import linear_sum_assignment

from napari_nucleiseg.matching import outcomes, overlaps
from napari_nucleiseg.metrics import IOUS, scores


@pytest.mark.parametrize("threshold", IOUS)
def test_an_iou_equal_to_the_threshold_matches(threshold: float) -> None:
    part = round(threshold * 20)  # of 20 px: every threshold is a whole number of twentieths
    found = overlaps(row((1, 20)), row((1, part), (0, 20 - part))).match(threshold)
    assert found.tp == 1
    assert found.ious == pytest.approx(threshold)


def test_a_nucleus_has_one_partner_even_in_a_tie() -> None:
    # Two halves, each with IoU of exactly .5.
    found = scores(row((1, 4)), row((1, 2), (2, 2)))
    assert (found.tp[0], found.fp[0], found.fn[0]) == (1, 1, 0)


def test_most_pairs_win_over_the_best_pair() -> None:
    # Shared: A with X 6, A with Y 4, B with X 4. IoU: AX 6/14 = .43, AY 4/10 = .4,
    # BX 4/10 = .4. Taking AX first would leave B and Y alone.
    found = overlaps(row((1, 10), (2, 4)), row((8, 4), (9, 10))).match(0.4)
    assert found.pairs.tolist() == [[1, 8], [2, 9]]
    assert len(found.missed) == len(found.extra) == 0


def test_two_poor_pairs_win_over_one_good_pair() -> None:
    # Shared: A with X 16, A with Y 3, B with X 3. IoU: AX 16/23 = .7, AY 3/20 = .15,
    # BX 3/19 = .16: the sum is less, the pairs are more.
    found = overlaps(row((1, 20), (2, 3)), row((8, 3), (0, 1), (9, 19))).match(0.1)
    assert found.pairs.tolist() == [[1, 8], [2, 9]]


def test_a_nucleus_cut_in_two_is_one_split() -> None:
    found = outcomes(row((5, 10), (0, 2)), row((1, 5), (2, 5), (0, 2)))
    assert found.split.tolist() == [5]
    assert found.merged.tolist() == []
    assert scores(row((5, 10)), row((1, 5), (2, 5))).splits == 1


def test_two_nuclei_joined_are_one_merge() -> None:
    labels_true, labels_pred = row((1, 5), (2, 5), (0, 2)), row((0, 1), (6, 9), (0, 2))
    found = outcomes(labels_true, labels_pred)
    assert found.merged.tolist() == [6]
    assert found.split.tolist() == []
    # 6 shares 5 of 9 + 0 px with nucleus 2 (IoU 5/9 = .56), so only nucleus 1 is missed.
    assert overlaps(labels_true, labels_pred).match(0.5).pairs.tolist() == [[2, 6]]
    assert found.missed.tolist() == [1]
    assert found.extra.tolist() == []


def test_many_small_nuclei_under_one_large_are_a_merge() -> None:
    # Each is a twelfth, less than SMALLEST_PART of the whole, but not of the largest part.
    labels_true = row(*[(label, 3) for label in range(1, 13)])
    found = scores(labels_true, row((1, 36)))
    assert (found.merges, found.splits) == (1, 0)


def test_a_speck_does_not_split() -> None:
    # 5 px are less than a tenth of 95, 9 px are more than a tenth of 88.
    assert scores(row((1, 100)), row((1, 95), (2, 5))).splits == 0
    assert scores(row((1, 100)), row((1, 88), (2, 9), (0, 3))).splits == 1


def test_a_neighbour_that_reaches_over_does_not_split() -> None:
    # Predicted 2 lies with 4 of its 8 px in true 1: half is not more than half.
    assert scores(row((1, 10), (0, 4)), row((1, 6), (2, 8))).splits == 0
    assert scores(row((1, 10), (0, 3)), row((1, 6), (2, 7))).splits == 1


def test_outcomes_name_the_ids() -> None:
    labels_true = row((11, 5), (0, 1), (12, 5), (0, 6))
    labels_pred = row((21, 5), (0, 7), (22, 5))
    found = outcomes(labels_true, labels_pred)
    assert found.missed.tolist() == [12]
    assert found.extra.tolist() == [22]


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_a_plain_implementation(seed: int) -> None:
    labels_true = random_labels(seed)
    labels_pred = shaken(labels_true)
    ids_true = [label for label in np.unique(labels_true) if label]
    ids_pred = [label for label in np.unique(labels_pred) if label]
    iou = np.array(
        [
            [
                np.sum((labels_true == a) & (labels_pred == b))
                / np.sum((labels_true == a) | (labels_pred == b))
                for b in ids_pred
            ]
            for a in ids_true
        ]
    )
    for threshold in (0.1, 0.3, *IOUS):
        good = iou >= threshold
        rows, columns = linear_sum_assignment(-good.astype(float) - iou / (2 * min(iou.shape)))
        kept = good[rows, columns]
        found = overlaps(labels_true, labels_pred).match(threshold)
        assert found.tp == kept.sum()
        assert found.ious.sum() == pytest.approx(iou[rows, columns][kept].sum())
        assert len(found.extra) == len(ids_pred) - found.tp
        assert len(found.missed) == len(ids_true) - found.tp


def test_crowds_of_ids_are_counted_without_a_table_of_all_pairs() -> None:
    # 5000 x 2500 and x 5000 pairs of ids: the second is more than is counted densely.
    labels = np.arange(1, 5001, dtype=np.int32).reshape(50, 100)
    # Predicted nuclei of two pixels, each over two true ones of one pixel: IoU .5.
    found = scores(labels, labels % 2500 + 1)
    assert found.tp == (2500, *(0,) * 9)
    assert (found.splits, found.merges) == (0, 2500)
    pairs = overlaps(labels, labels + 7).match(0.5).pairs
    assert pairs.tolist() == [[i, i + 7] for i in range(1, 5001)]


@pytest.mark.parametrize(
    ("true", "pred", "message"),
    [
        (np.zeros((2, 2), int), np.zeros((2, 3), int), r"\(2, 2\).*\(2, 3\)"),
        (np.zeros((2, 2)), np.zeros((2, 2), int), "float64"),
        (np.full((2, 2), -1), np.zeros((2, 2), int), "-1"),
    ],
)
def test_what_is_not_labels_is_refused(true: np.ndarray, pred: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scores(true, pred)


@pytest.mark.parametrize("threshold", [0.0, 1.1, -0.5])
def test_a_threshold_out_of_range_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold is"):
        overlaps(EMPTY, EMPTY).match(threshold)

"""Scores against cases worked by hand."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from label_rows import EMPTY, SHIFTED_PRED, SHIFTED_TRUE, random_labels, row, shaken

from napari_nucleiseg.metrics import SCORE_NAMES, bootstrap_interval, pool, scores, summary


def test_a_shift_by_one_pixel_has_the_scores_worked_by_hand() -> None:
    found = scores(SHIFTED_TRUE, SHIFTED_PRED)
    # IoU .6 passes .5, .55 and, being equal, .6.
    assert found.tp == (1, 1, 1, 0, 0, 0, 0, 0, 0, 0)
    assert found.ap == (1, 1, 1, 0, 0, 0, 0, 0, 0, 0)
    assert found.fp == found.fn == (0, 0, 0, 1, 1, 1, 1, 1, 1, 1)
    assert found.mean_ap == pytest.approx(0.3)
    assert found.f1 == found.precision == found.recall == 1
    assert found.panoptic_quality == pytest.approx(0.6)
    assert found.dice == pytest.approx(2 * 3 / (4 + 4))
    assert found.iou == pytest.approx(3 / 5)
    assert found.pixel_accuracy == pytest.approx(8 / 10)  # wrong at both ends


def test_one_of_two_nuclei_found() -> None:
    labels_true = row((1, 4), (0, 2), (2, 3), (0, 1))
    found = scores(labels_true, SHIFTED_PRED)
    # TP 1, FN 1, FP 0 at .5.
    assert found.ap[0] == pytest.approx(1 / 2)
    assert found.precision == 1
    assert found.recall == pytest.approx(1 / 2)
    assert found.f1 == pytest.approx(2 / 3)
    assert found.panoptic_quality == pytest.approx(0.6 / (1 + 1 / 2))
    assert (found.n_true, found.n_pred) == (2, 1)


def test_an_image_empty_in_both_scores_one() -> None:
    found = scores(EMPTY, EMPTY)
    assert found.ap == (1.0,) * 10
    assert all(np.mean(getattr(found, name)) == 1 for name in SCORE_NAMES)


@pytest.mark.parametrize(("true", "pred"), [(EMPTY, SHIFTED_PRED), (SHIFTED_TRUE, EMPTY)])
def test_an_image_empty_on_one_side_scores_zero(true: np.ndarray, pred: np.ndarray) -> None:
    found = scores(true, pred)
    zero = [name for name in SCORE_NAMES if name != "pixel_accuracy"]
    assert all(np.mean(getattr(found, name)) == 0 for name in zero)
    assert found.pixel_accuracy == pytest.approx(6 / 10)


def test_mean_weighs_images_and_pooled_weighs_nuclei() -> None:
    good = scores(row((1, 4)), row((1, 4)))
    bad = scores(row((1, 2), (0, 1), (2, 2), (0, 1), (3, 2)), row((0, 8)))
    found = summary([good, bad])
    # AP 1 and 0; pooled TP 1 of four true nuclei.
    assert found["images"] == 2
    assert found["mean"]["ap"] == [0.5] * 10
    assert found["mean"]["mean_ap"] == 0.5
    assert found["pooled"]["ap"] == [0.25] * 10
    assert found["pooled"]["recall"] == 0.25
    assert found["pooled"]["precision"] == 1
    assert found["pooled"]["n_true"] == 4
    # Dice 1 and 0; pooled 2 * 4 / (10 + 4).
    assert found["mean"]["dice"] == 0.5
    assert found["pooled"]["dice"] == pytest.approx(8 / 14)


def test_pooling_is_scoring_the_images_side_by_side() -> None:
    trues = [random_labels(seed) for seed in range(3)]
    together = np.concatenate([labels + 1000 * (labels > 0) * i for i, labels in enumerate(trues)])
    preds = [shaken(labels) for labels in trues]
    pred = np.concatenate([labels + 1000 * (labels > 0) * i for i, labels in enumerate(preds)])
    pooled = pool([scores(a, b) for a, b in zip(trues, preds, strict=True)])
    expected = scores(together, pred)
    assert pooled.iou_sum == pytest.approx(expected.iou_sum)
    assert dataclasses.replace(pooled, iou_sum=0) == dataclasses.replace(expected, iou_sum=0)


def test_summary_is_fit_for_json() -> None:
    found = summary([scores(SHIFTED_TRUE, SHIFTED_PRED)])
    assert json.loads(json.dumps(found)) == found


def test_summary_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no image"):
        summary([])


@pytest.mark.parametrize("seed", range(3))
def test_ids_and_sides_do_not_matter(seed: int) -> None:
    labels_true = random_labels(seed)
    labels_pred = shaken(labels_true)
    expected = scores(labels_true, labels_pred)
    new_ids = np.random.default_rng(seed).permutation(np.arange(1, 1000))
    renamed = np.where(labels_pred > 0, new_ids[labels_pred - 1], 0)
    assert scores(labels_true, renamed) == expected
    assert scores(labels_true.astype(np.uint16), labels_pred * 2_000_000) == expected
    swapped = scores(labels_pred, labels_true)
    assert swapped.tp == expected.tp
    assert (swapped.splits, swapped.merges) == (expected.merges, expected.splits)
    assert (swapped.precision, swapped.recall) == (expected.recall, expected.precision)


@pytest.mark.parametrize("seed", range(3))
def test_perfect_labels_score_one_and_looser_thresholds_never_less(seed: int) -> None:
    labels = random_labels(seed)
    perfect = scores(labels, labels)
    assert all(np.mean(getattr(perfect, name)) == 1 for name in SCORE_NAMES)
    assert (perfect.splits, perfect.merges) == (0, 0)
    imperfect = scores(labels, shaken(labels)).tp
    assert imperfect[-1] < imperfect[0]
    assert list(imperfect) == sorted(imperfect, reverse=True)


def test_the_interval_holds_the_mean_and_is_repeatable() -> None:
    values = np.random.default_rng(0).normal(0.7, 0.1, 100)
    found = bootstrap_interval(values)
    assert found.mean == pytest.approx(values.mean())
    assert found.low < found.mean < found.high
    # Standard error .01; 95 % of a normal distribution is 1.96 of it on each side.
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 10, rel=0.1)
    assert bootstrap_interval(values) == found


def test_five_fields_without_a_difference_are_seldom_called_different() -> None:
    draws = np.random.default_rng(0).normal(0, 0.1, (200, 5))
    found = [bootstrap_interval(each, groups=np.arange(5)) for each in draws]
    wrong = sum(each.low > 0 or each.high < 0 for each in found)
    assert 3 <= wrong <= 20, "about 5 %; plain percentiles are wrong in 15 %"


def test_crops_of_one_field_are_drawn_together() -> None:
    values = np.repeat([0.0, 1.0, 0.0, 1.0, 0.5, 0.5], 20)
    groups = np.repeat(list("abcdef"), 20).tolist()
    alone, together = bootstrap_interval(values), bootstrap_interval(values, groups=groups)
    assert together.mean == alone.mean
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_fields_of_unequal_size_weigh_by_their_images() -> None:
    found = bootstrap_interval([0.5] * 10, groups="abbbbbbbbb")
    assert (found.low, found.mean, found.high) == pytest.approx((0.5, 0.5, 0.5))


def test_intervals_of_no_scores_or_other_fields_are_refused() -> None:
    with pytest.raises(ValueError, match="groups has 3"):
        bootstrap_interval([1.0, 2.0], groups="abc")
    with pytest.raises(ValueError, match="no score"):
        bootstrap_interval([])

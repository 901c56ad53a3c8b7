from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_nucleiseg.config import TrainConfig
from napari_nucleiseg.nn.choosing import ENOUGH_TO_CHOOSE, SHARE_BESIDE_OLD, Choice

STEPS = (0, 3, 6)


def weights(value: float) -> dict[str, np.ndarray]:
    return {"kernel": np.full(2, value, np.float32)}


def choice(
    share_of_new: float = 1.0,
    *,
    knows_nuclei: bool = True,
    beside_old: bool = True,
    held_out: int = ENOUGH_TO_CHOOSE,
) -> Choice:
    return Choice(
        TrainConfig(share_of_new=share_of_new),
        weights(0.0),
        knows_nuclei=knows_nuclei,
        beside_old=beside_old,
        held_out=held_out,
    )


def row(step: int, held_out: float, old: float | None) -> dict[str, Any]:
    return {"step": step, "mean_ap": held_out, "old_mean_ap": old}


ROUNDS = {
    "nothing gained": ((0.5, 0.4, 0.45), (0.8, 0.8, 0.8), 0, 0),
    "an earlier epoch was better": ((0.5, 0.6, 0.52), (0.8, 0.8, 0.8), 3, 6),
    "a gain outweighs": ((0.5, 0.6, 0.45), (0.8, 0.75, 0.8), 3, 3),
    "more unlearned than gained": ((0.5, 0.6, 0.65), (0.8, 0.6, 0.55), 0, 0),
    "the better bargain": ((0.1, 0.4, 0.6), (0.8, 0.78, 0.5), 3, 6),
    "the newest is worse than the start": ((0.5, 0.6, 0.65), (0.8, 0.8, 0.6), 3, 3),
}


@pytest.mark.parametrize(
    ("held_out", "old", "best_of_many", "best_of_few"), ROUNDS.values(), ids=list(ROUNDS)
)
@pytest.mark.parametrize("is_enough", [True, False])
@pytest.mark.parametrize("is_resumed", [True, False])
def test_of_many_held_out_images_the_best_counts_and_of_few_the_newest_gain(
    held_out: tuple[float, ...],
    old: tuple[float, ...],
    best_of_many: int,
    best_of_few: int,
    is_enough: bool,
    is_resumed: bool,
) -> None:
    images = ENOUGH_TO_CHOOSE if is_enough else ENOUGH_TO_CHOOSE - 1
    best, rows = choice(held_out=images), []
    for step, *scores in zip(STEPS, held_out, old, strict=True):
        best.offer(weights(step), row(step, *scores))
        rows.append(row(step, *scores))
        if is_resumed:
            again = choice(held_out=images)
            again.restore(best.weights, {**best.state(), "rows": rows})
            best = again
    assert best.step == (best_of_many if is_enough else best_of_few)
    assert best.weights["kernel"][0] == best.step


def test_without_old_images_the_best_counts_however_few_are_held_out() -> None:
    best = choice(beside_old=False, held_out=1)
    for step, score in zip(STEPS, (0.5, 0.6, 0.52), strict=True):
        best.offer(weights(step), row(step, score, None))
    assert best.step == 3


@pytest.mark.parametrize(
    ("options", "share"),
    [
        ({"beside_old": False}, 1.0),
        ({"beside_old": False, "share_of_new": 0.5}, 0.5),
        ({}, SHARE_BESIDE_OLD),
        ({"share_of_new": 0.5}, 0.5),
        ({"share_of_new": 0.5, "knows_nuclei": False}, 1.0),
    ],
    ids=["new images", "a mean", "beside old images", "a mean beside them", "from nothing"],
)
def test_candidates_lie_between_the_start_and_the_trained_weights(
    options: dict[str, Any], share: float
) -> None:
    candidate = choice(**options).candidate(weights(3.0))
    assert candidate["kernel"] == pytest.approx(3.0 * share)


def test_thresholds_that_were_given_are_changed_only_by_enough_images_and_new_weights() -> None:
    few, many = choice(held_out=ENOUGH_TO_CHOOSE - 1), choice()
    assert few.may_tune(is_given=False)
    assert not many.may_tune(is_given=True), "the weights are those that it started from"
    for each in (few, many):
        each.offer(weights(1.0), row(3, 0.5, 0.8))
    assert many.may_tune(is_given=True)
    assert not few.may_tune(is_given=True)

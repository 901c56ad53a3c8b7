from __future__ import annotations

import numpy as np
import pytest

from napari_nucleiseg.nn.losses import MapsLoss


def loss(targets: np.ndarray, logits: np.ndarray, **options: float) -> float:
    return float(MapsLoss(**options)(targets[None], logits[None].astype(np.float32)))


def targets() -> np.ndarray:
    drawn = np.zeros((8, 8, 3), np.uint8)
    drawn[2:6, 2:6, :2] = 255
    drawn[4, 4, 2] = 255
    return drawn


def test_perfect_logits_cost_nothing_and_wrong_ones_much() -> None:
    right = np.where(targets() > 127, 30.0, -30.0)
    assert loss(targets(), right) == pytest.approx(0, abs=1e-3)
    assert loss(targets(), -right) > 30


def test_chance_costs_the_entropy_of_a_coin() -> None:
    unsure = np.zeros((8, 8, 3))
    dice = 1 - (2 * 16 * 0.5 + 1) / (64 * 0.5 + 16 + 1)
    expected = 3 * np.log(2) + 0.5 * dice
    assert loss(targets(), unsure, border_weight=1) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("missed", [1, 2], ids=["distance", "border"])
def test_a_missed_border_pixel_weighs_more(missed: int) -> None:
    logits = np.where(targets() > 127, 30.0, -30.0)
    logits[4, 4, missed] = -30
    light, heavy = (loss(targets(), logits, border_weight=weight) for weight in (1, 5))
    assert heavy == pytest.approx(5 * light, rel=1e-4)


def test_huge_logits_stay_finite() -> None:
    assert np.isfinite(loss(targets(), np.full((8, 8, 3), 1e4)))


def test_two_classes_are_scored_by_their_difference() -> None:
    right = np.where(targets()[..., :1] > 127, 15.0, -15.0) * (-1, 1)
    assert loss(targets(), right) == pytest.approx(0, abs=1e-3)
    assert loss(targets(), -right) > 10
    shifted = right + 7
    assert loss(targets(), shifted) == pytest.approx(loss(targets(), right), abs=1e-6)

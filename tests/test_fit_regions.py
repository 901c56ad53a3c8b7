from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from napari_nucleiseg.config import DecodeConfig
from napari_nucleiseg.labels import labels_from_maps

SCRIPT = Path(__file__).parents[1] / "scripts" / "fit_regions.py"
fit_regions = SimpleNamespace(**runpy.run_path(str(SCRIPT)))
APART = DecodeConfig(distance=0.1, min_area=1)


def two_parts() -> np.ndarray:
    """Maps of two rectangles side by side, each with a peak of its own."""
    maps = np.zeros((30, 50, 3), np.uint8)
    maps[5:25, 5:45, :2] = 255, 100
    maps[10:20, 10:20, 1] = maps[10:20, 30:40, 1] = 250
    assert labels_from_maps(maps, APART).max() == 2
    return maps


def truth(*columns: tuple[int, int]) -> np.ndarray:
    labels = np.zeros((30, 50), np.int32)
    for number, (left, right) in enumerate(columns, start=1):
        labels[5:25, left:right] = number
    return labels


@pytest.mark.parametrize(
    ("nuclei", "gain"),
    [
        (truth((5, 45)), 3),  # at each IoU one nucleus is met where none was, by one region less
        (truth((5, 25), (25, 45)), -3),
        (truth(), 1),  # one wrong region less
    ],
    ids=["one", "two", "none"],
)
def test_merging_is_worth_what_it_brings(nuclei: np.ndarray, gain: float) -> None:
    found = fit_regions.measure(two_parts(), nuclei, APART)
    np.testing.assert_allclose(fit_regions.merging_gain(found), [gain])


def test_weights_are_found_again() -> None:
    rng = np.random.default_rng(0)
    size, noise = rng.normal(3, 2, 5000), rng.normal(size=5000)
    is_so = rng.random(5000) < 1 / (1 + np.exp(-(1.5 * size - 4)))
    half = slice(0, 2500), slice(2500, None)
    rows = [({"size": size[p], "noise": noise[p]}, is_so[p], np.ones(2500)) for p in half]
    weights = fit_regions.fit(rows)
    assert weights == pytest.approx({"size": 1.5, "noise": 0, "constant": -4}, abs=0.3)


def test_merging_and_confidence_are_fitted_to_images() -> None:
    one, two = truth((5, 45)), truth((5, 25), (25, 45))
    bordered = two_parts()
    bordered[5:25, 24:26, 2] = 120
    found = [fit_regions.measure(two_parts(), one, APART)] * 5
    found += [fit_regions.measure(bordered, two, APART)] * 5
    weights = fit_regions.fit_merging(found)
    assert weights["border"] < 0
    found += [fit_regions.measure(two_parts() // 2 + 60, truth(), APART)] * 5
    assert fit_regions.fit_confidence(found)["peak"] > 0

from __future__ import annotations

import numpy as np
import pytest
from drawn import discs

from napari_nucleiseg.config import DecodeConfig
from napari_nucleiseg.diameter import diameter_from_maps, median_diameter


def maps_of(labels: np.ndarray) -> np.ndarray:
    """Perfect foreground and distance of discs; no borders."""
    maps = np.zeros((*labels.shape, 3), np.float64)
    for number in range(1, labels.max() + 1):
        nucleus = labels == number
        y, x = np.nonzero(nucleus)
        radius = np.sqrt(nucleus.sum() / np.pi)
        away = np.hypot(y - y.mean(), x - x.mean())
        maps[y, x, 0] = 1
        maps[y, x, 1] = np.clip(1 - away / radius, 0, 1)
    return np.round(maps * 255).astype(np.uint8)


@pytest.mark.parametrize("radius", [5, 12, 40])
def test_discs_of_one_size(radius: int) -> None:
    step = 2 * radius + 4
    circles = [(y * step, x * step, radius) for y in (1, 2) for x in (1, 2)]
    labels = discs((3 * step, 3 * step), *circles)
    # Cores span .6 of a perfect disc, and .72 of what networks draw.
    assert diameter_from_maps(maps_of(labels), DecodeConfig()) == pytest.approx(
        2 * radius * 0.6 / 0.72, rel=0.1
    )


def test_touching_nuclei_are_not_taken_for_one() -> None:
    labels = discs((60, 200), *((30, 20 + 30 * n, 15) for n in range(6)))
    assert diameter_from_maps(maps_of(labels), DecodeConfig()) < 35


def test_specks_do_not_count_for_much() -> None:
    specks = [(10, 10 + 8 * n, 3) for n in range(20)]
    labels = discs((200, 200), *specks, *((120, 40 + 60 * n, 25) for n in range(3)))
    assert diameter_from_maps(maps_of(labels), DecodeConfig()) > 35


@pytest.mark.parametrize("count", [0, 2])
def test_too_few_nuclei_say_nothing(count: int) -> None:
    labels = discs((100, 100), *((30 + 40 * n, 50, 12) for n in range(count)))
    assert diameter_from_maps(maps_of(labels), DecodeConfig()) == 0


def test_a_large_image_is_measured_in_its_centre() -> None:
    labels = np.zeros((2100, 2200), np.int32)
    maps = maps_of(labels)
    maps[:20, :20] = maps_of(discs((20, 20), (10, 10, 5)))
    assert diameter_from_maps(maps, DecodeConfig()) == 0


def test_the_median_nucleus_is_measured_as_a_disc() -> None:
    labels = discs((90, 90), (25, 25, 15), (25, 70, 5), (70, 30, 10))
    assert median_diameter(labels) == pytest.approx(20, abs=1)
    assert median_diameter(np.zeros((5, 5), np.int32)) is None


def test_only_the_named_nuclei_are_measured_unless_none_is_there() -> None:
    labels = discs((90, 90), (25, 25, 15), (25, 70, 5), (70, 30, 10))
    assert median_diameter(labels, {1}) == pytest.approx(30, abs=1)
    assert median_diameter(labels, {77}) == median_diameter(labels)

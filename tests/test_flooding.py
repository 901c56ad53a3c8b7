from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage.segmentation import watershed

from napari_nucleiseg import flooding
from napari_nucleiseg.flooding import flood

Scene = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def scene(seed: int) -> Scene:
    """Heights with many ties, seeds, what is to be flooded, and regions with several seeds each."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(90, 120)), 3)
    regions, _ = ndimage.label(smooth > 0.02)
    seeds, _ = ndimage.label(rng.random(smooth.shape) > 0.97)
    mask = (regions > 0) & (rng.random(smooth.shape) > 0.05)
    heights = rng.integers(0, 4, smooth.shape).astype(np.uint8)
    return heights, seeds.astype(np.int32), mask, regions.astype(np.int32)


def flooded_one_by_one(
    heights: np.ndarray, seeds: np.ndarray, mask: np.ndarray, regions: np.ndarray
) -> np.ndarray:
    found = np.zeros_like(seeds)
    for number in range(1, regions.max() + 1):
        inside = mask & (regions == number)
        found += watershed(heights, np.where(inside, seeds, 0), mask=inside)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_each_region_is_flooded_as_if_it_were_alone(seed: int) -> None:
    given = scene(seed)
    np.testing.assert_array_equal(flood(*given), flooded_one_by_one(*given))


def _refuses(*arguments: object) -> None:
    raise TypeError("other arguments")


@pytest.mark.parametrize("core", [None, _refuses])
def test_a_scikit_image_without_this_core_gives_the_same(
    core: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = scene(7)
    expected = flood(*given)
    monkeypatch.setattr(flooding, "watershed_raveled", core)
    np.testing.assert_array_equal(flood(*given), expected)


def test_what_no_seed_reaches_stays_background() -> None:
    heights, seeds, mask, regions = scene(3)
    found = flood(heights, np.where(regions == 1, 0, seeds), mask, regions)
    assert not found[regions == 1].any()
    assert not found[~mask].any()
    assert found.any()

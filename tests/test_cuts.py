"""Cuts of an image, and those that are kept when it changes a little."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_nucleiseg import cuts as module
from napari_nucleiseg.cuts import Cuts

LEVELS = (0, 50, 100, 200)


def hills(seed: int) -> np.ndarray:
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(40, 50)), 2)
    smooth -= smooth.min()
    return (smooth / smooth.max() * 255).astype(np.uint8)


def drawn(cuts: Cuts, level: int, shape: tuple[int, int]) -> np.ndarray:
    """Draw the parts that a cut tells of."""
    cut, image = cuts.at(level), np.zeros(shape, np.int32)
    for start, length, part in zip(cut.starts, cut.lengths, cut.parts, strict=True):
        image.ravel()[start : start + length] = part
    return image


def test_a_cut_has_the_parts_that_touch_at_no_corner() -> None:
    image, cuts = hills(0), Cuts()
    cuts.take(image)
    for level in LEVELS:
        expected, count = ndimage.label(image > level, np.ones((3, 3)))
        found = drawn(cuts, level, image.shape)
        pairs = np.unique(np.stack([expected.ravel(), found.ravel()]), axis=1)
        assert pairs.shape[1] == count + 1
        assert len(cuts.at(level).areas) == count + 1
        np.testing.assert_array_equal(
            cuts.at(level).areas[1:], np.bincount(found[found > 0], minlength=count + 1)[1:]
        )
        places = np.flatnonzero(image > level)
        np.testing.assert_array_equal(cuts.at(level).parts_at(places), found.ravel()[places])


@pytest.mark.parametrize("seed", range(20))
def test_kept_cuts_are_those_of_the_new_image(seed: int) -> None:
    random, kept = np.random.default_rng(seed), Cuts()
    image = hills(seed)
    for _ in range(6):
        image = image.copy()
        image[(random.random(image.shape) > 0.8) & (image <= random.integers(0, 256))] = 0
        fresh = Cuts()
        for each in (kept, fresh):
            each.take(image)
        for level in LEVELS:
            for name in ("starts", "lengths", "parts", "areas"):
                found, expected = (getattr(each.at(level), name) for each in (kept, fresh))
                np.testing.assert_array_equal(found, expected)


def test_only_what_has_changed_is_cut_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looked, find_runs = [], module.find_runs
    monkeypatch.setattr(module, "find_runs", lambda above: looked.append(above) or find_runs(above))
    image, cuts = hills(1), Cuts()
    cuts.take(image)
    for level in LEVELS:
        cuts.at(level)
    looked.clear()
    cuts.take(np.where(image <= 60, 0, image).astype(np.uint8))
    for level in LEVELS:
        cuts.at(level)
    assert len(looked) == 2


def test_an_image_of_another_size_is_cut_anew() -> None:
    cuts = Cuts()
    for image in (hills(2), hills(2)[:30], np.zeros((0, 5), np.uint8), hills(3)):
        cuts.take(image)
        if image.size:
            _, count = ndimage.label(image > 50, np.ones((3, 3)))
            assert len(cuts.at(50).areas) == count + 1

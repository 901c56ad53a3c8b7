from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import ndimage
from skimage.morphology import h_maxima

from napari_nucleiseg import spans
from napari_nucleiseg.config import DecodeConfig
from napari_nucleiseg.cuts import Cuts
from napari_nucleiseg.labels import labels_from_maps

PLAIN = DecodeConfig(foreground=0.5, distance=0.5, border=0.5, min_area=1)


def disc(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> np.ndarray:
    """Depth inside a disc: 1 at its centre, 0 at its edge and outside."""
    y, x = np.indices(shape)
    return np.clip(1 - np.hypot(y - centre[0], x - centre[1]) / radius, 0, 1)


def maps_of(*depths: np.ndarray) -> np.ndarray:
    """Maps of nuclei that are given by their depth; no border between them."""
    distance = np.max(depths, axis=0)
    return np.stack([distance > 0, distance, np.zeros_like(distance)], -1).astype(np.float32)


def two_touching() -> np.ndarray:
    return maps_of(disc((40, 60), (20, 20), 12), disc((40, 60), (20, 38), 12))


def test_touching_nuclei_are_parted_between_their_markers() -> None:
    found = labels_from_maps(two_touching(), PLAIN)
    assert found.max() == 2
    assert found[20, 20] != found[20, 38]
    assert (found > 0).sum() == (two_touching()[..., 0] > 0).sum()
    first, second = np.bincount(found.ravel())[1:]
    assert abs(first - second) < 30


def test_a_border_parts_nuclei_that_the_distance_joins() -> None:
    maps = two_touching()
    maps[..., 1] = maps[..., 0]
    assert labels_from_maps(maps, PLAIN).max() == 1
    maps[:, 28:31, 2] = 1
    assert labels_from_maps(maps, PLAIN).max() == 2


@pytest.mark.parametrize(("height", "nuclei"), [(2, 1), (3, 2)])
def test_a_peak_of_fewer_than_five_pixels_is_noise(height: int, nuclei: int) -> None:
    maps = np.zeros((20, 40, 3), np.float32)
    maps[..., :2] = 1, 0.2
    maps[8:14, 5:11, 1] = maps[8 : 8 + height, 30:32, 1] = 0.9
    assert labels_from_maps(maps, PLAIN).max() == nuclei


def test_a_component_without_marker_is_one_nucleus() -> None:
    maps = maps_of(disc((30, 30), (15, 15), 8))
    maps[..., 1] = 0
    assert labels_from_maps(maps, PLAIN).max() == 1


def test_small_nuclei_are_dropped_by_area() -> None:
    maps = maps_of(disc((40, 40), (10, 10), 2.5), disc((40, 40), (28, 28), 8))
    small = int((labels_from_maps(maps, PLAIN)[:15, :15] > 0).sum())
    keep = DecodeConfig(distance=0.5, min_area=small)
    drop = DecodeConfig(distance=0.5, min_area=small + 1)
    assert labels_from_maps(maps, keep).max() == 2
    assert labels_from_maps(maps, drop).max() == 1


@pytest.mark.parametrize(("radius", "nuclei"), [(4, 13), (12, 12)])
def test_what_is_a_speck_depends_on_the_nuclei(radius: int, nuclei: int) -> None:
    """12 px² are a fourth of a small nucleus and a fortieth of a large one."""
    places = [(y, x) for y in (20, 60, 100) for x in (20, 60, 100, 140)]
    discs = [disc((130, 190), place, radius) for place in places]
    maps = maps_of(*discs)
    maps[60:63, 170:174, :2] = 1
    assert labels_from_maps(maps, DecodeConfig()).max() == nuclei
    assert labels_from_maps(maps, DecodeConfig(min_area=1)).max() == 13
    assert labels_from_maps(maps, DecodeConfig(min_area=20)).max() == 12


def test_among_a_few_objects_a_speck_is_one_below_20_px() -> None:
    maps = np.zeros((40, 40, 3), np.float32)
    maps[5:9, 5:10, :2] = maps[20:23, 20:26, :2] = 1  # 20 and 18 px²
    assert labels_from_maps(maps, DecodeConfig()).max() == 1


def test_uint8_and_float_maps_give_the_same_labels() -> None:
    maps = (two_touching() * 255).round().astype(np.uint8)
    as_float = labels_from_maps(maps.astype(np.float32) / 255, PLAIN)
    np.testing.assert_array_equal(labels_from_maps(maps, PLAIN), as_float)


def test_ids_are_sequential_in_scan_order() -> None:
    centres = [(30, 10), (10, 40), (45, 45), (8, 8)]
    found = labels_from_maps(maps_of(*(disc((60, 60), each, 6) for each in centres)), PLAIN)
    assert found.dtype == np.int32
    flat = found.ravel()
    firsts = [int(np.flatnonzero(flat == number)[0]) for number in range(1, 5)]
    assert set(np.unique(found)) == {0, 1, 2, 3, 4}
    assert firsts == sorted(firsts)


def test_empty_maps_give_no_nucleus() -> None:
    assert not labels_from_maps(np.zeros((16, 16, 3), np.uint8), PLAIN).any()


def test_maps_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \(H, W, 3\)"):
        labels_from_maps(np.zeros((16, 16)), PLAIN)


def many_discs(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return maps_of(
        *(disc((200, 200), rng.uniform(10, 190, 2), rng.uniform(6, 11)) for _ in range(120))
    )


def count_h_maxima(distance: np.ndarray, rise: float) -> int:
    return ndimage.label(h_maxima(distance, rise), np.ones((3, 3)))[1]


@pytest.mark.parametrize("rise", [0.2, 0.4])
def test_as_many_nuclei_as_the_distance_has_h_maxima(rise: float) -> None:
    """The levels are a tenth apart, so up to a tenth more than the rise may be needed."""
    maps = many_discs(0)
    most, least = (count_h_maxima(maps[..., 1], each) for each in (rise, rise + 0.11))
    found = labels_from_maps(maps, DecodeConfig(distance=rise, min_area=1)).max()
    assert 40 < least <= found <= most


def test_a_smaller_rise_parts_more() -> None:
    maps = many_discs(1)
    counts = [
        labels_from_maps(maps, DecodeConfig(distance=rise, min_area=1)).max()
        for rise in (0.1, 0.3, 0.7)
    ]
    assert counts[0] > counts[1] > counts[2]


def test_working_in_bands_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = many_discs(2)
    whole = labels_from_maps(maps, PLAIN)
    monkeypatch.setattr(spans, "BAND", 200 * 7)
    np.testing.assert_array_equal(labels_from_maps(maps, PLAIN), whole)


@pytest.mark.parametrize("seed", range(12))
def test_decoding_again_gives_what_decoding_afresh_does(seed: int) -> None:
    """Whatever thresholds have moved since, and if the maps are others."""
    rng, cuts = np.random.default_rng(seed), Cuts()
    for _ in range(3):
        noise = rng.normal(size=(*rng.integers(60, 90, 2), 3))
        smooth = ndimage.gaussian_filter(noise, (rng.uniform(1, 3),) * 2 + (0,))
        smooth -= smooth.min((0, 1))
        maps = (smooth / smooth.max((0, 1)) * 255).astype(np.uint8)
        for _ in range(6):
            config = DecodeConfig(*rng.uniform(0.2, 0.6, 3), min_area=int(rng.integers(0, 20)))
            again = labels_from_maps(maps, config, cuts)
            np.testing.assert_array_equal(again, labels_from_maps(maps, config))


def test_parts_of_one_nucleus_are_merged() -> None:
    """Two peaks in one disc, with a shallow valley between them."""
    maps = maps_of(np.sqrt(disc((60, 60), (30, 30), 16)))
    maps[:, 29:32, 1] = np.clip(maps[:, 29:32, 1] - 0.3, 0, 1)
    apart = DecodeConfig(distance=0.1, min_area=1)
    assert labels_from_maps(maps, apart).max() == 2
    assert labels_from_maps(maps, dataclasses.replace(apart, merge=0.7)).max() == 1


def test_what_is_hardly_a_nucleus_is_dropped() -> None:
    maps = maps_of(disc((40, 80), (20, 20), 12), 0.6 * disc((40, 80), (20, 60), 12))
    maps[:, 40:, 0] *= 0.6
    keeping = DecodeConfig(distance=0.2, min_area=1)
    assert labels_from_maps(maps, keeping).max() == 2
    found = labels_from_maps(maps, dataclasses.replace(keeping, confidence=0.45))
    assert found.max() == 1
    assert not found[:, 40:].any()


@pytest.mark.parametrize("change", [{"merge": 0.7}, {"confidence": 0.5}])
def test_empty_maps_are_judged_to_hold_nothing(change: dict[str, float]) -> None:
    assert not labels_from_maps(np.zeros((8, 9, 3), np.uint8), DecodeConfig(**change)).any()


def test_specks_that_are_dropped_do_not_tell_what_is_large() -> None:
    """Sizes count relative to the median."""
    discs = [disc((120, 120), (y, x), 11) for y in (20, 60, 100) for x in (20, 60, 100)]
    maps = maps_of(*(np.sqrt(each) for each in discs))
    for at in (20, 60, 100):
        maps[:, at - 1 : at + 2, 1] = np.clip(maps[:, at - 1 : at + 2, 1] - 0.3, 0, 1)
    config = DecodeConfig(distance=0.1, merge=0.7, confidence=0.45, min_area=20)
    whole = labels_from_maps(maps, config)
    specked = maps.copy()
    specked[::6, ::6, 0] = 1
    found = labels_from_maps(specked, config)
    assert found.max() == whole.max() == 9

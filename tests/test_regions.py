from __future__ import annotations

import numpy as np
import pytest
from skimage.draw import ellipse as draw_ellipse
from skimage.measure import regionprops

from napari_nucleiseg import spans
from napari_nucleiseg.regions import (
    Regions,
    ellipse,
    measure_contacts,
    measure_regions,
    relative_size,
)


def some_labels(seed: int = 0) -> np.ndarray:
    """Blocks of four labels and the background, (40, 60) int32; label 5 is not used."""
    rng = np.random.default_rng(seed)
    blocks = rng.choice([0, 1, 2, 3, 4, 6], (10, 12)).astype(np.int32)
    return np.kron(blocks, np.ones((4, 5), np.int32))


def some_maps(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (40, 60, 3), np.uint8)


def test_regions_are_measured_as_pixel_by_pixel() -> None:
    labels, maps = some_labels(), some_maps()
    found = measure_regions(labels, maps)
    y, x = np.indices(labels.shape)
    rim = np.ones(labels.shape, bool)
    rim[1:-1, 1:-1] = False
    for number in (1, 2, 3, 4, 6):
        mask = labels == number
        assert found.area[number] == mask.sum()
        assert (found.at_edge[number] > 0) == (mask & rim).any()
        expected = [each[mask].sum() for each in (x, y, x * x, y * y, x * y)]
        np.testing.assert_allclose(found.moments[number], expected)
        np.testing.assert_allclose(found.maps[number], maps[mask].sum(axis=0) / 255)
        assert found.peak[number] == maps[mask][:, 1].max() / 255
    assert not found.area[[0, 5]].any()


@pytest.mark.parametrize("box", [np.s_[:, :], np.s_[:, :1], np.s_[:1], np.s_[:, ::2]])
def test_contacts_are_measured_as_edge_by_edge(box: tuple[slice, ...]) -> None:
    labels, maps = some_labels()[box], some_maps()[box]
    expected: dict[tuple[int, int], list[np.ndarray]] = {}
    for step in ((0, 1), (1, 0)):
        for y in range(labels.shape[0] - step[0]):
            for x in range(labels.shape[1] - step[1]):
                other = y + step[0], x + step[1]
                pair = tuple(sorted((int(labels[y, x]), int(labels[other]))))
                if pair[0] and pair[0] != pair[1]:
                    value = (maps[y, x].astype(float) + maps[other]) / 510
                    expected.setdefault(pair, []).append(value)
    found = measure_contacts(labels, maps)
    assert [tuple(each) for each in found.pairs] == sorted(expected)
    for index, pair in enumerate(sorted(expected)):
        values = np.array(expected[pair])
        assert found.length[index] == len(values)
        np.testing.assert_allclose(found.sums[index], values.sum(axis=0))
        np.testing.assert_allclose(found.lowest[index], values.min(axis=0))
        np.testing.assert_allclose(found.highest[index], values.max(axis=0))


@pytest.mark.parametrize("rows", [1, 7])
def test_measuring_in_bands_changes_nothing(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    labels, maps = some_labels(1), some_maps(1)
    whole = measure_regions(labels, maps), measure_contacts(labels, maps)
    monkeypatch.setattr(spans, "BAND", 60 * rows)
    in_bands = measure_regions(labels, maps), measure_contacts(labels, maps)
    for one, other in zip(whole, in_bands, strict=True):
        for name in one.__dataclass_fields__:
            np.testing.assert_allclose(getattr(one, name), getattr(other, name))


def test_merged_regions_are_as_if_measured_together() -> None:
    labels, maps = some_labels(2), some_maps(2)
    table = np.array([0, 1, 1, 3, 3, 5, 6])
    together = table[labels].astype(np.int32)
    for measure in (measure_regions, measure_contacts):
        expected, found = measure(together, maps), measure(labels, maps).merged(table)
        for name in set(expected.__dataclass_fields__) - {"at_edge"}:
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name))
    found = measure_regions(labels, maps).merged(table).at_edge > 0
    np.testing.assert_array_equal(found, measure_regions(together, maps).at_edge > 0)


@pytest.mark.parametrize("place", [0, 100_000])
def test_an_ellipse_is_filled_wherever_it_lies(place: int) -> None:
    image = np.zeros((80, 80), np.int32)
    image[draw_ellipse(40, 40, 30, 12, rotation=0.6)] = 1
    measured = measure_regions(image, np.zeros((80, 80, 3), np.uint8))
    area, (x, y, xx, yy, xy) = measured.area[1], measured.moments[1]
    moved = np.array(
        [
            x + area * place,
            y + area * place,
            xx + 2 * place * x + area * place**2,
            yy + 2 * place * y + area * place**2,
            xy + place * (x + y) + area * place**2,
        ]
    )
    filled, elongation = ellipse(np.array([area]), moved[None])
    assert filled[0] == pytest.approx(1, abs=0.01)
    known = regionprops(image)[0]
    axes = known.axis_major_length / known.axis_minor_length
    assert np.exp(elongation[0]) == pytest.approx(axes, rel=0.01)


def test_what_has_bays_is_less_filled() -> None:
    image = np.zeros((60, 60), np.int32)
    image[10:50, 10:50] = 1
    image[10:50, 20:30] = 0
    measured = measure_regions(image, np.zeros((60, 60, 3), np.uint8))
    filled, _ = ellipse(measured.area[1:], measured.moments[1:])
    assert filled[0] < 0.8


def test_sizes_count_relative_to_the_median_of_the_labels_that_are_used() -> None:
    labels = np.repeat([0, 1, 2, 2, 2, 4, 4], 10)[None].astype(np.int32)
    regions = measure_regions(labels, np.zeros((*labels.shape, 3), np.uint8))
    found = np.exp(relative_size(np.array([10.0, 20.0, 60.0]), regions))
    np.testing.assert_allclose(found, [0.5, 1, 3])


def test_an_empty_image_has_no_regions() -> None:
    labels, maps = np.zeros((5, 6), np.int32), np.zeros((5, 6, 3), np.uint8)
    assert isinstance(measure_regions(labels, maps), Regions)
    assert not measure_regions(labels, maps).area.any()
    assert measure_contacts(labels, maps).pairs.shape == (0, 2)

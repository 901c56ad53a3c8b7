from __future__ import annotations

import numpy as np
import pytest

from napari_nucleiseg import region_merging
from napari_nucleiseg.region_merging import MOST_PARTS, merge_features, merge_regions
from napari_nucleiseg.regions import measure_contacts, measure_regions


def row_of(*widths: int) -> tuple[np.ndarray, np.ndarray]:
    """Regions side by side, 10 px high, and maps that say nothing."""
    labels = np.repeat(np.arange(1, len(widths) + 1), widths)[None].repeat(10, 0).astype(np.int32)
    maps = np.zeros((*labels.shape, 3), np.uint8)
    maps[..., 0] = 255
    return np.pad(labels, 3), np.pad(maps, ((3, 3), (3, 3), (0, 0)))


def merged(labels: np.ndarray, maps: np.ndarray, threshold: float = 0.5) -> list[int]:
    regions, contacts = measure_regions(labels, maps), measure_contacts(labels, maps)
    return merge_regions(regions, contacts, threshold).tolist()


@pytest.fixture
def by_border(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two regions are one the likelier, the lower the border between them is."""
    names = merge_features(*(each(*row_of(5, 5)) for each in (measure_regions, measure_contacts)))
    weights = dict.fromkeys(names, 0.0) | {"border": -10.0, "constant": 5.0}
    monkeypatch.setattr(region_merging, "WEIGHTS", weights)


@pytest.mark.usefixtures("by_border")
def test_what_a_border_parts_stays_apart() -> None:
    labels, maps = row_of(8, 8, 8)
    maps[:, 10:12, 2] = 255  # between the first and the second
    assert merged(labels, maps) == [0, 1, 2, 2]


@pytest.mark.usefixtures("by_border")
def test_only_what_is_above_the_threshold_is_merged() -> None:
    labels, maps = row_of(8, 8)
    maps[:, 10:12, 2] = 102  # a likelihood of .73
    assert merged(labels, maps, 0.7) == [0, 1, 1]
    assert merged(labels, maps, 0.75) == [0, 1, 2]


@pytest.mark.usefixtures("by_border")
def test_what_is_merged_is_judged_anew() -> None:
    """The third touches both parts of the first nucleus, of which one alone has no border."""
    labels = np.zeros((14, 22), np.int32)
    labels[1:4, 1:11], labels[4:13, 1:11], labels[1:13, 11:21] = 1, 2, 3
    maps = np.zeros((14, 22, 3), np.uint8)
    maps[1:4, 10:12, 2] = 51
    maps[4:13, 10:12, 2] = 255
    maps[3:5, 1:10, 2] = 0
    assert merged(labels, maps) == [0, 1, 1, 3]


@pytest.mark.usefixtures("by_border")
def test_of_a_row_of_cells_only_few_become_one() -> None:
    table = merged(*row_of(*[8] * 40))
    counts = np.unique(table[1:], return_counts=True)[1]
    assert counts.max() == MOST_PARTS
    assert sorted(table[1:]) == table[1:]


@pytest.mark.parametrize("valley", [0.2, 0.4, 0.6])
def test_a_sheet_of_cells_stays_a_sheet(valley: float) -> None:
    """Cells that fill the image, with a border between any two; with the shipped weights."""
    labels = np.kron(np.arange(1, 401).reshape(20, 20), np.ones((20, 20))).astype(np.int32)
    slope = np.minimum(np.arange(20) + 0.5, 19.5 - np.arange(20)) / 10
    height = np.minimum.outer(slope, slope)
    distance = valley + (0.9 - valley) * height
    cell = np.stack([np.ones_like(height), distance, 0.5 * (height < 0.1)], -1)
    noise = np.random.default_rng(0).normal(0, 0.05, (400, 400, 3))
    maps = np.round(np.clip(np.tile(cell, (20, 20, 1)) + noise, 0, 1) * 255).astype(np.uint8)
    assert len(set(merged(labels, maps, 0.7))) > 300


def test_the_size_of_the_picture_changes_nothing() -> None:
    """The features are relative: regions drawn twice as large are judged alike, but for pixels."""
    rng = np.random.default_rng(0)
    labels = np.kron(rng.integers(0, 5, (6, 6)), np.ones((24, 24))).astype(np.int32)
    maps = np.kron(rng.integers(0, 255, (6, 6, 3)), np.ones((24, 24, 1))).astype(np.uint8)
    twice = labels.repeat(2, 0).repeat(2, 1), maps.repeat(2, 0).repeat(2, 1)
    one, other = (
        merge_features(measure_regions(*each), measure_contacts(*each))
        for each in ((labels, maps), twice)
    )
    for name, values in one.items():
        np.testing.assert_allclose(values, other[name], atol=0.02, err_msg=name)


def test_features_are_what_their_names_say() -> None:
    labels, maps = row_of(5, 15, 10)
    maps[..., 1] = 51
    maps[3:13, 3:8, 1], maps[3:13, 8:23, 1] = 153, 204
    maps[3:13, 7:9, 2] = np.arange(0, 100, 10)[:, None]
    maps[5, 7:9, 0] = 102
    found = merge_features(measure_regions(labels, maps), measure_contacts(labels, maps))
    first = {name: values[0] for name, values in found.items()}
    rectangle = 3 / np.pi  # its area over that of the ellipse of its moments
    assert first == pytest.approx(
        {
            "size low": np.log(0.5),
            "size high": np.log(1.5),
            "size both": np.log(2),
            "area ratio": 1 / 3,
            "length": np.log(10 / np.sqrt(50)),
            "border": 45 / 255,
            "border lowest": 0,
            "border highest": 90 / 255,
            "distance": 0.7,
            "distance lowest": 0.7,
            "distance highest": 0.7,
            "peak low": 0.6,
            "peak high": 0.8,
            "foreground": 0.94,
            "foreground lowest": 0.4,
            "filled low": rectangle,
            "filled high": rectangle,
            "filled both": rectangle,
            "filled loss": 0,
            "elongation both": np.log(2),
        }
    )


def test_shipped_weights_belong_to_the_features() -> None:
    features = merge_features(
        *(each(*row_of(5, 5)) for each in (measure_regions, measure_contacts))
    )
    assert set(region_merging.WEIGHTS) == {*features, "constant"}


def test_two_halves_of_a_disc_are_one_and_two_discs_are_not() -> None:
    """With the shipped weights."""
    y, x = np.indices((60, 100))

    def disc(at: float) -> np.ndarray:
        return np.clip(1 - np.hypot(y - 30, x - at) / 16, 0, 1)

    halves, pair = disc(30), np.maximum(disc(30), disc(58))
    for depth, cut, count in ((halves, 30, 1), (pair, 44, 2)):
        labels = np.where(depth > 0, np.where(x < cut, 1, 2), 0).astype(np.int32)
        maps = np.stack([depth > 0, np.sqrt(depth), np.zeros_like(depth)], -1)
        if count == 2:
            maps[..., 2] = (abs(x - 44) < 2) & (depth > 0)
        table = merged(labels, np.round(maps * 255).astype(np.uint8), 0.7)
        assert len(set(table)) - 1 == count

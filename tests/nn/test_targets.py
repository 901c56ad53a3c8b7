from __future__ import annotations

import numpy as np

from napari_nucleiseg.config import DecodeConfig
from napari_nucleiseg.labels import labels_from_maps
from napari_nucleiseg.metrics import scores
from napari_nucleiseg.nn.targets import borders, normalised_distance, targets_from_labels
from napari_nucleiseg.synthetic import make_image


def two_squares(gap: int) -> np.ndarray:
    labels = np.zeros((20, 40), np.int32)
    labels[4:16, 5:17] = 1
    labels[4:16, 17 + gap : 29 + gap] = 2
    return labels


def test_the_distance_is_1_in_the_middle_and_small_at_the_edge() -> None:
    distance = normalised_distance(two_squares(0))
    assert distance[9, 10] >= 254
    assert 0 < distance[4, 10] < 60
    assert 0 < distance[9, 16] < 60  # where the two touch
    assert not distance[two_squares(0) == 0].any()


def test_each_nucleus_has_its_own_scale() -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[2:7, 2:7] = 1
    labels[12:38, 12:38] = 2
    distance = normalised_distance(labels)
    assert distance[4, 4] >= 254


def test_borders_lie_only_between_two_nuclei() -> None:
    border = borders(two_squares(0))
    assert border[9, 16]
    assert border[9, 17]
    assert not border[9, 5]
    assert not border[9, 10]
    assert border.any(axis=0).nonzero()[0].tolist() == [15, 16, 17, 18]


def test_nuclei_apart_share_no_border() -> None:
    assert borders(two_squares(2)).any()
    assert not borders(two_squares(5)).any()


def test_high_ids_have_the_borders_of_low_ones() -> None:
    for gap in (2, 5):
        labels = two_squares(gap)
        np.testing.assert_array_equal(borders(labels * 30_000), borders(labels))


def test_labels_without_nuclei_give_empty_targets() -> None:
    assert not targets_from_labels(np.zeros((8, 8), np.uint16)).any()


def test_decoding_perfect_targets_gives_the_labels_back() -> None:
    for seed in range(3):
        _, labels = make_image("fluorescence", (256, 256), seed)
        found = labels_from_maps(targets_from_labels(labels), DecodeConfig(min_area=1))
        result = scores(labels, found)
        assert result.ap[0] > 0.95
        assert result.pixel_accuracy == 1

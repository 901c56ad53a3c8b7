"""Which nuclei are listed as doubtful, in which order, and which are not."""

from __future__ import annotations

import numpy as np
import pytest
from drawn import disc, discs
from scipy.ndimage import distance_transform_edt

from napari_nucleiseg.doubts import Doubt, find_doubts

# Twelve sound nuclei, far from the edge.
CIRCLES = [
    (25 + 40 * row, 25 + 40 * column, 10 + column) for row in range(3) for column in range(4)
]
SHAPE = (130, 170)
SOUND = discs(SHAPE, *CIRCLES)


def only(labels: np.ndarray, maps: np.ndarray | None = None) -> Doubt:
    doubts = find_doubts(labels, maps)
    assert len(doubts) == 1, doubts
    return doubts[0]


def sure(labels: np.ndarray) -> np.ndarray:
    """Maps that see exactly these labels."""
    maps = np.zeros((*labels.shape, 3), np.float32)
    maps[..., 0] = labels > 0
    for number in np.unique(labels[labels > 0]):
        depth = distance_transform_edt(labels == number)
        maps[..., 1] += depth / depth.max()
    return maps


def test_sound_nuclei_are_not_doubted() -> None:
    assert find_doubts(SOUND) == []
    assert find_doubts(SOUND, sure(SOUND)) == []
    assert find_doubts(np.zeros(SHAPE, np.int32)) == []


def test_a_hole() -> None:
    labels = SOUND.copy()
    labels[24:27, 24:27] = 0
    doubt = only(labels)
    assert (doubt.id, doubt.kind) == (1, "hole")
    assert doubt.bbox == (15, 15, 36, 36)
    assert "9 px²" in doubt.text


def test_background_between_nuclei_or_at_the_edge_is_no_hole() -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[:, :20] = 1
    labels[:, 20:] = 2
    labels[10:20, 18:22] = 0  # shared by both
    labels[:3, 5:8] = 0  # open to the edge
    labels[30:35, 18:20] = labels[25:28, 20:22] = 0  # beside the other on one side only
    assert find_doubts(labels) == []


def test_fragments() -> None:
    labels = SOUND.copy()
    labels[45:47, 45:48] = 1
    doubt = only(labels)
    assert (doubt.id, doubt.kind) == (1, "fragments")
    assert doubt.bbox == (15, 15, 47, 48)
    assert doubt.text == "2 separate pieces under one id"


def test_pieces_that_touch_by_a_corner_are_one() -> None:
    labels = SOUND.copy()
    labels[36, 26] = labels[37, 27] = 1
    assert find_doubts(labels) == []


def test_a_speck() -> None:
    labels = SOUND.copy()
    labels[44:47, 44:47] = 99
    doubt = only(labels)
    assert (doubt.id, doubt.kind) == (99, "speck")


def test_a_nucleus_cut_by_the_edge_is_not_small() -> None:
    labels = SOUND.copy()
    labels[0:3, 80:84] = 99
    assert find_doubts(labels) == []
    labels[0:3, 80:84] = 0
    labels[2:5, 80:84] = 99
    assert only(labels).kind == "speck"


def test_outliers_of_size() -> None:
    labels = np.pad(SOUND, ((0, 90), (0, 0)))
    labels[disc(labels.shape, 170, 50, 36)] = 50
    labels[disc(labels.shape, 170, 120, 5)] = 51
    assert {(doubt.id, doubt.kind) for doubt in find_doubts(labels)} == {
        (50, "large"),
        (51, "small"),
    }


def test_sizes_are_not_judged_among_a_few_nuclei() -> None:
    assert find_doubts(discs(SHAPE, (60, 40, 30), (30, 120, 10), (100, 120, 10))) == []


def test_two_nuclei_under_one_id() -> None:
    labels = np.pad(SOUND, ((0, 60), (0, 0)))
    labels[disc(labels.shape, 155, 50, 12) | disc(labels.shape, 155, 71, 12)] = 50
    doubt = only(labels)
    assert (doubt.id, doubt.kind) == (50, "merged")


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_what_the_network_was_unsure_of(dtype: type) -> None:
    maps = sure(SOUND)
    maps[..., 0][SOUND == 4] = 0.4
    maps[20:30, 62:68, 2] = 1  # a border through nucleus 2
    if dtype == np.uint8:
        maps = (255 * maps).astype(np.uint8)
    doubts = {doubt.id: doubt for doubt in find_doubts(SOUND, maps)}
    assert {number: doubt.kind for number, doubt in doubts.items()} == {4: "unsure", 2: "border"}
    assert doubts[4].score > 0.5 > doubts[2].score
    assert "% likely a nucleus" in doubts[4].text


def test_bright_but_without_a_middle_is_doubted() -> None:
    maps = sure(SOUND)
    maps[..., 0][SOUND == 4] = 0.75
    assert find_doubts(SOUND, maps) == []
    maps[..., 1][SOUND == 4] *= 0.1
    assert only(SOUND, maps).kind == "unsure"


def test_a_network_of_two_classes_is_doubted_by_its_foreground() -> None:
    maps = sure(SOUND)
    maps[..., 1] = 0
    assert find_doubts(SOUND, maps) == []
    maps[..., 0][SOUND == 4] = 0.4
    assert (only(SOUND, maps).id, only(SOUND, maps).kind) == (4, "unsure")


def test_a_border_where_two_nuclei_touch_is_right() -> None:
    labels = np.zeros((40, 60), np.int32)
    labels[10:30, 10:30] = 1
    labels[10:30, 30:50] = 2
    maps = sure(labels)
    maps[10:30, 28:32, 2] = 1
    assert find_doubts(labels, maps) == []


def test_a_nucleus_stands_once_with_all_its_reasons_and_the_worst_come_first() -> None:
    labels = SOUND.copy()
    labels[24:26, 24:26] = 0
    labels[45:48, 45:48] = 1
    labels[65, 65] = 0
    doubts = find_doubts(labels)
    assert [doubt.id for doubt in doubts] == [1, 6]
    assert doubts[0].kind == "fragments"
    assert "pieces" in doubts[0].text
    assert "hole" in doubts[0].text
    assert 1 >= doubts[0].score > doubts[1].score > 0


def test_ids_may_be_large_and_need_not_follow_each_other() -> None:
    labels = np.where(SOUND == 1, 2_000_000_000, SOUND)
    labels[25, 25] = 0
    assert only(labels).id == 2_000_000_000


def test_maps_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one size"):
        find_doubts(SOUND, np.zeros((5, 5, 3)))

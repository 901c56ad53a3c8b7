"""New predictions under what a hand has drawn."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from napari_nucleiseg.merging import find_hand_work, merge_prediction


def picture(text: str) -> np.ndarray:
    """Labels from rows of digits parted by spaces; a dot is background."""
    rows = [[0 if each == "." else int(each) for each in row] for row in text.split()]
    return np.array(rows, np.int32)


def merge(labels: str, prediction: str, touched=(), erased: str = "", first_free=1):
    now = picture(labels)
    mask = picture(erased) > 0 if erased else np.zeros(now.shape, bool)
    return merge_prediction(now, picture(prediction), touched, mask, first_free)


def text(labels: np.ndarray) -> str:
    return " ".join("".join("." if each == 0 else str(each) for each in row) for row in labels)


def test_touched_nuclei_stay_and_the_others_are_replaced():
    assert text(merge("11..22", ".11.22", touched=[1])) == "11..22"
    assert text(merge("11..22", ".11.22", touched=[2])) == ".11.22"
    assert text(merge("11..22", "......", touched=[2])) == "....22"


def test_a_nucleus_keeps_its_id_where_it_was_before():
    assert text(merge("33..55", "11..22")) == "33..55"
    assert text(merge("33..55", "22.111")) == "33.555"


def test_new_nuclei_get_ids_that_were_never_used():
    assert text(merge("33....", "11..22")) == "33..44"
    assert text(merge("33....", "11..22", first_free=8)) == "33..88"


def test_one_old_id_goes_to_one_nucleus_only():
    # The old nucleus falls apart: its larger part keeps the id.
    assert text(merge("3333..", "1.22..")) == "4.33.."
    # Two old ones become one: it has the id of the one it shares most with.
    assert text(merge("333.55", "111111")) == "333333"


def test_a_prediction_mostly_on_touched_nuclei_is_left_out():
    assert text(merge("1111..", ".1111.", touched=[1])) == "1111.."
    assert text(merge("11....", ".1111.", touched=[1])) == "11222."


def test_what_was_erased_does_not_come_back():
    assert text(merge("......", "1111..", erased="111...")) == "......"
    assert text(merge("......", "1111..", erased="1.....")) == ".111.."


def test_an_erased_pixel_does_not_hide_a_touched_nucleus():
    assert text(merge("11....", "......", touched=[1], erased="11....")) == "11...."


def test_many_ids_give_the_same_as_few():
    random = np.random.default_rng(1)
    labels = np.kron(random.permutation(4096).reshape(64, 64), np.ones((3, 3), int))
    prediction = np.roll(labels, 1, axis=1).astype(np.int32)
    nothing = np.zeros(labels.shape, bool)
    result = merge_prediction(labels.astype(np.int32), prediction, [5], nothing)
    assert np.array_equal(result == 5, labels == 5)
    # Each other nucleus is one of the prediction, less what lies on the touched one.
    for number in (1, 77, 4000):
        mine = np.unique(prediction[result == number])
        assert len(mine) == 1


def test_sizes_must_agree():
    with pytest.raises(ValueError, match="one size"):
        merge_prediction(picture("11"), picture("1"), (), np.zeros((1, 2), bool))


def test_hand_work_is_what_differs_from_what_was_shown():
    hand = find_hand_work(picture("11.22.3"), picture("111.2.."))
    assert hand.touched == {1, 2}
    assert text(hand.erased.astype(int)) == "...1..1"


def test_nothing_changed_is_no_hand_work():
    hand = find_hand_work(picture("11.22"), picture("11.22"))
    assert hand.touched == set()
    assert not hand.erased.any()


def test_a_nucleus_cut_by_its_neighbour_is_touched():
    assert find_hand_work(picture("1122"), picture("1112")).touched == {1, 2}


def test_empty_images():
    empty = np.zeros((0, 0), np.int32)
    assert merge_prediction(empty, empty, (), np.zeros((0, 0), bool)).shape == (0, 0)
    assert find_hand_work(empty, empty).touched == set()


def ids_counted_pixel_by_pixel(labels, prediction, first_free) -> dict[int, int]:
    """Which id each predicted nucleus gets where nothing is touched or erased."""
    pairs = Counter(zip(prediction.ravel().tolist(), labels.ravel().tolist(), strict=True))
    found: dict[int, int] = {}
    for (new, old), _ in sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0])):
        if new and old and new not in found and old not in found.values():
            found[new] = old
    fresh = max(first_free, int(labels.max(initial=0)) + 1)
    for new in np.unique(prediction[prediction > 0]).tolist():
        if new not in found:
            found[new] = fresh
            fresh += 1
    return found


@pytest.mark.parametrize("seed", range(30))
def test_ids_are_those_that_counting_every_pixel_gives(seed):
    random = np.random.default_rng(seed)
    labels, prediction = (
        np.kron(random.integers(0, 9, (7, 8)), np.ones(size, int)).astype(np.int32)
        for size in ((4, 3), (4, 3))
    )
    prediction = np.roll(prediction, random.integers(0, 3, 2), (0, 1))
    nothing = np.zeros(labels.shape, bool)
    first_free = int(random.integers(1, 20))
    ids = ids_counted_pixel_by_pixel(labels, prediction, first_free)
    expected = np.array([ids.get(each, 0) for each in prediction.ravel().tolist()])
    merged = merge_prediction(labels, prediction, (), nothing, first_free)
    np.testing.assert_array_equal(merged.ravel(), expected)

from __future__ import annotations

import numpy as np
import pytest

from napari_nucleiseg.numbering import count_nuclei, number


@pytest.mark.parametrize("largest", [9, 2_000_000_000])
def test_nuclei_are_numbered_by_id(largest: int) -> None:
    labels = np.array([[0, 7, 7], [largest, 0, 7]], np.int64)
    ids, areas, numbers = number(labels)
    assert ids.tolist() == [7, largest]
    assert areas.tolist() == [3, 1]
    assert numbers.tolist() == [-1, 0, 0, 1, -1, 0]


def test_labels_without_background_or_without_nuclei() -> None:
    assert number(np.array([[5, 5]]))[2].tolist() == [0, 0]
    ids, areas, numbers = number(np.zeros((1, 2), np.uint16))
    assert (ids.tolist(), areas.tolist(), numbers.tolist()) == ([], [], [-1, -1])
    assert [part.tolist() for part in number(np.zeros((0, 0), int))] == [[], [], []]


@pytest.mark.parametrize(
    ("labels", "got"), [(np.zeros((1, 1)), "float64"), (-np.eye(2, dtype=int), "-1")]
)
def test_what_is_not_labels_is_refused(labels: np.ndarray, got: str) -> None:
    with pytest.raises(ValueError, match=f"guess.*{got}"):
        number(labels, "guess")


def test_nuclei_are_counted_with_gaps_and_huge_ids():
    assert count_nuclei(np.array([[0, 3], [9, 9]], np.int32)) == 2
    assert count_nuclei(np.array([[0, 2**31 - 1]], np.int32)) == 1
    assert count_nuclei(np.zeros((0, 0), np.int32)) == 0

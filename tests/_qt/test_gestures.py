"""What tools wait for, fed with points, without a window."""

from __future__ import annotations

import numpy as np
import pytest

from napari_nucleiseg import edits
from napari_nucleiseg._qt.gestures import (
    Adding,
    Cutting,
    Evidence,
    Joining,
    OnHoles,
    OnNucleus,
    Scene,
    crossed,
    nucleus_around,
)
from napari_nucleiseg.errors import BadInput


@pytest.fixture
def labels() -> np.ndarray:
    """Two bars side by side, 1 and 2, and background right of them."""
    labels = np.zeros((20, 30), np.int32)
    labels[4:16, 2:12] = 1
    labels[4:16, 12:20] = 2
    return labels


def deletion() -> OnNucleus:
    return OnNucleus("delete", "Nucleus {id} deleted", edits.delete)


def test_one_click_acts_on_the_nucleus_there(labels: np.ndarray) -> None:
    outcome = deletion().click(Scene(labels), (9.6, 11.4))
    assert outcome.text == "Nucleus 1 deleted"
    np.testing.assert_array_equal(outcome.edit.apply(labels), np.where(labels == 1, 0, labels))


@pytest.mark.parametrize("point", [(9.0, 25.0), (-3.0, 5.0), (9.0, 1e6)])
def test_a_click_on_nothing_says_so(labels: np.ndarray, point: tuple[float, float]) -> None:
    with pytest.raises(BadInput, match="no nucleus under the pointer"):
        deletion().click(Scene(labels), point)


def test_holes_are_filled_by_a_click_on_one_or_beside_it(labels: np.ndarray) -> None:
    labels[8:11, 5:8] = 0
    labels[9, 6] = 7  # a nucleus in the hole
    gesture = OnHoles("fill", "Holes of nucleus {id} filled", edits.fill_holes)
    for point in [(5.0, 3.0), (8.0, 5.0), (10.0, 6.0)]:
        outcome = gesture.click(Scene(labels), point)
        assert outcome.text == "Holes of nucleus 1 filled"
        filled = outcome.edit.apply(labels)
        assert np.count_nonzero(filled[4:16, 2:12] == 1) == 119
    assert gesture.click(Scene(labels), (9.0, 6.0)).text == "Holes of nucleus 7 filled"


@pytest.mark.parametrize("point", [(9.0, 25.0), (0.0, 6.0), (-3.0, 5.0)])
def test_what_is_in_no_hole_has_nothing_around_it(
    labels: np.ndarray, point: tuple[float, float]
) -> None:
    labels[2:18, 22:28] = 3
    labels[5:15, 24:26] = 0
    labels[5:7, 26:28] = 0
    assert nucleus_around(labels, point) == 0
    labels[5:7, 26:28] = 3
    assert nucleus_around(labels, (9.0, 25.0)) == 3


def test_joining_asks_for_a_second_nucleus(labels: np.ndarray) -> None:
    gesture = Joining()
    assert gesture.click(Scene(labels), (9, 5)) is None
    assert gesture.chosen == 1
    assert gesture.expects == "Click the nucleus to join with 1"
    with pytest.raises(BadInput, match="nucleus 1 again"):
        gesture.click(Scene(labels), (9, 6))
    outcome = gesture.click(Scene(labels), (9, 15))
    assert outcome is not None
    assert set(np.unique(outcome.edit.apply(labels))) == {0, 1}


def test_a_cut_goes_through_what_the_line_crosses_most(labels: np.ndarray) -> None:
    gesture = Cutting()
    for point in [(10.0, 9.0), (10.0, 22.0)]:
        gesture.click(Scene(labels), point)
    outcome = gesture.finish(Scene(labels))
    assert outcome.text == "Nucleus 2 cut into 2 and 3"
    assert (outcome.edit.apply(labels) == 1).sum() == (labels == 1).sum()


def test_a_cut_goes_through_the_chosen_nucleus_if_the_line_does(labels: np.ndarray) -> None:
    line = np.array([(10.0, 9.0), (10.0, 22.0)])
    assert crossed(labels, line) == 2
    assert crossed(labels, line, preferred=1) == 1
    assert crossed(labels, np.array([(2.0, 15.0), (18.0, 15.0)]), preferred=1) == 2
    assert crossed(labels, np.array([(2.0, 25.0), (18.0, 25.0)]), preferred=1) == 1
    with pytest.raises(BadInput, match="crosses no nucleus"):
        crossed(labels, np.array([(2.0, 25.0), (18.0, 25.0)]))


def test_a_line_without_length_is_refused_and_forgotten(labels: np.ndarray) -> None:
    gesture = Cutting()
    gesture.click(Scene(labels), (10.0, 5.0))
    gesture.click(Scene(labels), (10.2, 5.1))
    assert gesture.line == [(10.0, 5.0)]
    with pytest.raises(BadInput):
        gesture.finish(Scene(labels))
    assert gesture.line == []


def test_a_nucleus_is_added_from_the_image(labels: np.ndarray) -> None:
    image = np.full(labels.shape, 10, np.uint8)
    image[6:13, 22:29] = 200
    outcome = Adding().click(Scene(labels, lambda: Evidence(image=image)), (9, 25))
    added = outcome.edit.apply(labels) == 3
    assert added[image == 200].all()
    assert not added[labels > 0].any()
    assert outcome.text == f"Nucleus 3 added ({added.sum()} px²)"


def test_nothing_is_added_without_an_image(labels: np.ndarray) -> None:
    with pytest.raises(BadInput, match="no image"):
        Adding().click(Scene(labels), (9, 25))

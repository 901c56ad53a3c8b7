"""What a hand has done, told from what a model has."""

from __future__ import annotations

import numpy as np
from squares import squares

from napari_nucleiseg.draft import Draft

SHAPE = (100, 100)
EMPTY = np.zeros(SHAPE, np.int32)
ONE, TWO = (10, 10), (50, 50)


def test_labels_as_given_are_neither_unsaved_nor_touched():
    labels = squares(SHAPE, ONE)
    draft = Draft(labels)
    assert not draft.is_unsaved(labels)
    assert draft.touched(labels) == set()


def test_the_first_labels_are_copied():
    labels = squares(SHAPE, ONE)
    draft = Draft(labels)
    labels[:] = 7
    assert draft.is_unsaved(labels)
    assert draft.touched(labels) == {7}


def test_a_mere_prediction_is_not_unsaved():
    draft = Draft(EMPTY)
    merged = draft.merge(EMPTY, squares(SHAPE, ONE), "a model", is_saved=False)
    assert not draft.is_unsaved(merged)
    assert draft.model == "a model"


def test_a_prediction_over_saved_labels_is_unsaved():
    draft = Draft(squares(SHAPE, ONE))
    merged = draft.merge(squares(SHAPE, ONE), squares(SHAPE, TWO), "a model", is_saved=True)
    assert draft.is_unsaved(merged)


def test_hand_work_outlives_every_later_prediction():
    draft = Draft(EMPTY)
    shown = draft.merge(EMPTY, squares(SHAPE, ONE, TWO), "a model", is_saved=False)
    erased, kept = shown[ONE], shown[TWO]
    shown = shown.copy()
    shown[shown == erased] = 0
    shown[72, 50] = kept
    # A high threshold in between sees nothing at all.
    shown = draft.merge(shown, EMPTY, "a model", is_saved=False)
    shown = draft.merge(shown, squares(SHAPE, ONE, TWO), "a model", is_saved=False)
    assert not shown[ONE]
    assert shown[72, 50] == kept
    assert draft.touched(shown) == {kept}
    assert draft.is_unsaved(shown)


def test_what_a_hand_draws_where_it_erased_stays():
    draft = Draft(squares(SHAPE, ONE))
    shown = EMPTY.copy()
    draft.merge(shown, squares(SHAPE, ONE), "a model", is_saved=False)
    shown = shown.copy()
    shown[10:20, 10:20] = 9
    merged = draft.merge(shown, squares(SHAPE, ONE), "a model", is_saved=False)
    assert (merged[10:20, 10:20] == 9).all()


def test_an_earlier_correction_keeps_its_touched_and_erased_nuclei():
    prediction = squares(SHAPE, ONE, TWO)
    corrected = np.where(prediction == 1, 0, prediction).astype(np.int32)
    draft = Draft(corrected, touched=[2], prediction=prediction, model="a model")
    merged = draft.merge(corrected, squares(SHAPE, ONE, (52, 52)), "another", is_saved=True)
    assert np.array_equal(merged, corrected)


def test_going_back_drops_hand_work():
    labels = squares(SHAPE, ONE)
    draft = Draft(labels, touched=[1])
    draft.merge(EMPTY, squares(SHAPE, TWO), "a model", is_saved=True)
    back = draft.go_back([1])
    assert np.array_equal(back, labels)
    assert not draft.is_unsaved(back)
    assert draft.touched(back) == {1}

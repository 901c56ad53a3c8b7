"""What a hand has done to the labels of a sample, in a real viewer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from showing import FIRST, SECOND, paint, show, show_again
from squares import squares

from napari_nucleiseg import edits
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.sample_saving import save_work


def test_strokes_undo_and_redo_mark_unsaved(shown):
    heard = []
    shown.draft.unsaved_changed.connect(heard.append)
    paint(shown, (5, 5), 77)
    shown.labels_layer.undo()
    shown.labels_layer.redo()
    assert heard == [True, False, True]
    assert shown.draft.unsaved


def test_undo_of_saved_work_is_unsaved_work(shown):
    paint(shown, (5, 5), 77)
    work = shown.draft.work()
    shown.draft.note_saved(work, shown.session.save(work.sample, work.labels, work.touched))
    assert not shown.draft.unsaved
    shown.labels_layer.undo()
    assert shown.draft.unsaved


def test_an_edit_is_one_step_of_undo(shown):
    before = shown.draft.current_labels()
    first, second = 1, 2
    shown.draft.apply_edit(edits.merge(before, first, second))
    assert shown.draft.unsaved
    assert not (shown.labels_layer.data == second).any()
    shown.labels_layer.undo()
    assert np.array_equal(shown.labels_layer.data, before)
    assert not shown.draft.unsaved


def test_an_edit_leaves_the_brush_on_its_nucleus_or_on_a_free_id(shown):
    """Else the next stroke would be part of another nucleus."""
    layer = shown.labels_layer
    highest = int(layer.data.max())
    assert highest >= 2
    layer.selected_label = 1
    shown.draft.apply_edit(edits.smooth(layer.data, 1))
    assert layer.selected_label == 1
    layer.selected_label = highest + 1
    y, x = np.argwhere(layer.data == 1).mean(axis=0)
    shown.draft.apply_edit(edits.split_by_line(layer.data, 1, np.array([[y, x - 30], [y, x + 30]])))
    assert layer.data.max() == highest + 1
    assert layer.selected_label == highest + 2


def test_touched_are_the_nuclei_a_hand_changed(shown):
    assert shown.draft.touched == set()
    paint(shown, (5, 5), 77)
    shown.draft.apply_edit(edits.delete(shown.labels_layer.data, 1))
    assert 77 in shown.draft.touched
    assert 1 not in shown.draft.touched  # it is no more
    shown.labels_layer.undo()
    shown.labels_layer.undo()
    assert shown.draft.touched == set()


def test_leaving_hands_unsaved_labels_over(shown, qtbot):
    handed = []
    shown.draft.handed_over.connect(handed.append)
    paint(shown, (5, 5), 77)
    left, labels = shown.sample, shown.draft.current_labels()
    show(qtbot, shown, SECOND)
    assert [work.sample for work in handed] == [left]
    assert np.array_equal(handed[0].labels, labels)


def test_a_deleted_labels_layer_hands_its_work_over(shown):
    handed = []
    shown.draft.handed_over.connect(handed.append)
    paint(shown, (5, 5), 77)
    shown._viewer().layers.remove(shown.labels_layer)
    assert len(handed) == 1
    assert (handed[0].labels == 77).any()
    assert shown.labels_layer is None
    assert shown.draft.touched == set()
    assert shown.draft.work() is None


# --- predictions


def test_a_prediction_is_shown_and_is_not_unsaved_work(unlabelled):
    shape = unlabelled.labels_layer.data.shape
    prediction = squares(shape, (10, 10), (50, 50))
    assert unlabelled.show_prediction(unlabelled.sample.id, prediction)
    assert np.array_equal(unlabelled.labels_layer.data > 0, prediction > 0)
    assert not unlabelled.draft.unsaved
    assert unlabelled.draft.touched == set()


def test_a_prediction_never_changes_what_a_hand_touched(unlabelled):
    sample_id, shape = unlabelled.sample.id, unlabelled.labels_layer.data.shape
    unlabelled.show_prediction(sample_id, squares(shape, (10, 10), (50, 50), (90, 90)))
    labels = unlabelled.labels_layer.data
    first, second, third = (int(labels[at]) for at in ((15, 15), (55, 55), (95, 95)))
    paint(unlabelled, (10, 31), first, size=3)  # grown by hand
    unlabelled.draft.apply_edit(edits.delete(unlabelled.labels_layer.data, second))
    mine = unlabelled.labels_layer.data == first
    unlabelled.show_prediction(sample_id, squares(shape, (12, 12), (52, 52), (88, 88)))
    labels = unlabelled.labels_layer.data
    assert np.array_equal(labels == first, mine)
    assert not labels[52:72, 52:72].any()  # deleted by hand, so it does not come back
    assert labels[88, 88] == third  # untouched: changed, under the same id
    assert unlabelled.draft.unsaved
    assert unlabelled.draft.touched == {first}


def test_undo_after_a_new_prediction_undoes_the_stroke_alone(unlabelled):
    sample_id, shape = unlabelled.sample.id, unlabelled.labels_layer.data.shape
    unlabelled.show_prediction(sample_id, squares(shape, (10, 10), (50, 50)))
    paint(unlabelled, (100, 100), 9)
    unlabelled.show_prediction(sample_id, squares(shape, (10, 10), (52, 50)))
    before = unlabelled.draft.current_labels()
    unlabelled.labels_layer.undo()
    after = unlabelled.labels_layer.data
    assert not (after == 9).any()
    assert np.array_equal(after[before != 9], before[before != 9])


def test_a_correction_keeps_hand_work_over_a_restart(unlabelled, qtbot):
    sample, shape = unlabelled.sample, unlabelled.labels_layer.data.shape
    prediction = squares(shape, (10, 10), (50, 50), (90, 90))
    unlabelled.show_prediction(sample.id, prediction)
    unlabelled.draft.apply_edit(edits.delete(unlabelled.labels_layer.data, 2))
    paint(unlabelled, (30, 30), 1, size=3)
    work = replace(unlabelled.draft.work(), model="a model")
    unlabelled.session.note_state(sample.id, save_work(work))
    unlabelled.draft.note_saved(work, unlabelled.session.state_of(sample))
    show_again(qtbot, unlabelled, sample)
    unlabelled.show_prediction(sample.id, prediction)
    assert np.array_equal(unlabelled.labels_layer.data, work.labels)
    assert unlabelled.draft.touched == {1}


def test_a_layer_of_a_type_for_few_ids_is_left_to_the_person(unlabelled, qtbot):
    heard = []
    unlabelled.session.failed.connect(heard.append)
    sample, layer = unlabelled.sample, unlabelled.labels_layer
    layer.data = np.minimum(layer.data, 255).astype(np.uint8)
    before = layer.data.copy()
    many = np.arange(before.size, dtype=np.int32).reshape(before.shape)
    unlabelled.show_prediction(sample.id, many)
    assert np.array_equal(layer.data, before)
    shown = next(each for each in unlabelled._viewer().layers if each.name == "prediction")
    assert np.array_equal(shown.data, many)
    one = (np.array([5]), np.array([5]))
    with pytest.raises(BadInput, match="converted to uint8"):
        unlabelled.draft.apply_edit(edits.Edit(one, np.array([256], np.int32)))
    assert np.array_equal(layer.data, before)
    layer.data[5, 5] = 9
    show(qtbot, unlabelled, FIRST)
    assert "were not saved" in heard[0]
    assert "converted to uint8" in heard[0]
    assert layer in unlabelled._viewer().layers


def test_a_nucleus_gone_from_work_that_waits_does_not_hold_a_later_one_of_its_id(unlabelled, qtbot):
    """Work that waits to be saved may name nuclei that a hand has touched and then deleted."""
    layers, sample = unlabelled, unlabelled.sample
    shape = layers.draft.shape
    one, other = squares(shape, (10, 10)), squares(shape, (50, 50))
    work = replace(layers.draft.work(), labels=one, touched=(1, 2))
    layers.session.note_pending(sample.id, work)
    show_again(qtbot, layers, sample)
    layers.show_prediction(sample.id, other)
    assert set(np.unique(layers.labels_layer.data)) == {0, 1, 2}
    layers.show_prediction(sample.id, np.zeros(shape, np.int32))
    assert np.array_equal(layers.labels_layer.data, one)

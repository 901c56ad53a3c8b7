"""The layers of a sample in a real viewer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils._proxies import PublicOnlyProxy
from squares import squares, write_sample

from napari_nucleiseg import edits
from napari_nucleiseg._qt.layers import layers_for
from napari_nucleiseg.sample_files import save_work
from napari_nucleiseg.session import session_for
from napari_nucleiseg.storage import SampleState, Status, save_labels

FIRST, SECOND = 0, 1


@pytest.fixture
def shown(viewer, squares_folder, qtbot):
    """A viewer that shows the first of two samples; only that one has masks."""
    layers = layers_for(viewer)
    layers.session.open_dataset(squares_folder)
    show(qtbot, layers, FIRST)
    return layers


@pytest.fixture
def unlabelled(shown, qtbot):
    """The same viewer with the second sample, which has no masks."""
    show(qtbot, shown, SECOND)
    return shown


def show(qtbot, layers, place):
    sample = layers.session.dataset.samples[place]
    layers.session.select(sample.id)
    qtbot.waitUntil(lambda: layers.sample is sample and not layers.is_loading)
    return sample


def paint(layers, point, label, size=5):
    layer = layers.labels_layer
    layer.brush_size = size
    layer.selected_label = label
    layer.mode = "paint"
    layer.paint(point, label)


def test_a_viewer_has_one_session_and_one_set_of_layers(viewer):
    other = ViewerModel()
    assert layers_for(viewer) is layers_for(viewer)
    assert session_for(viewer) is layers_for(viewer).session
    assert layers_for(viewer) is not layers_for(other)
    assert session_for(viewer) is not session_for(other)


def test_the_proxy_that_plugins_get_stands_for_its_viewer(viewer):
    proxy = PublicOnlyProxy(viewer)
    assert layers_for(proxy) is layers_for(viewer)


def test_a_sample_is_its_image_and_its_labels(shown):
    viewer_layers = [shown.image_layer, shown.labels_layer]
    assert shown.image_layer.name == shown.sample.id
    assert shown.labels_layer.data.dtype == np.int32
    assert np.array_equal(np.unique(shown.labels_layer.data), [0, 1, 2])
    assert not shown.unsaved
    assert all(layer is not None for layer in viewer_layers)


def test_every_sample_has_a_labels_layer_of_its_own(shown, qtbot):
    paint(shown, (5, 5), 77)
    first = shown.labels_layer
    show(qtbot, shown, SECOND)
    assert shown.labels_layer is not first
    before = shown.current_labels()
    shown.labels_layer.undo()
    assert np.array_equal(shown.current_labels(), before)


def test_the_view_fits_a_sample_that_follows_a_larger_one(viewer, tmp_path, qtbot):
    for name, edge in (("large", 200), ("small", 64)):
        write_sample(tmp_path / "mixed" / name, squares((edge, edge), (10, 10)), masks=True)
    layers = layers_for(viewer)
    layers.session.open_dataset(tmp_path / "mixed")
    show(qtbot, layers, 0)
    show(qtbot, layers, 1)
    assert viewer.scene.camera.center[-2:] == pytest.approx((31.5, 31.5))
    qtbot.waitUntil(lambda: len(viewer.layers) == 2)
    zoom = viewer.scene.camera.zoom
    viewer.reset_view()
    assert viewer.scene.camera.zoom == pytest.approx(zoom)


def test_strokes_undo_and_redo_mark_unsaved(shown):
    heard = []
    shown.unsaved_changed.connect(heard.append)
    paint(shown, (5, 5), 77)
    shown.labels_layer.undo()
    shown.labels_layer.redo()
    assert heard == [True, False, True]
    assert shown.unsaved


def test_undo_of_saved_work_is_unsaved_work(shown):
    paint(shown, (5, 5), 77)
    work = shown.work()
    shown.note_saved(work, shown.session.save(work.sample, work.labels, work.touched))
    assert not shown.unsaved
    shown.labels_layer.undo()
    assert shown.unsaved


def test_an_edit_is_one_step_of_undo(shown):
    before = shown.current_labels()
    first, second = 1, 2
    shown.apply_edit(edits.merge(before, first, second))
    assert shown.unsaved
    assert not (shown.labels_layer.data == second).any()
    shown.labels_layer.undo()
    assert np.array_equal(shown.labels_layer.data, before)
    assert not shown.unsaved


def test_touched_are_the_nuclei_a_hand_changed(shown):
    assert shown.touched == set()
    paint(shown, (5, 5), 77)
    shown.apply_edit(edits.delete(shown.labels_layer.data, 1))
    assert 77 in shown.touched
    assert 1 not in shown.touched  # it is no more
    shown.labels_layer.undo()
    shown.labels_layer.undo()
    assert shown.touched == set()


def test_leaving_hands_unsaved_labels_over(shown, qtbot):
    handed = []
    shown.handed_over.connect(handed.append)
    paint(shown, (5, 5), 77)
    left, labels = shown.sample, shown.current_labels()
    show(qtbot, shown, SECOND)
    assert [work.sample for work in handed] == [left]
    assert np.array_equal(handed[0].labels, labels)


def test_a_late_answer_for_another_sample_is_dropped(shown, qtbot):
    first, second = shown.session.dataset.samples[:2]
    shown.session.select(second.id)
    shown.session.select(first.id)
    shown.session.select(second.id)
    qtbot.waitUntil(lambda: not shown.is_loading)
    qtbot.wait(100)
    assert shown.sample is second
    assert shown.image_layer.name == second.id
    assert len(shown._viewer().layers) == 2


def test_a_deleted_labels_layer_hands_its_work_over(shown):
    handed = []
    shown.handed_over.connect(handed.append)
    paint(shown, (5, 5), 77)
    shown._viewer().layers.remove(shown.labels_layer)
    assert len(handed) == 1
    assert (handed[0].labels == 77).any()
    assert shown.labels_layer is None
    assert shown.touched == set()
    assert shown.work() is None


def test_a_sample_that_cannot_be_read_is_spoken_of(shown, qtbot):
    heard = []
    shown.session.failed.connect(heard.append)
    sample = shown.session.dataset.samples[SECOND]
    sample.image_path.write_bytes(b"no image")
    shown.session.select(sample.id)
    qtbot.waitUntil(lambda: bool(heard))
    assert str(sample.image_path) in heard[0]
    assert shown.sample is None
    assert shown.labels_layer is None
    assert not shown.is_loading


# --- predictions


def test_a_prediction_is_shown_and_is_not_unsaved_work(unlabelled):
    shape = unlabelled.labels_layer.data.shape
    prediction = squares(shape, (10, 10), (50, 50))
    assert unlabelled.show_prediction(unlabelled.sample.id, prediction)
    assert np.array_equal(unlabelled.labels_layer.data > 0, prediction > 0)
    assert not unlabelled.unsaved
    assert unlabelled.touched == set()


def test_a_prediction_for_another_sample_is_not_shown(unlabelled):
    shape = unlabelled.labels_layer.data.shape
    assert not unlabelled.show_prediction("another", squares(shape, (10, 10)))
    assert not unlabelled.labels_layer.data.any()


def test_a_prediction_never_changes_what_a_hand_touched(unlabelled):
    sample_id, shape = unlabelled.sample.id, unlabelled.labels_layer.data.shape
    unlabelled.show_prediction(sample_id, squares(shape, (10, 10), (50, 50), (90, 90)))
    labels = unlabelled.labels_layer.data
    first, second, third = (int(labels[at]) for at in ((15, 15), (55, 55), (95, 95)))
    paint(unlabelled, (10, 31), first, size=3)  # grown by hand
    unlabelled.apply_edit(edits.delete(unlabelled.labels_layer.data, second))
    mine = unlabelled.labels_layer.data == first
    unlabelled.show_prediction(sample_id, squares(shape, (12, 12), (52, 52), (88, 88)))
    labels = unlabelled.labels_layer.data
    assert np.array_equal(labels == first, mine)
    assert not labels[52:72, 52:72].any()  # deleted by hand, so it does not come back
    assert labels[88, 88] == third  # untouched: changed, under the same id
    assert unlabelled.unsaved
    assert unlabelled.touched == {first}


def test_undo_after_a_new_prediction_undoes_the_stroke_alone(unlabelled):
    sample_id, shape = unlabelled.sample.id, unlabelled.labels_layer.data.shape
    unlabelled.show_prediction(sample_id, squares(shape, (10, 10), (50, 50)))
    paint(unlabelled, (100, 100), 9)
    unlabelled.show_prediction(sample_id, squares(shape, (10, 10), (52, 50)))
    before = unlabelled.current_labels()
    unlabelled.labels_layer.undo()
    after = unlabelled.labels_layer.data
    assert not (after == 9).any()
    assert np.array_equal(after[before != 9], before[before != 9])


def test_an_annotation_is_never_changed_by_a_prediction(shown):
    before = shown.current_labels()
    assert shown.is_protected
    assert shown.show_prediction(shown.sample.id, squares(before.shape, (10, 10)))
    assert np.array_equal(shown.labels_layer.data, before)
    assert not shown.unsaved
    assert "prediction" in shown._viewer().layers


def test_an_approved_sample_is_never_changed_by_a_prediction(unlabelled, qtbot):
    sample = unlabelled.sample
    labels = squares(unlabelled.labels_layer.data.shape, (30, 30))
    save_labels(sample.folder, labels, SampleState(Status.APPROVED, "a model"), masks=True)
    unlabelled.session.states.clear()
    show_again(qtbot, unlabelled, sample)
    unlabelled.show_prediction(sample.id, squares(labels.shape, (80, 80)))
    assert np.array_equal(unlabelled.labels_layer.data, labels)


def test_a_correction_keeps_hand_work_over_a_restart(unlabelled, qtbot):
    sample, shape = unlabelled.sample, unlabelled.labels_layer.data.shape
    prediction = squares(shape, (10, 10), (50, 50), (90, 90))
    unlabelled.show_prediction(sample.id, prediction)
    unlabelled.apply_edit(edits.delete(unlabelled.labels_layer.data, 2))
    paint(unlabelled, (30, 30), 1, size=3)
    work = replace(unlabelled.work(), model="a model")
    unlabelled.session.note_state(sample.id, save_work(work))
    unlabelled.note_saved(work, unlabelled.session.state_of(sample))
    show_again(qtbot, unlabelled, sample)
    unlabelled.show_prediction(sample.id, prediction)
    assert np.array_equal(unlabelled.labels_layer.data, work.labels)
    assert unlabelled.touched == {1}


def test_a_prediction_for_a_deleted_layer_comes_as_a_new_layer(unlabelled):
    viewer, shape = unlabelled._viewer(), unlabelled.labels_layer.data.shape
    viewer.layers.remove(unlabelled.labels_layer)
    prediction = squares(shape, (10, 10))
    assert unlabelled.show_prediction(unlabelled.sample.id, prediction)
    assert unlabelled.labels_layer in viewer.layers
    assert np.array_equal(unlabelled.labels_layer.data > 0, prediction > 0)


def test_maps_come_and_go(unlabelled):
    viewer = unlabelled._viewer()
    before = len(viewer.layers)
    maps = np.zeros((*unlabelled.labels_layer.data.shape, 3), np.uint8)
    unlabelled.show_maps(unlabelled.sample.id, maps)
    assert len(viewer.layers) == before + 3
    assert viewer.layers.selection.active is unlabelled.labels_layer
    unlabelled.show_maps(unlabelled.sample.id, None)
    assert len(viewer.layers) == before


def show_again(qtbot, layers, sample):
    before = layers.labels_layer
    layers.session.select(sample.id)
    qtbot.waitUntil(lambda: layers.labels_layer not in (None, before) and not layers.is_loading)

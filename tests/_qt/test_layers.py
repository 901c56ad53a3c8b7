"""The layers of a sample in a real viewer."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
from napari.components import ViewerModel
from napari.utils._proxies import PublicOnlyProxy
from qtpy.QtTest import QTest
from showing import FIRST, SECOND, paint, show, show_again
from squares import EDGE, squares, write_sample

from napari_nucleiseg._qt.layers import layers_for
from napari_nucleiseg._qt.preferences import display
from napari_nucleiseg.session import session_for
from napari_nucleiseg.state import SampleState, Status
from napari_nucleiseg.storage import save_labels


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
    assert not shown.draft.unsaved
    assert all(layer is not None for layer in viewer_layers)


def test_every_sample_has_a_labels_layer_of_its_own(shown, qtbot):
    paint(shown, (5, 5), 77)
    first = shown.labels_layer
    show(qtbot, shown, SECOND)
    assert shown.labels_layer is not first
    before = shown.draft.current_labels()
    shown.labels_layer.undo()
    assert np.array_equal(shown.draft.current_labels(), before)


def test_the_next_labels_look_like_those_before(shown, squares_folder, qtbot):
    before, chosen = shown.labels_layer, display()
    assert (before.opacity, before.brush_size) == (chosen.opacity, chosen.brush_size)
    before.opacity, before.contour, before.brush_size, before.mode = 0.3, 2, 33, "paint"
    show(qtbot, shown, SECOND)
    layer = shown.labels_layer
    assert (layer.opacity, layer.contour, layer.brush_size) == (0.3, 2, 33)
    assert layer.mode == "pan_zoom"
    shown.session.open_dataset(squares_folder)
    show(qtbot, shown, FIRST)
    assert shown.labels_layer.brush_size == chosen.brush_size


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


# --- the first image of a window


@pytest.fixture
def halfway(viewer, squares_folder):
    """Call a function when the first image is there, and its labels are still to come."""
    layers = layers_for(viewer)
    layers.session.open_dataset(squares_folder)

    def act_halfway(act):
        calls = iter([act])

        def look(_):
            if layers.image_layer is not None and layers.labels_layer is None:
                next(calls, lambda: None)()

        layers.loading_changed.connect(look)
        layers.session.select(layers.session.order[FIRST])
        return layers

    yield act_halfway
    layers.session.close_dataset()


def test_the_window_lives_between_the_first_image_and_its_labels(halfway, qtbot):
    seen = []
    layers = halfway(lambda: seen.append((layers.is_loading, layers.sample)))
    qtbot.waitUntil(lambda: layers.labels_layer is not None)
    assert seen == [(True, None)]
    assert not layers.is_loading
    assert list(layers._viewer().layers) == [layers.image_layer, layers.labels_layer]


def test_another_sample_is_chosen_before_the_first_labels_are_there(halfway, qtbot):
    layers = halfway(lambda: layers.session.select(layers.session.order[SECOND]))
    second = layers.session.dataset.samples[SECOND]
    qtbot.waitUntil(lambda: layers.sample is second and not layers.is_loading)
    assert layers.image_layer.name == second.id
    assert list(layers._viewer().layers) == [layers.image_layer, layers.labels_layer]


def test_a_sample_saved_before_its_first_labels_are_there_is_read_again(halfway, qtbot):
    saved = squares((EDGE, EDGE), (40, 60))

    def save():
        sample = layers.session.sample
        folder = layers.session.folder_of(sample)
        save_labels(folder, saved, SampleState(Status.CORRECTED), masks=False)
        layers.draft.saved.emit(sample)

    layers = halfway(save)
    qtbot.waitUntil(lambda: layers.labels_layer is not None and not layers.is_loading)
    assert np.array_equal(layers.labels_layer.data, saved)


# --- predictions


def test_a_prediction_for_another_sample_is_not_shown(unlabelled):
    shape = unlabelled.labels_layer.data.shape
    assert not unlabelled.show_prediction("another", squares(shape, (10, 10)))
    assert not unlabelled.labels_layer.data.any()


def test_an_annotation_is_never_changed_by_a_prediction(shown):
    before = shown.draft.current_labels()
    assert shown.draft.is_protected
    assert shown.show_prediction(shown.sample.id, squares(before.shape, (10, 10)))
    assert np.array_equal(shown.labels_layer.data, before)
    assert not shown.draft.unsaved
    assert "prediction" in shown._viewer().layers


def test_an_approved_sample_is_never_changed_by_a_prediction(unlabelled, qtbot):
    sample = unlabelled.sample
    labels = squares(unlabelled.labels_layer.data.shape, (30, 30))
    save_labels(sample.folder, labels, SampleState(Status.APPROVED, "a model"), masks=True)
    unlabelled.session.states.clear()
    show_again(qtbot, unlabelled, sample)
    unlabelled.show_prediction(sample.id, squares(labels.shape, (80, 80)))
    assert np.array_equal(unlabelled.labels_layer.data, labels)


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


def test_ones_own_layers_outlive_a_dataset_and_stay_where_they_are(viewer, shown, qtbot, tmp_path):
    stack = viewer.add_image(np.zeros((3, 70, 90)), name="mine")
    shown.session.close_dataset()
    assert list(viewer.layers) == [stack]
    for name, count in (("grey", 1), ("colour", 3)):
        labels = squares((64, 64), (5, 5))
        write_sample(tmp_path / "other" / name, labels, masks=True)
        if count == 3:
            path = tmp_path / "other" / name / "images" / f"{name}.png"
            colours = np.dstack([labels * 200, labels * 90, labels * 10]).astype(np.uint8)
            PIL.Image.fromarray(colours).save(path)
    shown.session.open_dataset(tmp_path / "other")
    for name in ("grey", "colour"):
        shown.session.select(name)
        qtbot.waitUntil(lambda name=name: shown.sample is not None and shown.sample.id == name)
        qtbot.waitUntil(lambda: not shown.is_loading)
        QTest.qWait(50)
        assert list(viewer.layers) == [stack, shown.image_layer, shown.labels_layer]
        viewer.layers.move(2, 0)  # and labels that were moved beneath do not draw it along


HIDE_AND_MOVE = """
import sys
from pathlib import Path
import napari
from qtpy.QtTest import QTest
from napari_nucleiseg._qt.layers import layers_for

viewer = napari.Viewer(show_welcome_screen=False)
layers = layers_for(viewer)
layers.session.open_dataset(Path(sys.argv[1]))
for sample in layers.session.dataset.samples:
    layers.session.select(sample.id)
    while layers.sample is not sample or layers.is_loading:
        QTest.qWait(10)
    QTest.qWait(200)
    assert [layer.name for layer in viewer.layers] == [sample.id, "nuclei"]
for seen in (False, True):
    layers.image_layer.visible = seen
    QTest.qWait(200)
for _ in range(2):
    viewer.layers.move(0, 2)
    QTest.qWait(200)
print("still here", flush=True)
viewer.close()
"""


@pytest.mark.parametrize("channels", [(1, 1, 1), (1, 3, 1)])
def test_the_window_outlives_a_hidden_image_after_a_change_of_sample(qapp, tmp_path, channels):
    """It ended where Mesa draws by software, as on a virtual display."""
    labels = squares((EDGE, EDGE), (10, 10))
    for name, count in zip("abc", channels, strict=True):
        folder = tmp_path / "squares" / name
        write_sample(folder, labels, masks=True)
        if count == 3:
            colours = np.dstack([labels * 200, labels * 90, labels * 10]).astype(np.uint8)
            PIL.Image.fromarray(colours).save(folder / "images" / f"{name}.png")
    process = subprocess.run(
        [sys.executable, "-c", HIDE_AND_MOVE, str(tmp_path / "squares")],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "still here" in process.stdout, process.stderr

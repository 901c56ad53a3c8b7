"""The Evaluate dock in a real window, with a tiny network that needs no training."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import Qt
from squares import EDGE, squares, write_sample
from tiny_models import write_tiny_model

from napari_nucleiseg._qt import evaluate_dock
from napari_nucleiseg._qt.evaluate_dock import ALL, BY_HAND, EvaluateDock
from napari_nucleiseg._qt.layers import layers_for
from napari_nucleiseg.error_map import Error
from napari_nucleiseg.models import user_models_folder
from napari_nucleiseg.state import SampleState, Status

SHAPE = (EDGE, EDGE)


@pytest.fixture
def folder(tmp_path):
    """`good` is as the model sees it, `bad` has a nucleus too few in its masks, `plain` none."""
    root = tmp_path / "data"
    write_sample(root / "good", squares(SHAPE, (10, 10), (50, 50)), masks=True)
    write_sample(root / "bad", squares(SHAPE, (10, 10)), masks=True)
    image = np.where(squares(SHAPE, (10, 10), (50, 50)) > 0, 200, 20).astype(np.uint8)
    Image.fromarray(image).save(root / "bad" / "images" / "bad.png")
    write_sample(root / "plain", squares(SHAPE, (10, 10)), masks=False)
    return root


@pytest.fixture
def viewer(viewer, folder):
    write_tiny_model(user_models_folder() / "mine")
    layers_for(viewer).session.open_dataset(folder)
    return viewer


@pytest.fixture
def dock(viewer, qtbot):
    dock = EvaluateDock(viewer)
    viewer.window.add_dock_widget(dock, name="Evaluate")
    dock._use_model(next(each for each in dock.models.models if each.name == "mine"))
    return dock


def evaluate(dock, qtbot):
    qtbot.mouseClick(dock.run_bar.start_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not dock.run_bar.is_running, timeout=60_000)


def go_to(dock, qtbot, sample_id):
    index = dock.table.model().index(dock.table.ids.index(sample_id), 1)
    dock.table.scrollTo(index)
    place = dock.table.visualRect(index).center()
    qtbot.mouseClick(dock.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    layers = dock._layers
    qtbot.waitUntil(lambda: layers.sample is not None and layers.sample.id == sample_id)


def choices(dock):
    return [dock.images.itemText(row) for row in range(dock.images.count())]


def errors_layer(viewer):
    return next((each for each in viewer.layers if each.name == "errors"), None)


def test_scores_stand_worst_first_and_only_of_images_with_masks(dock, qtbot):
    assert dock.images.currentText() == f"{ALL} (2)"
    evaluate(dock, qtbot)
    assert dock.table.ids == ["bad", "good"]
    assert dock.grid.values["AP .5"].text() == "0.750"
    assert "mine" in dock.caption.text()
    assert "2 images" in dock.caption.text()


def test_it_is_said_where_the_model_knows_the_images(dock, qtbot, folder):
    evaluate(dock, qtbot)
    assert "learned from" not in dock.caption.text()
    sizes = {"good": (folder / "good" / "images" / "good.png").stat().st_size, "bad": 1}
    dock._model.info["training"] = {"learned": sizes}
    evaluate(dock, qtbot)
    assert "1 of 2 images was learned from" in dock.caption.text()


def test_scores_bear_the_name_of_the_model_that_was_asked(dock, qtbot):
    qtbot.mouseClick(dock.run_bar.start_button, Qt.MouseButton.LeftButton)
    dock._use_model(next(each for each in dock.models.models if each.name != "mine"))
    qtbot.waitUntil(lambda: not dock.run_bar.is_running, timeout=60_000)
    assert "mine" in dock.caption.text()


def test_a_click_on_a_row_opens_the_image_with_its_errors(dock, viewer, qtbot):
    evaluate(dock, qtbot)
    go_to(dock, qtbot, "bad")
    layer = errors_layer(viewer)
    assert set(np.unique(layer.data)) == {0, Error.EXTRA}
    assert layer.data[60, 60] == Error.EXTRA
    assert not layer.editable
    assert viewer.layers.selection.active is dock._layers.labels_layer
    assert not dock._layers.draft.unsaved
    go_to(dock, qtbot, "good")
    assert not errors_layer(viewer).data.any()


def test_errors_go_with_the_box_and_with_the_sample(dock, viewer, qtbot):
    evaluate(dock, qtbot)
    go_to(dock, qtbot, "bad")
    dock.show_errors.click()
    assert errors_layer(viewer) is None
    dock.show_errors.click()
    assert errors_layer(viewer) is not None
    dock._session.select("plain")
    qtbot.waitUntil(lambda: dock._layers.sample is not None and dock._layers.sample.id == "plain")
    assert errors_layer(viewer) is None
    assert not dock.table.selectionModel().selectedRows()


def test_a_deleted_errors_layer_comes_back_with_the_next_row(dock, viewer, qtbot):
    evaluate(dock, qtbot)
    go_to(dock, qtbot, "bad")
    viewer.layers.remove(errors_layer(viewer))
    go_to(dock, qtbot, "good")
    go_to(dock, qtbot, "bad")
    assert errors_layer(viewer).data.any()


def test_a_correction_counts_as_truth(dock, qtbot):
    session = dock._session
    session.save(session["bad"], squares(SHAPE, (10, 10), (50, 50)))
    session.note_state("plain", SampleState(Status.PREDICTED))
    qtbot.waitUntil(lambda: choices(dock) == [f"{ALL} (2)", f"{BY_HAND} (1)"])
    dock.images.setCurrentIndex(1)
    evaluate(dock, qtbot)
    assert dock.table.ids == ["bad"]
    assert dock.grid.values["AP .5"].text() == "1.000"


def test_the_choice_of_images_stays_while_their_numbers_change(dock, qtbot):
    note = dock._session.note_state
    note("plain", SampleState(Status.APPROVED))
    qtbot.waitUntil(lambda: choices(dock) == [f"{ALL} (3)", f"{BY_HAND} (1)"])
    dock.images.setCurrentIndex(1)
    cleared = []
    dock.images.model().rowsRemoved.connect(lambda *_: cleared.append(True))
    note("good", SampleState(Status.APPROVED))
    qtbot.waitUntil(lambda: choices(dock) == [f"{ALL} (3)", f"{BY_HAND} (2)"])
    assert dock.images.currentIndex() == 1
    assert not cleared, "its list may be open"
    for name in ("plain", "good"):
        note(name, SampleState(Status.UNLABELLED))
    qtbot.waitUntil(lambda: choices(dock) == [f"{ALL} (2)"])
    assert dock.images.currentIndex() == 0


def test_many_changes_of_states_are_looked_through_once(dock, qtbot, monkeypatch):
    times = []
    real = evaluate_dock.sort_by_truth
    monkeypatch.setattr(
        evaluate_dock, "sort_by_truth", lambda *given: times.append(1) or real(*given)
    )
    for _ in range(20):
        dock._session.note_state("plain", SampleState(Status.APPROVED))
    assert not times
    qtbot.waitUntil(lambda: choices(dock)[-1] == f"{BY_HAND} (1)")
    assert len(times) == 1


def test_another_model_of_the_session_is_taken_over_unless_a_job_runs(dock, qtbot, tmp_path):
    other = write_tiny_model(user_models_folder() / "other")
    evaluate(dock, qtbot)
    dock._session.set_model(other)
    assert dock.models.currentText() == "other"
    assert "mine" in dock.caption.text(), "whose scores are on show"
    qtbot.mouseClick(dock.run_bar.start_button, Qt.MouseButton.LeftButton)
    dock._session.set_model("mine")
    assert dock.models.currentText() == "other"
    qtbot.waitUntil(lambda: not dock.run_bar.is_running, timeout=60_000)


def test_a_dock_that_is_closed_takes_the_errors_along(dock, viewer, qtbot):
    evaluate(dock, qtbot)
    go_to(dock, qtbot, "bad")
    assert errors_layer(viewer) is not None
    viewer.window.remove_dock_widget(dock)
    assert errors_layer(viewer) is None
    assert dock._layers.labels_layer in viewer.layers


def test_the_row_stays_where_the_person_went_while_its_image_is_read(dock, qtbot):
    evaluate(dock, qtbot)
    go_to(dock, qtbot, "bad")
    row = dock.table.ids.index("good")
    dock.table.selectRow(row)
    assert dock._layers.sample.id == "bad", "the other is being read"
    assert dock.table.currentIndex().row() == row
    qtbot.waitUntil(lambda: dock._layers.sample is not None and dock._layers.sample.id == "good")
    assert dock.table.currentIndex().row() == row


def test_an_image_that_cannot_be_read_is_named_and_the_others_count(dock, qtbot, folder):
    (folder / "bad" / "images" / "bad.png").write_bytes(b"not an image")
    evaluate(dock, qtbot)
    assert dock.table.ids == ["good"]
    assert "1 image could not be scored" in dock.run_bar.status.text()
    assert "bad.png" in dock.run_bar.status.text()


def test_cancel_stops_and_leaves_no_scores(dock, qtbot):
    qtbot.mouseClick(dock.run_bar.start_button, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(dock.run_bar.cancel_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not dock.run_bar.is_running, timeout=60_000)
    assert dock.run_bar.status.text() == "Stopped."
    assert dock.table.ids == []


def test_another_dataset_takes_the_scores_away(dock, qtbot, tmp_path):
    evaluate(dock, qtbot)
    write_sample(tmp_path / "other" / "x", squares(SHAPE, (10, 10)), masks=False)
    dock._session.open_dataset(tmp_path / "other")
    assert dock.table.ids == []
    assert dock.grid.values["AP .5"].text() == "–"
    assert not dock.run_bar.start_button.isEnabled()
    assert "masks" in dock.run_bar.start_button.toolTip()


def test_it_fits_into_320_px(dock):
    assert dock.minimumWidth() <= 320

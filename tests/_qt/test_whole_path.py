"""What a person does in an hour, by mouse and keys, in one window: nothing is called directly."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hand import Hand, shown_window
from napari import Viewer
from PIL import Image
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from squares import squares, write_sample
from tiny_models import write_tiny_model

from napari_nucleiseg import edits, sample_files
from napari_nucleiseg._qt.canvas import main_window
from napari_nucleiseg._qt.docks import show_dock
from napari_nucleiseg._qt.layers import layers_for
from napari_nucleiseg._qt.workers import JobHandle
from napari_nucleiseg.label_files import read_label_tif
from napari_nucleiseg.state import Status, read_state

EDGE = 128
# Two nuclei that touch, which the model takes for one, and three that stand alone.
NUCLEI = squares((EDGE, EDGE), (20, 20), (40, 20), (20, 80), (90, 20), (90, 80))


@pytest.fixture(scope="module")
def window(qapp: QApplication) -> Iterator[Viewer]:
    with shown_window() as viewer:
        main_window(viewer).resize(1280, 800)
        yield viewer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in "ab":
        write_sample(tmp_path / "data" / name, NUCLEI, masks=False)
    return tmp_path / "data"


@pytest.fixture
def until(qtbot: QtBot) -> Callable[[Callable[[], bool]], None]:
    return lambda condition: qtbot.waitUntil(condition, timeout=30_000)


@pytest.fixture
def desk(window: Viewer, tmp_path: Path) -> Iterator[Any]:
    """The docks without a dataset; all is as before afterwards."""
    layers = layers_for(window)
    layers.session.set_model(write_tiny_model(tmp_path / "tiny"))
    yield layers
    layers.saving.finish()
    layers.session.close_dataset()
    window.window.remove_dock_widget("all")
    QApplication.sendPostedEvents()
    QApplication.processEvents()


def ids(labels: np.ndarray) -> set[int]:
    return set(np.unique(labels).tolist()) - {0}


def test_open_predict_correct_save_and_open_again(
    window: Viewer, desk: Any, folder: Path, qtbot: QtBot, until: Any
) -> None:
    layers, session = desk, desk.session
    dataset, segment = show_dock(window, "Dataset"), show_dock(window, "Segment")
    correct = show_dock(window, "Correct")
    dataset.opening.open(folder)
    until(lambda: layers.labels_layer is not None and not layers.is_loading)

    qtbot.mouseClick(segment.run_bar.start_button, Qt.MouseButton.LeftButton)
    until(lambda: layers.labels_layer.data.any())
    until(lambda: not segment.segmenter.is_running)
    window.reset_view()
    QTest.qWait(200)
    hand = Hand(window)

    def now() -> np.ndarray:
        return layers.labels_layer.data.copy()

    def at(y: int, x: int) -> int:
        return int(layers.labels_layer.data[y, x])

    predicted = now()
    assert len(ids(predicted)) == 4
    assert at(30, 30) == at(50, 30) != 0

    hand.use("K", 30, 30)
    hand.drag(*[(39.5, x) for x in range(12, 50, 3)])
    assert at(30, 30) != at(50, 30), "cut in two"
    hand.use("J", 100, 30)
    hand.click(100, 90)
    assert at(100, 30) == at(100, 90) != 0, "joined"
    hand.use("D", 30, 90)
    assert at(30, 90) == 0, "deleted"
    deleted = now()
    hand.press("Z", ctrl=True)
    assert at(30, 90) != 0, "undone"
    hand.press("Z", ctrl=True, shift=True)
    np.testing.assert_array_equal(now(), deleted)
    hand.use("N", 30, 90)
    assert at(30, 90) != 0, "added"
    for _ in range(4):
        hand.press("Z", ctrl=True)
    np.testing.assert_array_equal(now(), predicted)
    for _ in range(4):
        hand.press("Z", ctrl=True, shift=True)
    corrected = now()
    assert len(ids(corrected)) == 4

    hand.press("S")
    until(lambda: not layers.draft.unsaved and not layers.saving.is_busy)
    assert correct.save_row.text.text() == "Corrected: a"
    np.testing.assert_array_equal(read_label_tif(folder / "a" / "labels.tif"), corrected)
    masks = [np.asarray(Image.open(each)) > 0 for each in (folder / "a" / "masks").glob("*.png")]
    assert len(masks) == len(ids(corrected))
    np.testing.assert_array_equal(np.any(masks, axis=0), corrected > 0)

    hand.press("W")
    until(lambda: layers.sample is session["b"] and not layers.is_loading)
    assert not layers.labels_layer.data.any()
    session.close_dataset()
    until(lambda: layers.labels_layer is None)
    dataset.opening.open(folder)
    until(lambda: layers.labels_layer is not None and not layers.is_loading)
    np.testing.assert_array_equal(now(), corrected)
    assert not layers.draft.unsaved
    assert read_state(folder / "a").status is Status.CORRECTED

    QTest.qWait(100)
    hand.press("A")
    until(lambda: read_state(folder / "a").status is Status.APPROVED)
    found = sample_files.open_sample(session["a"], folder / "a", writable=True)
    np.testing.assert_array_equal(found.labels, corrected)


def test_ten_samples_leave_nothing_behind(
    window: Viewer, desk: Any, folder: Path, qtbot: QtBot, qapp: QApplication, until: Any
) -> None:
    # Those that end only now have been others'.
    before = set(qapp.findChildren(JobHandle))
    segment, dataset = show_dock(window, "Segment"), show_dock(window, "Dataset")
    show_dock(window, "Correct")
    dataset.opening.open(folder)
    until(lambda: desk.labels_layer is not None)
    widgets = 0
    for number in range(10):
        wanted = desk.session["ba"[number % 2]]
        desk.session.select(wanted.id)
        until(lambda wanted=wanted: desk.sample is wanted and not desk.is_loading)
        qtbot.mouseClick(segment.run_bar.start_button, Qt.MouseButton.LeftButton)
        until(lambda: not segment.segmenter.is_running)
        layer = desk.labels_layer
        layer.mode = "paint"
        layer.paint((10, 10 * number), 50 + number)
        desk.draft.apply_edit(edits.delete(layer.data, 50 + number))
        layer.undo()
        desk.saving.save()
        until(lambda: not desk.saving.is_busy and not desk.draft.unsaved)
        if number == 4:
            widgets = count_widgets(qtbot)
    assert count_widgets(qtbot) <= widgets

    def is_clean() -> bool:
        qapp.sendPostedEvents()  # deletes what ended while no event loop ran
        return set(qapp.findChildren(JobHandle)) <= before

    until(is_clean)


def count_widgets(qtbot: QtBot) -> int:
    qtbot.wait(500)
    gc.collect()
    return len(QApplication.allWidgets())

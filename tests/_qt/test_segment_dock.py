"""The Segment dock in a real window, with a real worker and a tiny model."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gates import GatedPredictor
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QApplication
from squares import EDGE, squares, write_sample
from tiny_models import write_tiny_model

from napari_nucleiseg._qt.layers import layers_for
from napari_nucleiseg._qt.segment_dock import SegmentDock
from napari_nucleiseg._qt.source_box import Source
from napari_nucleiseg._qt.subjects import SampleSubject
from napari_nucleiseg.config import DecodeConfig, PredictConfig
from napari_nucleiseg.labels import labels_from_maps
from napari_nucleiseg.session import session_for
from napari_nucleiseg.state import Status, read_state
from napari_nucleiseg.storage import read_prediction


class Window:
    """A viewer with the dock, on a dataset; `a` has masks, `b`, `c` and `d` have none."""

    def __init__(self, viewer: Any, folder: Path, model: Any, qtbot: QtBot) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        self.session, self.layers = session_for(viewer), layers_for(viewer)
        self.session.open_dataset(folder)
        self.session.set_model(model)
        self.dock = SegmentDock(viewer)
        viewer.window.add_dock_widget(self.dock, name="Segment")
        self.show("b")

    def show(self, sample_id: str) -> None:
        self.session.select(sample_id)
        self.until(lambda: self.layers.sample is self.session[sample_id])
        self.until(lambda: not self.layers.is_loading)
        self.until(lambda: sample_id in self.dock.source.box.itemText(0))

    def until(self, condition: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(condition, timeout=30_000)

    def press(self) -> None:
        self.qtbot.mouseClick(self.dock.run_bar.start_button, Qt.MouseButton.LeftButton)

    def segment(self) -> None:
        self.press()
        self.until(lambda: not self.dock.segmenter.is_running)

    def choose(self, source: Source) -> None:
        self.until(lambda: source in [kind for kind, _ in self.dock.source._entries])
        kinds = [kind for kind, _ in self.dock.source._entries]
        self.dock.source.box.setCurrentIndex(kinds.index(source))

    def gate(self) -> GatedPredictor:
        """Make the session's predictor wait for the test."""
        self.session._predictor = GatedPredictor(self.session.model)
        return self.session._predictor

    def wait_for_gate(self, gate: GatedPredictor, calls: int = 1) -> None:
        self.until(lambda: gate.calls == calls)

    def settle(self) -> None:
        """Wait until labels follow the sliders and predictions are on the disk."""
        segmenter = self.dock.segmenter
        self.until(lambda: not segmenter._redecoder.is_busy)
        saver = segmenter._saver
        self.until(lambda: not saver._wishes and not saver._is_writing)

    @property
    def labels(self) -> np.ndarray:
        return self.layers.draft.current_labels()

    @property
    def status(self) -> str:
        return self.dock.run_bar.status.text()


@pytest.fixture
def window(viewer: Any, tmp_path: Path, qtbot: QtBot) -> Iterator[Window]:
    labels = squares((EDGE, EDGE), (10, 10), (50, 50), (50, 90))
    for name in "abcd":
        write_sample(tmp_path / "squares" / name, labels, masks=name == "a")
    model = write_tiny_model(tmp_path / "tiny")
    window = Window(viewer, tmp_path / "squares", model, qtbot)
    yield window
    window.settle()


def move_slider(window: Window, name: str, value: float) -> None:
    control = window.dock.thresholds.control(name)
    control.slider.setSliderPosition(control._scale.notch(value))


def paint(window: Window, point: tuple[int, int], label: int) -> None:
    window.layers.labels_layer.brush_size = 4
    window.layers.labels_layer.mode = "paint"
    window.layers.labels_layer.paint(point, label)


# --- what is segmented


def test_it_follows_the_person_to_an_image_of_their_own_and_back(window: Window) -> None:
    source = window.dock.source
    assert source.source is Source.SAMPLE
    own = window.viewer.add_image(np.eye(40, dtype=np.uint8), name="one")
    window.until(lambda: source.layer is own)
    window.viewer.layers.selection.active = window.layers.image_layer
    window.until(lambda: source.source is Source.SAMPLE)
    window.viewer.layers.selection.active = own
    window.until(lambda: source.layer is own)
    window.show("c")
    window.until(lambda: source.source is Source.SAMPLE)


def test_the_whole_dataset_stays_chosen_while_samples_go_by(window: Window) -> None:
    window.choose(Source.DATASET)
    window.show("c")
    window.qtbot.wait(50)
    assert window.dock.source.source is Source.DATASET


def test_the_source_stays_while_a_job_runs_and_follows_after_it(window: Window) -> None:
    gate = window.gate()
    window.press()
    window.wait_for_gate(gate)
    own = window.viewer.add_image(np.eye(40, dtype=np.uint8), name="one")
    window.until(lambda: window.dock.source.box.count() == 3)
    assert window.dock.source.source is Source.SAMPLE
    gate.let_through()
    window.until(lambda: window.dock.source.layer is own)


def test_a_dock_that_is_opened_again_fills_the_layer_that_it_made(window: Window) -> None:
    image = np.where(squares((60, 60), (10, 10)) > 0, 200, 20).astype(np.uint8)
    window.viewer.add_image(image, name="mine")
    window.choose(Source.LAYER)
    window.segment()
    names = [layer.name for layer in window.viewer.layers]
    assert "mine nuclei" in names
    window.viewer.window.remove_dock_widget(window.dock)
    window.dock = SegmentDock(window.viewer)
    window.viewer.window.add_dock_widget(window.dock, name="Segment")
    window.choose(Source.LAYER)
    window.segment()
    assert [layer.name for layer in window.viewer.layers] == names


# --- one sample


def test_a_press_segments_the_sample_on_show_and_keeps_the_prediction(window: Window) -> None:
    assert not window.labels.any()
    window.segment()
    assert len(np.unique(window.labels)) == 4
    assert "3 nuclei" in window.status
    window.settle()
    folder = window.session.folder_of(window.session["b"])
    assert np.array_equal(read_prediction(folder)[0], window.labels)
    assert read_state(folder).status is Status.PREDICTED
    assert window.session.state_of(window.session["b"]).status is Status.PREDICTED
    assert window.session.counts["b"] == 3
    assert not window.layers.draft.unsaved


def test_the_dock_starts_with_the_model_and_names_the_device(window: Window) -> None:
    assert window.dock.models.currentText() == "tiny"
    assert window.dock.thresholds.config == window.session.model.decode
    window.until(lambda: window.dock.badge.name.text() in ("CPU", "CUDA", "CoreML", "DirectML"))
    assert window.dock.badge.reason.text()


def test_sliders_decode_the_kept_maps_again(window: Window) -> None:
    window.segment()
    maps = window.session.maps("b")
    window.dock.segmenter.segment = None  # a slider that ran the network would fail
    before = window.labels
    for value in (0.2, 0.9, 0.95):
        move_slider(window, "foreground", value)
    move_slider(window, "min_area", 30)
    window.settle()
    assert window.session.decode.foreground == 0.95
    assert (window.labels > 0).sum() < (before > 0).sum()
    expected = labels_from_maps(maps, window.session.decode)
    assert np.array_equal(window.labels > 0, expected > 0)
    kept, _ = read_prediction(window.session.folder_of(window.session["b"]))
    assert np.array_equal(kept, expected)


def test_a_slider_is_drawn_with_the_labels_that_follow_it(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.segment()
    monkeypatch.setattr(window.dock._blink, "start", lambda: None)  # nothing but labels end it
    move_slider(window, "foreground", 0.9)
    assert not window.dock.thresholds.updatesEnabled()
    window.settle()
    assert window.dock.thresholds.updatesEnabled()


class Paints(QObject):
    """Counts how often a widget is drawn."""

    times = 0

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        self.times += event.type() == QEvent.Type.Paint
        return False


def test_a_slider_that_is_moved_is_not_drawn_before_the_hold(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    thresholds, paints = window.dock.thresholds, Paints()
    monkeypatch.setattr(window.dock._blink, "start", lambda: None)
    monkeypatch.setattr(window.dock, "_redecode", lambda: True)  # nor any labels
    thresholds.control("foreground").slider.installEventFilter(paints)
    thresholds.setParent(None)
    thresholds.show()
    window.until(lambda: paints.times > 0)
    QApplication.processEvents()
    before = paints.times
    move_slider(window, "foreground", 0.9)
    for _ in range(5):
        QApplication.processEvents()
    assert paints.times == before
    window.dock._blink.end()
    window.until(lambda: paints.times > before)


def test_a_slider_without_maps_waits_for_the_next_run(window: Window) -> None:
    move_slider(window, "min_area", 5000)
    assert window.dock.thresholds.updatesEnabled()
    window.settle()
    assert not window.labels.any()
    window.segment()
    assert "no nuclei" in window.status


def test_thresholds_moved_while_the_network_runs_count(window: Window) -> None:
    gate = window.gate()
    window.press()
    window.wait_for_gate(gate)
    move_slider(window, "min_area", 5000)
    gate.let_through()
    window.until(lambda: not window.dock.segmenter.is_running)
    window.settle()
    assert not window.labels.any()


def test_reset_goes_back_to_the_models_thresholds(window: Window) -> None:
    move_slider(window, "foreground", 0.8)
    window.qtbot.mouseClick(window.dock.reset, Qt.MouseButton.LeftButton)
    assert window.session.decode == window.session.model.decode
    assert window.dock.thresholds.config == window.session.model.decode


def test_thresholds_set_elsewhere_are_shown(window: Window) -> None:
    window.session.set_decode(DecodeConfig(foreground=0.33))
    assert window.dock.thresholds.control("foreground").box.value() == 0.33


def test_what_a_hand_touched_is_changed_by_neither_slider_nor_prediction(window: Window) -> None:
    window.segment()
    touched = int(window.labels[20, 20])
    paint(window, (32, 20), touched)
    new = int(window.labels.max()) + 1
    paint(window, (100, 20), new)
    mine = {each: window.labels == each for each in (touched, new)}
    move_slider(window, "foreground", 0.9)
    window.settle()
    window.segment()
    move_slider(window, "min_area", 9000)
    window.settle()
    for each, mask in mine.items():
        assert np.array_equal(window.labels == each, mask)
    assert set(np.unique(window.labels)) == {0, touched, new}
    assert window.layers.draft.unsaved


def test_what_was_drawn_while_the_network_ran_stays(window: Window) -> None:
    gate = window.gate()
    window.press()
    window.wait_for_gate(gate)
    paint(window, (100, 20), 7)
    drawn = window.labels == 7
    gate.let_through()
    window.until(lambda: not window.dock.segmenter.is_running)
    assert np.array_equal(window.labels == 7, drawn)
    assert len(np.unique(window.labels)) == 5


def test_an_annotated_sample_keeps_its_labels(window: Window) -> None:
    window.show("a")
    before = window.labels
    window.segment()
    assert np.array_equal(window.labels, before)
    assert "beside the labels, which stay" in window.status
    assert "prediction" in [layer.name for layer in window.viewer.layers]


def test_maps_are_shown_on_demand_and_go_with_the_sample(window: Window) -> None:
    def names() -> list[str]:
        return [layer.name for layer in window.viewer.layers]

    window.dock.show_maps.setChecked(True)
    window.segment()
    assert {"foreground", "distance", "border"} <= set(names())
    window.show("c")
    assert "foreground" not in names()
    window.show("b")
    window.until(lambda: "foreground" in names())
    window.dock.show_maps.setChecked(False)
    assert "foreground" not in names()
    assert [kind for kind, _ in window.dock.source._entries] == [Source.SAMPLE, Source.DATASET]


# --- in the middle of it


def test_a_double_press_runs_once(window: Window) -> None:
    gate = window.gate()
    button = window.dock.run_bar.start_button
    window.qtbot.mouseDClick(button, Qt.MouseButton.LeftButton)
    window.press()
    window.press()
    window.wait_for_gate(gate)
    gate.let_through(5)
    window.until(lambda: not window.dock.segmenter.is_running)
    assert gate.calls == 1
    assert "3 nuclei" in window.status


def test_cancel_frees_the_dock_at_once_and_nothing_is_shown_later(window: Window) -> None:
    gate = window.gate()
    window.press()
    window.wait_for_gate(gate)
    job = window.dock.segmenter._job
    window.qtbot.mouseClick(window.dock.run_bar.cancel_button, Qt.MouseButton.LeftButton)
    # The thread still waits in the network, and the dock does not wait for it.
    assert not window.dock.segmenter.is_running
    assert window.status == "Cancelled."
    assert window.dock.run_bar.start_button.isEnabled()
    gate.let_through(2)
    window.until(lambda: not job.is_running)
    assert not window.labels.any()
    window.segment()
    assert len(np.unique(window.labels)) == 4


def test_a_result_lands_on_its_own_sample(window: Window) -> None:
    gate = window.gate()
    window.press()
    window.wait_for_gate(gate)
    window.show("c")
    gate.let_through()
    window.until(lambda: not window.dock.segmenter.is_running)
    assert not window.labels.any()
    assert "b: 3 nuclei, kept" in window.status
    window.settle()
    assert read_state(window.session.folder_of(window.session["b"])).status is Status.PREDICTED
    assert read_state(window.session.folder_of(window.session["c"])).status is Status.UNLABELLED
    window.show("b")
    window.until(lambda: len(np.unique(window.labels)) == 4)
    assert window.session.maps("b") is not None


def test_a_result_for_a_layer_that_was_deleted_comes_in_a_new_one(window: Window) -> None:
    gate = window.gate()
    window.press()
    window.wait_for_gate(gate)
    window.viewer.layers.remove(window.layers.labels_layer)
    gate.let_through()
    window.until(lambda: not window.dock.segmenter.is_running)
    assert len(np.unique(window.labels)) == 4
    assert window.layers.labels_layer in window.viewer.layers


def test_another_model_cancels_what_the_old_one_was_about_to_say(
    window: Window, tmp_path: Path
) -> None:
    gate = window.gate()
    window.press()
    window.wait_for_gate(gate)
    window.session.set_model(write_tiny_model(tmp_path / "other"))
    assert not window.dock.segmenter.is_running
    assert "another model" in window.status
    gate.let_through()


def test_closing_the_dataset_stops_the_job(window: Window) -> None:
    gate = window.gate()
    window.choose(Source.DATASET)
    window.press()
    window.wait_for_gate(gate)
    window.session.close_dataset()
    assert not window.dock.segmenter.is_running
    gate.let_through(4)


def remove_from_window(window: Window) -> None:
    window.viewer.window.remove_dock_widget(window.dock)  # as the cross on the dock does


def delete(window: Window) -> None:
    window.dock.deleteLater()


@pytest.mark.parametrize("close", [remove_from_window, delete])
def test_a_dock_that_is_closed_while_it_runs_hears_nothing_more(
    window: Window, close: Callable[[Window], None]
) -> None:
    gate = window.gate()
    window.press()
    window.wait_for_gate(gate)
    job = window.dock.segmenter._job
    with window.qtbot.waitSignal(window.dock.destroyed):
        close(window)
    gate.let_through()
    assert job.wait(30)
    window.session.set_decode(DecodeConfig(foreground=0.1))
    window.session.select("c")
    window.until(lambda: window.layers.sample is window.session["c"])
    assert not window.labels.any()
    window.settle = lambda: None


CLOSE_IN_THE_MIDDLE = """
import sys, time
import napari, numpy as np
from qtpy.QtCore import QTimer
from gates import GatedPredictor
from napari_nucleiseg._qt.docks import show_dock
from napari_nucleiseg.session import session_for

viewer = napari.Viewer()
session = session_for(viewer)
session.set_model(sys.argv[1])
gate = session._predictor = GatedPredictor(session.model)
dock = show_dock(viewer, "Segment")
viewer.add_image(np.zeros((64, 64), np.uint8), contrast_limits=(0, 255))

def step():
    dock.run_bar.start_button.click()
    if not gate.calls:
        return
    timer.stop()
    print("closing", flush=True)
    viewer.close()

timer = QTimer()
timer.timeout.connect(step)
timer.start(50)
napari.run()
"""


def test_a_window_that_is_closed_while_the_network_runs_lets_the_process_end(
    qapp: Any, tmp_path: Path
) -> None:
    folder = write_tiny_model(tmp_path / "tiny").folder
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    process = subprocess.Popen(
        [sys.executable, "-c", CLOSE_IN_THE_MIDDLE, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )
    try:
        assert any("closing" in line for line in process.stdout)
        # The network would hold the thread for a minute.
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0, said
    assert "Traceback" not in said


# --- layers


def test_an_image_layer_gets_labels_where_it_lies(window: Window) -> None:
    labels = squares((60, 80), (10, 10), (30, 50))
    image = np.where(labels > 0, 200, 20).astype(np.uint8)
    layer = window.viewer.add_image(image, name="mine", scale=(2, 3), translate=(100, 200))
    window.choose(Source.LAYER)
    window.segment()
    result = window.viewer.layers["mine nuclei"]
    assert len(np.unique(result.data)) == 3
    assert np.array_equal(result.scale, layer.scale)
    assert np.array_equal(result.translate, layer.translate)
    assert not window.labels.any()
    move_slider(window, "min_area", 9000)
    window.settle()
    assert not result.data.any()


def test_an_image_that_has_another_size_by_now_gets_a_new_layer(window: Window) -> None:
    layer = window.viewer.add_image(np.eye(60, dtype=np.uint8) * 200, name="mine")
    window.choose(Source.LAYER)
    window.segment()
    layer.data = np.eye(80, dtype=np.uint8) * 200
    window.segment()
    made = [each for each in window.viewer.layers if each.name.startswith("mine nuclei")]
    assert [each.data.shape[0] for each in made] == [60, 80]


def test_a_fault_frees_the_dock(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a fault of the program")

    monkeypatch.setattr(SampleSubject, "show", fail)
    with window.qtbot.captureExceptions() as faults:
        window.press()
        window.until(lambda: not window.dock.run_bar.is_running)
    assert [kind for kind, *_ in faults] == [ZeroDivisionError]
    assert "Segmenting failed" in window.status
    assert window.dock.run_bar.start_button.isEnabled()


def test_without_a_dataset_an_image_in_napari_is_enough(
    viewer: Any, tmp_path: Path, qtbot: QtBot
) -> None:
    session_for(viewer).set_model(write_tiny_model(tmp_path / "tiny"))
    dock = SegmentDock(viewer)
    viewer.window.add_dock_widget(dock)
    assert not dock.run_bar.start_button.isEnabled()
    assert "Open a dataset" in dock.run_bar.status.text()
    labels = squares((60, 80), (10, 10), (30, 50))
    viewer.add_image(np.where(labels > 0, 200, 20).astype(np.uint8), name="mine")
    qtbot.waitUntil(dock.run_bar.start_button.isEnabled)
    dock.run_bar.start_button.click()
    qtbot.waitUntil(lambda: "mine nuclei" in [layer.name for layer in viewer.layers])
    viewer.layers.clear()
    qtbot.waitUntil(lambda: not dock.run_bar.start_button.isEnabled())


def test_an_image_that_cannot_be_segmented_says_why(window: Window) -> None:
    window.viewer.add_image(np.full((40, 40), np.nan), contrast_limits=(0, 1))
    window.choose(Source.LAYER)
    window.segment()
    assert "not finite" in window.status
    assert window.dock.run_bar.start_button.isEnabled()


# --- the whole dataset


def test_all_images_can_be_chosen_in_a_row_that_says_what_for(window: Window) -> None:
    box = window.dock.source.box
    label = window.dock.choices.labelForField(window.dock.source)
    assert label.text() == "Segment"
    entries = [box.itemText(row) for row in range(box.count())]
    assert entries[0].startswith("This image: ")
    assert entries[-1] == "Whole dataset (4)"


def test_the_dataset_is_segmented_but_for_what_a_person_made(window: Window) -> None:
    labels = squares((EDGE, EDGE), (10, 10))
    window.session.save(window.session["c"], labels)
    window.choose(Source.DATASET)
    assert window.dock.run_bar.start_button.text() == "Segment all"
    window.segment()
    assert "2 of 2" in window.status
    states = {each: window.session.state_of(window.session[each]).status for each in "abcd"}
    assert states["b"] is states["d"] is Status.PREDICTED
    assert states["c"] is Status.CORRECTED
    assert read_prediction(window.session.folder_of(window.session["a"])) is None
    assert read_prediction(window.session.folder_of(window.session["c"])) is None
    assert len(np.unique(window.labels)) == 4  # `b` is on show
    assert window.session.maps("d") is not None


def test_a_cancelled_run_keeps_what_is_done_and_goes_on_from_there(window: Window) -> None:
    gate = window.gate()
    window.choose(Source.DATASET)
    window.press()
    gate.let_through(2)
    window.wait_for_gate(gate, 3)
    window.qtbot.mouseClick(window.dock.run_bar.cancel_button, Qt.MouseButton.LeftButton)
    assert not window.dock.segmenter.is_running
    gate.let_through()
    done = [
        each
        for each in "abcd"
        if read_prediction(window.session.folder_of(window.session[each])) is not None
    ]
    assert done == ["b", "c"]
    window.until(
        lambda: (
            [
                each
                for each in "abcd"
                if window.session.state_of(window.session[each]).status is Status.PREDICTED
            ]
            == done
        )
    )


def test_other_samples_can_be_looked_at_meanwhile(window: Window) -> None:
    gate = window.gate()
    window.choose(Source.DATASET)
    window.press()
    window.wait_for_gate(gate)
    window.show("d")
    paint(window, (100, 20), 9)
    drawn = window.labels == 9
    gate.let_through(3)
    window.until(lambda: not window.dock.segmenter.is_running)
    assert np.array_equal(window.labels == 9, drawn)
    assert len(np.unique(window.labels)) == 5


def test_a_sample_that_is_corrected_meanwhile_keeps_its_labels_and_its_count(
    window: Window,
) -> None:
    gate = window.gate()
    window.choose(Source.DATASET)
    window.press()
    window.wait_for_gate(gate)
    window.session.save(window.session["b"], squares((EDGE, EDGE), (10, 10)))
    gate.let_through(3)
    window.until(lambda: not window.dock.segmenter.is_running)
    assert window.session.state_of(window.session["b"]).status is Status.CORRECTED
    assert window.session.counts["b"] == 1
    assert not window.labels.any(), "what was on show stays"


def test_a_damaged_sample_does_not_stop_the_others(window: Window) -> None:
    image = window.session["c"].image_path
    image.write_bytes(image.read_bytes()[:60])
    window.choose(Source.DATASET)
    window.segment()
    assert "2 of 3" in window.status
    assert image.name in window.status


def test_a_dataset_that_cannot_be_written_to_is_not_segmented_as_a_whole(window: Window) -> None:
    window.session.read_only = "Somebody else has it open."
    window.session.read_only_changed.emit(window.session.read_only)
    window.choose(Source.DATASET)
    assert not window.dock.run_bar.start_button.isEnabled()
    assert "Somebody else" in window.dock.run_bar.start_button.toolTip()
    window.choose(Source.SAMPLE)
    window.segment()
    assert len(np.unique(window.labels)) == 4
    window.settle()
    assert read_prediction(window.session.folder_of(window.session["b"])) is None


# --- models and sizes


def test_a_refused_folder_says_why_and_leaves_the_model_in_use(
    window: Window, tmp_path: Path
) -> None:
    before = window.session.model
    bad = Path(shutil.copytree(before.folder, tmp_path / "bad"))
    (bad / "network.onnx").write_bytes(b"no network")
    window.dock.models.folder_chosen.emit(bad)
    window.until(lambda: "network.onnx" in window.status)
    assert window.session.model is before
    assert window.dock.models.currentText() == "tiny"
    window.segment()
    assert len(np.unique(window.labels)) == 4


def test_a_good_folder_is_used(window: Window, tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "gift", diameter=33)
    window.dock.models.folder_chosen.emit(tmp_path / "gift")
    window.until(lambda: window.session.model.name == "gift")
    assert window.dock.models.currentText() == "gift"


def test_a_diameter_reaches_the_network(window: Window) -> None:
    box = window.dock.prediction.control("diameter").box
    assert box.text() == "automatic"
    box.setValue(40)
    assert window.session.predict_config == PredictConfig(diameter=40)
    window.session.set_predict_config(PredictConfig(diameter=25))
    assert box.value() == 25


def test_fine_detail_reaches_the_network_and_outlives_a_measurement(window: Window) -> None:
    box = window.dock.prediction.control("detail").native
    assert not box.isChecked()
    box.setChecked(True)
    assert window.session.predict_config == PredictConfig(detail=True)
    window.segment()
    window.qtbot.mouseClick(window.dock.measure, Qt.MouseButton.LeftButton)
    assert window.session.predict_config.detail
    assert window.session.predict_config.diameter > 0


def test_measuring_takes_what_was_drawn_rather_than_what_was_found(window: Window) -> None:
    window.qtbot.mouseClick(window.dock.measure, Qt.MouseButton.LeftButton)
    assert "no nucleus" in window.status
    window.segment()
    window.layers.labels_layer.data_setitem(
        tuple(each.ravel() for each in np.mgrid[80:120, 10:50]), 50
    )
    window.qtbot.mouseClick(window.dock.measure, Qt.MouseButton.LeftButton)
    assert window.session.predict_config.diameter == 45  # of a circle of 40 x 40 px

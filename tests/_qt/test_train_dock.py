"""The Train dock in a real window; the engine's child runs `train_fakes`."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from qtpy.QtCore import Qt
from squares import EDGE, squares, write_sample
from tiny_models import write_tiny_model

from napari_nucleiseg._qt import opening as opening_module
from napari_nucleiseg._qt import train_dock
from napari_nucleiseg._qt.layers import layers_for
from napari_nucleiseg._qt.learning import AP_50, LOSS, TRAIN_AP_50
from napari_nucleiseg._qt.train_dock import TrainDock
from napari_nucleiseg._qt.train_form import ENCODER, MODEL, NOTHING
from napari_nucleiseg.engine import Engine, EngineState
from napari_nucleiseg.models import find_model, user_models_folder
from napari_nucleiseg.presets import Preset
from napari_nucleiseg.runs import runs_folder, unfinished_run
from napari_nucleiseg.sample_files import read_states
from napari_nucleiseg.session import session_for
from napari_nucleiseg.state import SampleState, Status

SHAPE = (EDGE, EDGE)
TESTS = Path(__file__).parent.parent


@pytest.fixture
def session(viewer, tmp_path, monkeypatch):
    """A viewer's session: `a` to `d` have masks, `e` and `f` have none."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    for number, name in enumerate("abcdef"):
        # Equal images would count as one field of view.
        labels = squares(SHAPE, (10, 10 + number), (50, 50))
        write_sample(tmp_path / "my data" / name, labels, masks=name < "e")
    write_tiny_model(user_models_folder() / "old one")
    viewer.show()  # the engine starts with the first sight of the dock
    session = session_for(viewer)
    session.viewer_of_test = viewer
    session.open_dataset(tmp_path / "my data")
    session.set_model("old one")
    return session


@pytest.fixture
def dock(session, qtbot):
    engine = Engine("train_fakes:JOBS")
    dock = TrainDock(session.viewer_of_test, session, engine)
    session.viewer_of_test.window.add_dock_widget(dock, name="Train")
    yield dock
    engine.close()


def press(qtbot, button):
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def wait_for_end(dock, qtbot):
    qtbot.waitUntil(lambda: not dock.page.run_bar.is_running, timeout=60_000)


def train(dock, qtbot, name="new one"):
    dock.page.form.name.setText(name)
    press(qtbot, dock.page.run_bar.start_button)
    wait_for_end(dock, qtbot)


# --- before the start


def test_only_what_somebody_looked_at_is_trained_on(dock, session, qtbot):
    form = dock.page.form
    assert "<b>0</b> approved, <b>0</b> corrected" in form.counts.text()
    assert "Not trained on: 2" in form.counts.text()
    assert [each.id for each in form.samples] == list("abcd"), "nothing else to learn from"
    session.note_state("e", SampleState(Status.PREDICTED, "old one"))
    session.note_state("f", SampleState(Status.CORRECTED))
    session.note_state("a", SampleState(Status.APPROVED))
    counted = "<b>1</b> approved, <b>1</b> corrected"
    qtbot.waitUntil(lambda: counted in form.counts.text())
    assert "Not trained on: 1" in form.counts.text()
    assert [each.id for each in form.samples] == ["a", "f"]
    form.also_annotated.click()
    assert [each.id for each in form.samples] == list("afbcd")
    session.note_state("b", SampleState(Status.CORRECTED))
    qtbot.waitUntil(lambda: "<b>2</b> corrected" in form.counts.text())
    assert form.also_annotated.isChecked(), "the person has decided"


def test_it_is_said_how_many_images_will_be_held_out(dock, session):
    form = dock.page.form
    assert "About 1 of 4 images will be held out" in form.counts.text()
    form.details.config = replace(form.config, validation=0.5)
    form.changed.emit()
    assert "About 2 of 4 images" in form.counts.text()
    form.also_annotated.click()
    assert "held out" not in form.counts.text()


def test_it_is_said_beforehand_where_the_models_cannot_be_compared(dock, session, qtbot):
    form = dock.page.form
    split = {"train": ["a", "b", "c", "d"]}
    old = replace(session.model, info={"training": {"dataset": "my data", "split": split}})
    form.show_model(old)
    words = "The models cannot be compared: old one has learned from all of these images."
    qtbot.waitUntil(lambda: words in form.counts.text())
    assert "held out" not in form.counts.text()
    session.set_model(old)
    form.start_from.setCurrentText(NOTHING)
    qtbot.waitUntil(lambda: words in form.counts.text(), timeout=10_000)
    for name in "ef":
        session.note_state(name, SampleState(Status.CORRECTED))
    qtbot.waitUntil(lambda: "will be held out" in form.counts.text())


def test_what_was_held_out_before_is_promised_again(dock, session, qtbot):
    split = {"train": ["a", "b"], "validation": ["c", "d"]}
    info = {"training": {"dataset": "my data", "split": split}}
    dock.page.form.show_model(replace(session.model, info=info))
    qtbot.waitUntil(lambda: "About 2 of 4 images" in dock.page.form.counts.text())


def test_too_little_to_train_on_is_said(dock):
    dock.page.form.also_annotated.click()
    assert not dock.page.run_bar.start_button.isEnabled()
    assert "two images" in dock.page.run_bar.start_button.toolTip()
    assert "tick “Also 4 images that came with masks”" in dock.page.run_bar.status.text()
    assert dock.page.estimate.text() == ""
    dock.page.form.also_annotated.click()
    assert dock.page.run_bar.start_button.isEnabled()
    assert dock.page.run_bar.status.text() == ""
    assert "on 4 images" in dock.page.estimate.text()


def test_one_correction_leaves_ready_what_was_ready_to_train(dock, session, qtbot):
    form = dock.page.form
    session.note_state("e", SampleState(Status.APPROVED))
    qtbot.waitUntil(lambda: "<b>1</b> approved" in form.counts.text())
    assert form.also_annotated.isChecked(), "one image alone is too few"
    assert dock.page.run_bar.start_button.isEnabled()
    session.note_state("f", SampleState(Status.CORRECTED))
    qtbot.waitUntil(lambda: "<b>1</b> corrected" in form.counts.text())
    assert not form.also_annotated.isChecked()
    assert dock.page.run_bar.start_button.isEnabled()
    session.note_state("e", SampleState(Status.UNLABELLED))
    qtbot.waitUntil(lambda: "<b>0</b> approved" in form.counts.text())
    assert form.also_annotated.isChecked()
    form.also_annotated.click()
    session.note_state("f", SampleState(Status.UNLABELLED))
    qtbot.waitUntil(lambda: "<b>0</b> corrected" in form.counts.text())
    assert not form.also_annotated.isChecked(), "the person has decided"
    assert "tick “Also" in dock.page.run_bar.start_button.toolTip()


def test_a_box_that_could_not_help_is_not_spoken_of(dock, session, tmp_path):
    write_sample(tmp_path / "other" / "z", squares(SHAPE, (20, 20)), masks=True)
    session.open_dataset(tmp_path / "other")
    assert "two images" in dock.page.run_bar.status.text()
    assert "tick" not in dock.page.run_bar.status.text()


def test_presets_and_parts_set_the_details_and_the_estimate(dock):
    form = dock.page.form
    quick, first = form.config, dock.page.estimate.text()
    assert quick.network == find_model("old one").network
    assert quick.freeze_encoder, "there is no time for more"
    form.presets.setCurrentIndex(form.presets.findData(Preset.THOROUGH))
    assert form.config.steps > quick.steps
    assert not form.config.freeze_encoder
    form.parts.setCurrentIndex(form.parts.findData(True))
    assert form.config.freeze_encoder
    assert dock.page.estimate.text() != first
    form.start_from.setCurrentText(NOTHING)
    assert form.start is None
    assert not form.config.freeze_encoder, "random weights have nothing worth keeping"


def test_the_engine_starts_with_the_dock(dock, qtbot):
    qtbot.waitUntil(lambda: dock._engine.state is EngineState.READY, timeout=30_000)


def test_it_fits_into_320_px(dock):
    assert dock.minimumWidth() <= 320


def test_many_changes_of_states_are_looked_through_once(dock, session, qtbot, monkeypatch):
    times = []
    real = train_dock.sort_by_truth
    monkeypatch.setattr(train_dock, "sort_by_truth", lambda *given: times.append(1) or real(*given))
    for _ in range(20):
        session.note_state("e", SampleState(Status.CORRECTED))
    assert not times
    qtbot.waitUntil(lambda: "<b>1</b> corrected" in dock.page.form.counts.text())
    assert len(times) == 1


def test_the_classic_preset_starts_from_an_encoder_with_a_network_of_its_own(dock):
    form = dock.page.form
    form.presets.setCurrentIndex(form.presets.findData(Preset.CLASSIC))
    assert form.start_from.currentText() == ENCODER
    assert (form.config.network, form.config.freeze_encoder) == ("mobilenetv2-unet", True)
    form.start_from.setCurrentText(MODEL)
    assert form.preset is Preset.QUICK, "the model is of another network"
    assert form.config.network == form.start.network == "nuclei"


def test_little_memory_makes_the_batch_small_and_says_so(dock, monkeypatch):
    quick = dock.page.form.config
    monkeypatch.setattr("napari_nucleiseg._qt.train_form.free_memory", lambda: 3 * 2**30)
    dock.page.form.parts.setCurrentIndex(1)
    assert dock.page.form.config.batch < quick.batch
    assert f"{dock.page.form.config.batch} crops of" in dock.page.estimate.text()


def test_what_the_start_has_learned_from_is_counted_and_mixed_in(dock, session, qtbot):
    assert not dock.page.form.mix_old.isVisible()
    session.note_state("e", SampleState(Status.CORRECTED))
    session.note_state("f", SampleState(Status.CORRECTED))
    split = {"train": ["a", "b", "c", "e", "elsewhere"]}
    old = replace(session.model, info={"training": {"dataset": "my data", "split": split}})
    dock.page.form.show_model(old)
    qtbot.waitUntil(dock.page.form.mix_old.isVisible)
    qtbot.waitUntil(lambda: "<b>2</b> corrected" in dock.page.form.counts.text())
    assert "Mix in 3 images" in dock.page.form.mix_old.text(), "e is trained on anyway"
    assert dock.page.form.mix_old.isChecked()
    dock.page.form.start_from.setCurrentText(NOTHING)
    assert not dock.page.form.mix_old.isVisible()


def test_the_device_is_named_with_the_reason(dock, qtbot):
    qtbot.waitUntil(lambda: dock.page.badge.name.text() == "CPU", timeout=60_000)
    assert dock.page.badge.reason.text() == "A fake card."


# --- the loop


def test_train_compare_use_and_go_back(dock, session, qtbot):
    train(dock, qtbot)
    assert dock.pages.currentWidget() is dock.trial.gate
    assert session.model.name == "old one", "nobody has agreed yet"
    assert len(dock.page.learning.loss.points[LOSS]) == 20
    for name in (AP_50, TRAIN_AP_50):
        assert [step for step, _ in dock.page.learning.scores.points[name]] == [5, 10, 15, 20]
    assert dock.trial.gate.table.ids == ["d"], "the image that was held out"
    old, new, _ = dock.trial.gate.cells["AP .5"]
    assert (old.text(), new.text()) == ("1.000", "1.000")
    press(qtbot, dock.trial.gate.use)
    qtbot.waitUntil(lambda: session.model.name == "new-one", timeout=30_000)
    assert session.model.folder.parent == user_models_folder()
    assert dock.pages.currentIndex() == 0
    press(qtbot, dock.trial.back)
    assert session.model.name == "old one"


def test_a_held_out_image_is_shown_beside_the_first_one(dock, qtbot):
    train(dock, qtbot)
    press(qtbot, dock.trial.gate.keep)
    learning = dock.page.learning
    assert learning.now_caption.text() == "after step 20"
    grey = [
        each.pixmap().toImage().pixelColor(3, 3).red() for each in (learning.before, learning.now)
    ]
    assert grey == [50, 200], "the picture of step 5, and that of step 20"


def test_the_command_for_tensorboard_is_copied(dock, qtbot, qapp):
    train(dock, qtbot)
    press(qtbot, dock.trial.gate.keep)
    press(qtbot, dock.page.learning.tensorboard)
    folder = runs_folder() / "new-one" / "tensorboard"
    assert qapp.clipboard().text() == f'tensorboard --logdir "{folder}"'


def test_what_is_to_be_known_stays_in_sight(dock, qtbot):
    train(dock, qtbot)
    press(qtbot, dock.trial.gate.keep)
    assert dock.page.notes.text() == "A thing to know."
    assert dock.page.notes.isVisible()


def test_the_verdict_is_in_sight_at_once(dock, session, qtbot):
    session.viewer_of_test.window._qt_window.resize(1280, 800)
    train(dock, qtbot)
    qtbot.waitUntil(lambda: dock.trial.gate.height() <= dock.viewport().height())
    assert not dock.trial.gate.use.visibleRegion().isEmpty()


def test_keeping_the_old_model_goes_back_to_the_form(dock, session, qtbot):
    train(dock, qtbot)
    press(qtbot, dock.trial.gate.keep)
    assert session.model.name == "old one"
    assert dock.pages.currentIndex() == 0
    assert not dock.page.unfinished.isVisible(), "it has come to its end"


def test_a_model_that_nobody_decided_on_is_offered_again(dock, session, qtbot):
    train(dock, qtbot)
    other = TrainDock(session.viewer_of_test, session, Engine("train_fakes:JOBS"))
    qtbot.addWidget(other)
    assert other.page.unfinished.resume.text() == "Decide on new-one"
    assert other.page.unfinished.finish.text() == "Do not use new-one"
    (run,) = runs_folder().iterdir()
    (run / "request.json").write_text(
        (run / "request.json").read_text().replace('"start": "', '"start": "gone-')
    )
    press(qtbot, other.page.unfinished.resume)
    wait_for_end(other, qtbot)
    assert other.pages.currentWidget() is other.trial.gate, "also if what it began with is gone"
    third = TrainDock(session.viewer_of_test, session, Engine("train_fakes:JOBS"))
    qtbot.addWidget(third)
    press(qtbot, third.page.unfinished.finish)
    assert third.page.unfinished.isHidden()
    assert unfinished_run(session.dataset.root) is None


def test_a_model_is_not_decided_on_while_statuses_are_read(dock, session, qtbot, monkeypatch):
    train(dock, qtbot)
    other = TrainDock(session.viewer_of_test, session, Engine("train_fakes:JOBS"))
    qtbot.addWidget(other)
    go = threading.Event()

    def slow(places):
        go.wait(30)
        yield from read_states(places)

    monkeypatch.setattr(opening_module, "read_states", slow)
    opening = layers_for(session.viewer_of_test).opening
    opening.open(session.dataset.root)
    qtbot.waitUntil(lambda: opening.is_scanning)
    press(qtbot, other.page.unfinished.resume)
    assert "still being looked through" in other.page.run_bar.status.text()
    go.set()
    qtbot.waitUntil(lambda: not opening.is_scanning)
    press(qtbot, other.page.unfinished.resume)
    wait_for_end(other, qtbot)
    assert other.pages.currentWidget() is other.trial.gate


def test_a_row_of_the_gate_opens_its_image(dock, session, qtbot):
    train(dock, qtbot)
    gate = dock.trial.gate
    assert gate.old_picture.height() == gate.new_picture.height() == 0
    gate.table.selectRow(0)
    for picture in (gate.old_picture, gate.new_picture):
        assert not picture.pixmap().isNull(), "side by side"
    layers = layers_for(session.viewer_of_test)
    qtbot.waitUntil(lambda: layers.sample is not None and layers.sample.id == "d")


# --- stopping, going on, failing


def start_slow(dock, qtbot, name="slow"):
    dock.page.form.name.setText(name)
    press(qtbot, dock.page.run_bar.start_button)
    assert not dock.page.form.isVisible(), "the curves stand in its place"


def wait_for_validation(dock, qtbot):
    qtbot.waitUntil(lambda: bool(dock.page.learning.scores.points[AP_50]), timeout=60_000)


def test_stop_makes_a_model_of_the_best_and_it_can_be_gone_on_with(dock, session, qtbot):
    start_slow(dock, qtbot)
    wait_for_validation(dock, qtbot)
    press(qtbot, dock.page.run_bar.cancel_button)
    qtbot.waitUntil(lambda: dock.pages.currentWidget() is dock.trial.gate, timeout=60_000)
    assert dock.page.form.presets.isEnabled()
    assert not dock.page.form.isHidden()
    assert dock.trial.gate.table.ids == ["d"], "its gate is that of a whole run"
    press(qtbot, dock.trial.gate.use)
    qtbot.waitUntil(lambda: session.model.name == "slow", timeout=30_000)
    assert dock.page.unfinished.resume.text() == "Resume slow"
    assert dock.page.unfinished.resume.isVisible()
    press(qtbot, dock.page.unfinished.resume)
    assert [step for step, _ in dock.page.learning.scores.points[AP_50]] == [5], (
        "what it had come to"
    )
    qtbot.waitUntil(lambda: dock.pages.currentWidget() is dock.trial.gate, timeout=60_000)
    assert [step for step, _ in dock.page.learning.loss.points[LOSS]][:2] == [5, 6]
    press(qtbot, dock.trial.gate.keep)
    assert not dock.page.unfinished.resume.isVisible(), "it has come to its end"


def test_stop_before_the_first_validation_keeps_nothing(dock, qtbot):
    start_slow(dock, qtbot, "early")
    qtbot.waitUntil(lambda: bool(dock.page.learning.loss.points[LOSS]), timeout=60_000)
    press(qtbot, dock.page.run_bar.cancel_button)
    wait_for_end(dock, qtbot)
    assert "nothing was learned" in dock.page.run_bar.status.text()
    assert dock.pages.currentIndex() == 0
    assert dock.page.unfinished.resume.isVisible()
    assert not dock.page.unfinished.finish.isEnabled()


def test_a_second_press_of_stop_leaves_it_at_that(dock, qtbot):
    start_slow(dock, qtbot)
    wait_for_validation(dock, qtbot)
    dock.page.run_bar.cancelled.emit()
    dock.page.run_bar.cancelled.emit()
    wait_for_end(dock, qtbot)
    assert "Stopped" in dock.page.run_bar.status.text()
    assert dock.pages.currentIndex() == 0
    assert dock.page.unfinished.resume.isVisible()
    press(qtbot, dock.page.unfinished.finish)
    qtbot.waitUntil(lambda: dock.pages.currentWidget() is dock.trial.gate, timeout=60_000)
    assert (runs_folder() / "slow" / "stopped").exists()


def test_another_dataset_ends_a_training_that_was_being_stopped(dock, session, qtbot, tmp_path):
    write_sample(tmp_path / "other" / "z", squares(SHAPE, (20, 20)), masks=True)
    start_slow(dock, qtbot)
    wait_for_validation(dock, qtbot)
    dock.page.run_bar.cancelled.emit()
    session.open_dataset(tmp_path / "other")
    wait_for_end(dock, qtbot)
    assert dock.pages.currentIndex() == 0, "it is not judged by images of another dataset"
    session.open_dataset(tmp_path / "my data")
    assert dock.page.unfinished.resume.text() == "Resume slow"
    assert dock.page.unfinished.resume.isVisible()


def test_a_child_that_is_killed_is_told_and_resumed(dock, qtbot):
    train(dock, qtbot, "dies")
    assert "SIGKILL" in dock.page.run_bar.status.text()
    assert dock.pages.currentIndex() == 0
    press(qtbot, dock.page.unfinished.resume)
    wait_for_end(dock, qtbot)
    assert dock.pages.currentWidget() is dock.trial.gate


def test_a_run_of_another_day_can_be_resumed(dock, session, qtbot):
    train(dock, qtbot, "dies")
    other = TrainDock(session.viewer_of_test, session, Engine("train_fakes:JOBS"))
    qtbot.addWidget(other)
    assert other.page.unfinished.resume.text() == "Resume dies"
    assert not other.page.unfinished.isHidden()


def test_a_refusal_is_shown(dock, qtbot):
    train(dock, qtbot, "refused")
    assert dock.page.run_bar.status.text() == "There is nothing to learn; annotate more."
    assert dock.page.run_bar.start_button.isEnabled()


def test_two_presses_start_one_training(dock, qtbot):
    dock.page.form.name.setText("slow")
    qtbot.mouseDClick(dock.page.run_bar.start_button, Qt.MouseButton.LeftButton)
    press(qtbot, dock.page.run_bar.start_button)
    press(qtbot, dock.page.run_bar.start_button)
    qtbot.waitUntil(lambda: bool(dock.page.learning.loss.points[LOSS]), timeout=60_000)
    assert [each.name for each in runs_folder().iterdir()] == ["slow"]
    press(qtbot, dock.page.run_bar.cancel_button)
    wait_for_end(dock, qtbot)


def test_a_dock_that_goes_ends_the_training_and_the_child(dock, session, qtbot):
    dock.page.form.name.setText("slow")
    press(qtbot, dock.page.run_bar.start_button)
    qtbot.waitUntil(lambda: bool(dock.page.learning.loss.points[LOSS]), timeout=60_000)
    engine = dock._engine
    session.viewer_of_test.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: engine.pid is None, timeout=30_000)

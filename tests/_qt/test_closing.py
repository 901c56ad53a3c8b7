"""Windows that are closed, and programs that are killed: nothing that was drawn is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from napari._qt import qt_main_window
from pytestqt.qtbot import QtBot
from qtpy.compat import isalive
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QDialog, QMessageBox
from squares import EDGE, squares, write_sample
from tiny_models import write_tiny_model

from napari_nucleiseg import sample_saving
from napari_nucleiseg._qt import closing, opening, saving
from napari_nucleiseg._qt.closing import rescue_folder
from napari_nucleiseg._qt.dataset_dock import DatasetDock
from napari_nucleiseg._qt.docks import dataset_dock
from napari_nucleiseg._qt.layers import layers_for
from napari_nucleiseg._qt.memory import correction_folder_of, remember_correction_folder
from napari_nucleiseg._qt.prediction_saver import PredictionSaver
from napari_nucleiseg._qt.workers import run_call, run_job
from napari_nucleiseg.atomic import SaveFailed
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.label_files import read_label_tif, write_label_image
from napari_nucleiseg.lock import DatasetLock
from napari_nucleiseg.models import user_models_folder
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.storage import read_prediction

TESTS = Path(__file__).parents[1]
DRAWN = squares((EDGE, EDGE), (70, 70))


class Desk:
    """A window of its own with the Dataset dock."""

    def __init__(self, qtbot: QtBot) -> None:
        self.qtbot = qtbot
        self.viewer = napari.Viewer(show=False, show_welcome_screen=False)
        self.window = self.viewer.window._qt_window
        self.dock: DatasetDock = dataset_dock(self.viewer)
        self.layers = layers_for(self.viewer)

    def open(self, folder: Path, sample_id: str = "b") -> None:
        self.dock.opening.open(folder)
        self.until(lambda: self.layers.session.dataset is not None)
        self.layers.session.select(sample_id)
        self.until(lambda: self.layers.sample is self.layers.session[sample_id])
        self.until(lambda: not self.layers.is_loading)

    def until(self, condition: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(condition, timeout=30_000)

    def draw(self) -> None:
        layer = self.layers.labels_layer
        layer.data_setitem(np.nonzero(DRAWN), DRAWN[DRAWN > 0])


@pytest.fixture
def desks(qtbot: QtBot) -> Iterator[Callable[[], Desk]]:
    made: list[Desk] = []

    def make() -> Desk:
        made.append(Desk(qtbot))
        return made[-1]

    yield make
    for desk in made:
        desk.layers.session.pending.clear()
        if isalive(desk.window):
            desk.window.close()
    QApplication.sendPostedEvents()
    QApplication.processEvents()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the person was told in a message, which they dismissed."""
    texts: list[str] = []
    monkeypatch.setattr(QMessageBox, "information", lambda *words: texts.append(words[2]))
    return texts


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(work: sample_saving.Work) -> None:
        raise SaveFailed(f"{work.sample.id} was not saved because the disk is full.")

    monkeypatch.setattr(saving, "save_work", fail)
    monkeypatch.setattr(closing, "save_work", fail)


def close_window(desk: Desk) -> None:
    desk.window.close()


def close_by_hand(desk: Desk) -> None:
    """As its button does: napari asks only then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(QEvent, "spontaneous", lambda _: True)
        desk.window.close()


def close_viewer(desk: Desk) -> None:
    desk.viewer.close()


@pytest.mark.parametrize("close", [close_window, close_viewer])
def test_what_is_unsaved_is_saved(
    desks: Callable[[], Desk], squares_folder: Path, close: Callable[[Desk], None]
) -> None:
    desk = desks()
    desk.open(squares_folder)
    desk.draw()
    close(desk)
    np.testing.assert_array_equal(read_label_tif(squares_folder / "b" / "labels.tif"), DRAWN)
    assert not (squares_folder / "b" / "recovery.tif").exists()
    DatasetLock.acquire(squares_folder).release()


def test_a_save_that_is_on_its_way_arrives(
    desks: Callable[[], Desk], squares_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(work: sample_saving.Work) -> Any:
        time.sleep(0.5)
        return sample_saving.save_work(work)

    monkeypatch.setattr(saving, "save_work", slowly)
    desk = desks()
    desk.open(squares_folder)
    desk.draw()
    desk.layers.saving.save()
    desk.window.close()
    np.testing.assert_array_equal(read_label_tif(squares_folder / "b" / "labels.tif"), DRAWN)


def test_what_cannot_be_saved_is_rescued_and_comes_back(
    desks: Callable[[], Desk], squares_folder: Path, told: list[str]
) -> None:
    desk = desks()
    with DatasetLock.acquire(squares_folder):
        desk.open(squares_folder)
        desk.draw()
        desk.window.close()
    rescued = rescue_folder(squares_folder)
    assert str(rescued) in told[0]
    assert "being edited by" in told[0]
    np.testing.assert_array_equal(read_label_tif(rescued / "b" / "labels.tif"), DRAWN)
    assert not (squares_folder / "b" / "labels.tif").exists()
    again = desks()
    again.open(squares_folder)
    np.testing.assert_array_equal(again.layers.draft.current_labels(), DRAWN)


def test_what_is_rescued_does_not_hide_earlier_corrections(
    desks: Callable[[], Desk],
    squares_folder: Path,
    told: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are in a folder of their own, whose drive cannot be written just now."""
    own = tmp_path / "own"
    remember_correction_folder(squares_folder, own)
    write_label_image_in(own / "a", DRAWN)

    def fail_there(work: sample_saving.Work) -> Any:
        if own in work.folder.parents:
            raise SaveFailed("The drive is gone.")
        return sample_saving.save_work(work)

    for module in (saving, closing):
        monkeypatch.setattr(module, "save_work", fail_there)
    desk = desks()
    with DatasetLock.acquire(squares_folder):
        desk.open(squares_folder)
        assert desk.layers.session.correction_folder == own
        desk.draw()
        desk.window.close()
        rescued = rescue_folder(squares_folder)
        assert str(rescued) in told[0]
        assert f"Copy what is in it to\n{own}" in told[0]
        np.testing.assert_array_equal(read_label_tif(rescued / "b" / "labels.tif"), DRAWN)
        again = desks()
        again.open(squares_folder)
        assert again.layers.session.correction_folder == own


def test_a_second_rescue_does_not_replace_the_first(
    desks: Callable[[], Desk], squares_folder: Path, told: list[str], tmp_path: Path
) -> None:
    remember_correction_folder(squares_folder, tmp_path / "unplugged")
    for _ in range(2):  # the second time, the first correction is not on show
        desk = desks()
        desk.open(squares_folder)
        desk.draw()
        desk.window.close()
    folder = rescue_folder(squares_folder)
    assert len(told) == 2
    found = [folder / "b" / "labels.tif", *(folder / "b").glob("labels.kept-*.tif")]
    assert len(found) == 2
    for each in found:
        np.testing.assert_array_equal(read_label_tif(each), DRAWN)


def test_what_is_rescued_where_corrections_go_anyway_is_not_to_be_copied(
    desks: Callable[[], Desk],
    squares_folder: Path,
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = rescue_folder(squares_folder)
    write_label_image_in(folder / "a", DRAWN)
    remember_correction_folder(squares_folder, folder)
    desk = desks()
    desk.open(squares_folder)
    assert desk.layers.session.correction_folder == folder

    def fail(work: sample_saving.Work) -> None:
        raise SaveFailed("The disk is busy.")

    monkeypatch.setattr(saving, "save_work", fail)
    desk.draw()
    desk.window.close()
    np.testing.assert_array_equal(read_label_tif(folder / "b" / "labels.tif"), DRAWN)
    assert "come back when you open the dataset again" in told[0]


def test_a_folder_that_is_out_of_reach_is_not_forgotten(
    desks: Callable[[], Desk], squares_folder: Path, told: list[str], tmp_path: Path
) -> None:
    away = tmp_path / "unplugged"
    remember_correction_folder(squares_folder, away)
    desk = desks()
    desk.open(squares_folder)
    desk.draw()
    desk.window.close()
    assert f"Copy what is in it to\n{away}" in told[0]
    assert correction_folder_of(squares_folder) == away


def write_label_image_in(folder: Path, labels: np.ndarray) -> None:
    folder.mkdir(parents=True)
    write_label_image(folder / "labels.tif", labels)


def test_what_was_rescued_comes_back_also_where_the_rest_could_not_be(
    desks: Callable[[], Desk],
    squares_folder: Path,
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(work: sample_saving.Work) -> Any:
        if rescue_folder(squares_folder) in work.folder.parents and work.sample.id == "c":
            return sample_saving.save_work(work)
        raise SaveFailed("The disk is full.")

    for module in (saving, closing):
        monkeypatch.setattr(module, "save_work", fail)
    monkeypatch.setattr(QMessageBox, "warning", lambda *_: QMessageBox.StandardButton.Close)
    desk = desks()
    for each in ("b", "c"):
        desk.open(squares_folder, each) if each == "b" else desk.layers.session.select(each)
        desk.until(lambda each=each: desk.layers.sample is desk.layers.session[each])
        desk.until(lambda: not desk.layers.is_loading)
        desk.draw()
    desk.window.close()
    assert "are safe in" in told[0]
    assert correction_folder_of(squares_folder) == rescue_folder(squares_folder)


def test_what_cannot_be_rescued_either_keeps_the_window(
    desks: Callable[[], Desk],
    squares_folder: Path,
    full_disk: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = [QMessageBox.StandardButton.Cancel, QMessageBox.StandardButton.Close]
    asked: list[str] = []

    def answer(*words: Any) -> QMessageBox.StandardButton:
        asked.append(words[2])
        return answers.pop(0)

    monkeypatch.setattr(QMessageBox, "warning", answer)
    desk = desks()
    desk.open(squares_folder)
    desk.draw()
    assert not desk.window.close()
    assert "disk is full" in asked[0]
    assert "lose the corrections of b" in asked[0]
    np.testing.assert_array_equal(desk.layers.draft.current_labels(), DRAWN)
    assert desk.layers.draft.unsaved
    assert desk.window.close()
    assert answers == []


class Refused:
    """napari's question whether to close, and the answer "Cancel"."""

    asked = 0

    def __init__(self, *words: Any, **more: Any) -> None:
        Refused.asked += 1

    def exec_(self) -> Any:
        return QDialog.DialogCode.Rejected


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> type[Refused]:
    monkeypatch.setattr(qt_main_window, "ConfirmCloseDialog", Refused)
    monkeypatch.setattr(Refused, "asked", 0)
    return Refused


def test_a_window_that_is_kept_after_all_keeps_dataset_and_jobs(
    desks: Callable[[], Desk], squares_folder: Path, refused: type[Refused]
) -> None:
    desk = desks()
    desk.window.show()
    desk.open(squares_folder)
    desk.draw()
    layers, steps, ended = list(desk.viewer.layers), [], []

    def slowly() -> Iterator[Progress]:
        for done in range(10_000):
            time.sleep(0.01)
            yield Progress(done, 10_000)

    run_job(slowly, on_progress=steps.append, on_end=lambda: ended.append(1), owner=desk.dock)
    close_by_hand(desk)
    assert refused.asked == 1
    assert desk.window.isVisible()
    assert desk.layers.session.dataset is not None
    assert list(desk.viewer.layers) == layers
    with pytest.raises(BadInput, match="being edited"):
        DatasetLock.acquire(squares_folder)
    before = len(steps)
    desk.until(lambda: len(steps) > before + 2)
    assert not ended
    desk.window.close()
    DatasetLock.acquire(squares_folder).release()
    assert desk.window not in qt_main_window._QtMainWindow._instances, "napari knows"


def test_what_was_just_opened_when_the_window_closes_is_let_go_of(
    desks: Callable[[], Desk], squares_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, real = desks(), opening.read_with_corrections
    is_begun, go, is_read = (threading.Event() for _ in range(3))

    def noted(path: Path) -> Iterator[Progress]:
        is_begun.set()
        go.wait(30)
        yield from real(path)
        is_read.set()

    monkeypatch.setattr(opening, "read_with_corrections", noted)
    desk.dock.opening.open(squares_folder)
    desk.until(is_begun.is_set)
    go.set()
    assert is_read.wait(30)
    time.sleep(0.2)  # the window has not heard of it when it is closed
    desk.window.close()
    desk.until(lambda: is_free(squares_folder))


def is_free(folder: Path) -> bool:
    try:
        DatasetLock.acquire(folder).release()
    except BadInput:
        return False
    return True


def test_what_is_rescued_is_still_there_in_a_window_that_is_kept(
    desks: Callable[[], Desk], squares_folder: Path, told: list[str], refused: type[Refused]
) -> None:
    desk = desks()
    desk.window.show()
    with DatasetLock.acquire(squares_folder):
        desk.open(squares_folder)
        desk.draw()
        for sample_id in "cb":
            desk.layers.session.select(sample_id)
            desk.until(lambda each=sample_id: desk.layers.sample is desk.layers.session[each])
            desk.until(lambda: not desk.layers.is_loading)
            close_by_hand(desk)
    assert len(told) == 2
    np.testing.assert_array_equal(desk.layers.draft.current_labels(), DRAWN)


def test_a_window_waits_for_what_must_be_finished(
    desks: Callable[[], Desk], squares_folder: Path
) -> None:
    desk = desks()
    done = []
    run_call(time.sleep, 0.5, on_result=done.append, owner=desk.dock, must_finish=True)
    desk.window.close()
    assert done == [None]


def test_a_window_waits_for_predictions_that_are_still_to_be_written(
    desks: Callable[[], Desk], squares_folder: Path, tmp_path: Path
) -> None:
    desk = desks()
    desk.open(squares_folder)
    desk.layers.session.set_model(write_tiny_model(tmp_path / "tiny"))
    saver = PredictionSaver(desk.layers.session, desk.dock)
    for sample_id in "bc":
        saver.keep(desk.layers.session[sample_id], DRAWN)
    desk.window.close()
    for sample_id in "bc":
        kept, _ = read_prediction(squares_folder / sample_id)
        np.testing.assert_array_equal(kept, DRAWN)


# --- processes of their own


class Program:
    """A script with a real window."""

    def __init__(self, script: str, *arguments: object) -> None:
        paths = [str(TESTS), os.environ.get("PYTHONPATH", "")]
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        self._patience = threading.Timer(60, self.process.kill)
        self._patience.start()

    def end(self) -> None:
        self._patience.cancel()
        self.process.kill()
        self.process.communicate()

    def wait_for(self, word: str) -> str:
        """Give the rest of the first line that begins with a word."""
        for line in self.process.stdout:
            if line.startswith(word):
                return line[len(word) :].strip()
        raise AssertionError(f"It ended with code {self.process.wait()} and never said {word!r}.")


@pytest.fixture
def start(qapp: QApplication) -> Iterator[Callable[..., Program]]:
    programs: list[Program] = []

    def make(script: str, *arguments: object) -> Program:
        programs.append(Program(script, *arguments))
        return programs[-1]

    yield make
    for each in programs:
        each.end()


DRAW_AND_WAIT = """
import sys
from pathlib import Path
import napari
from qtpy.QtCore import QTimer
from napari_nucleiseg._qt.docks import dataset_dock
from napari_nucleiseg._qt.layers import layers_for
from napari_nucleiseg._qt.memory import correction_folder_of, remember_correction_folder

viewer = napari.Viewer()
layers = layers_for(viewer)
dataset_dock(viewer).opening.open(Path(sys.argv[1]))

def step():
    if layers.sample is None or layers.is_loading:
        return
    if layers.sample.id != "b":
        layers.session.select("b")
        return
    timer.stop()
    layer = layers.labels_layer
    layer.brush_size = 12
    layer.paint((30, 40), 7)
    print("drawn", int((layer.data == 7).sum()), flush=True)

timer = QTimer()
timer.timeout.connect(step)
timer.start(50)
napari.run()
"""


def test_strokes_of_a_program_that_was_killed_come_back(
    desks: Callable[[], Desk], squares_folder: Path, start: Callable[..., Program], qtbot: QtBot
) -> None:
    program = start(DRAW_AND_WAIT, squares_folder)
    area = int(program.wait_for("drawn"))
    qtbot.waitUntil((squares_folder / "b" / "recovery.tif").exists, timeout=30_000)
    program.process.send_signal(signal.SIGKILL)
    program.process.wait()
    desk = desks()
    desk.open(squares_folder)
    assert desk.layers.session.is_writable, "the lock of a dead program is taken over"
    assert desk.dock.banner.notice is not None
    assert "restored" in desk.dock.banner.notice.text
    assert int((desk.layers.draft.current_labels() == 7).sum()) == area > 100
    assert desk.layers.draft.unsaved


TRAIN_AND_CLOSE = """
import sys
from pathlib import Path
import napari
from qtpy.QtCore import QTimer
from napari_nucleiseg._qt.train_dock import TrainDock
from napari_nucleiseg.engine import Engine
from napari_nucleiseg.runs import runs_folder
from napari_nucleiseg.session import session_for

viewer = napari.Viewer()
session = session_for(viewer)
session.open_dataset(Path(sys.argv[1]))
session.set_model("old one")
engine = Engine("train_fakes:JOBS")
dock = TrainDock(viewer, session, engine)
viewer.window.add_dock_widget(dock, name="Train")
dock.page.form.name.setText("slow")
dock.page.run_bar.start_button.click()

def step():
    if (runs_folder() / "slow" / "done").exists():
        timer.stop()
        print("child", engine.pid, flush=True)
        viewer.close()

timer = QTimer()
timer.timeout.connect(step)
timer.start(50)
napari.run()
"""


def test_a_window_that_is_closed_while_a_model_is_trained_lets_all_processes_end(
    squares_folder: Path, start: Callable[..., Program], qtbot: QtBot
) -> None:
    write_tiny_model(user_models_folder() / "old one")
    for name in "def":
        write_sample(squares_folder / name, DRAWN, masks=True)
    program = start(TRAIN_AND_CLOSE, squares_folder)
    child = int(program.wait_for("child"))
    # The training would go on for ten seconds, and its child for ever.
    assert program.process.wait(timeout=30) == 0
    qtbot.waitUntil(lambda: not is_alive(child), timeout=30_000)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

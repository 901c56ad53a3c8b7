"""The Dataset dock: opening, listing, walking through, and what it says."""

from __future__ import annotations

import errno
import gc
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog, QLabel, QPushButton, QSizePolicy
from squares import EDGE, squares, write_sample

from napari_nucleiseg import sample_files, sample_saving
from napari_nucleiseg._qt import opening as opening_module
from napari_nucleiseg._qt import saving as saving_module
from napari_nucleiseg._qt.closing import rescue_folder
from napari_nucleiseg._qt.dataset_dock import DatasetDock
from napari_nucleiseg._qt.dataset_model import ROW
from napari_nucleiseg._qt.key_button import KeyCap
from napari_nucleiseg._qt.layers import layers_for
from napari_nucleiseg._qt.memory import (
    correction_folder_of,
    recent_datasets,
    remember_correction_folder,
)
from napari_nucleiseg.atomic import SaveFailed
from napari_nucleiseg.lock import DatasetLock, FolderLocked
from napari_nucleiseg.recovery import write_recovery
from napari_nucleiseg.state import SampleState, Status, write_state
from napari_nucleiseg.storage import save_labels


@pytest.fixture
def dock(viewer):
    """The dock in its window, without a dataset."""
    dock = DatasetDock(viewer)
    viewer.window.add_dock_widget(dock, name="Dataset")
    return dock


@pytest.fixture
def opened(dock, squares_folder, qtbot):
    """The dock with a dataset of three samples, the first of them shown."""
    open_and_wait(qtbot, dock, squares_folder)
    return dock


def open_and_wait(qtbot, dock, path):
    dock.opening.open(path)
    qtbot.waitUntil(lambda: dock.opening.path is None)
    qtbot.waitUntil(lambda: dock.layers.sample is not None and not dock.layers.is_loading)


def show(qtbot, dock, name):
    qtbot.waitUntil(lambda: dock.layers.sample is not None and dock.layers.sample.id == name)
    qtbot.waitUntil(lambda: not dock.layers.is_loading)


def choose(qtbot, dock, name):
    dock.session.select(name)
    show(qtbot, dock, name)


def ids(dock):
    model = dock.list.model
    return [model.sample_at(row).id for row in range(model.rowCount())]


def rows(dock):
    model = dock.list.model
    return [model.index(row).data(ROW) for row in range(model.rowCount())]


def paint(dock):
    layer = dock.layers.labels_layer
    layer.selected_label, layer.brush_size = 9, 5
    layer.paint((5, 5), 9)


def press(dock, text):
    """Click a button of the banner; one of a notice before it may be about to go."""
    buttons = dock.banner.findChildren(QPushButton)
    *_, button = [each for each in buttons if each.text() == text]
    button.click()


# --- opening


def test_without_a_dataset_it_offers_to_open_one(dock):
    texts = [each.text() for each in dock.findChildren(QPushButton) if each.isVisibleTo(dock)]
    assert "Open folder…" in texts
    assert "Open zip archive…" in texts


def test_opening_lists_all_samples_and_shows_the_first(opened):
    assert ids(opened) == ["a", "b", "c"]
    assert opened.layers.sample.id == "a"
    assert opened.list.view.currentIndex().row() == 0
    assert "3 images" in opened.name.text()


def test_a_zip_archive_is_extracted_beside_itself(dock, squares_folder, qtbot, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", squares_folder)
    open_and_wait(qtbot, dock, tmp_path / "packed.zip")
    assert ids(dock) == ["a", "b", "c"]
    assert dock.session.dataset.root == tmp_path / "packed"
    assert archive


def test_what_was_opened_is_remembered(opened, squares_folder, viewer, qtbot):
    assert recent_datasets() == [squares_folder]
    opened.session.close_dataset()
    (button,) = [
        each for each in opened.findChildren(QPushButton) if each.toolTip() == str(squares_folder)
    ]
    button.click()
    qtbot.waitUntil(lambda: opened.session.dataset is not None)


def least_width(dock):
    """Of the widest text; layouts of a window that is not shown look at widgets too rarely."""
    return max(
        each.minimumSizeHint().width()
        for kind in (QLabel, QPushButton)
        for each in dock.findChildren(kind)
        if each.sizePolicy().horizontalPolicy() != QSizePolicy.Policy.Ignored
    )


def test_names_of_any_length_do_not_widen_the_dock(dock, tmp_path, qtbot):
    """Those of DSB2018 have 64 letters, and nothing can be scrolled sideways."""
    folder = tmp_path / ("folder" * 20)
    write_sample(folder / ("x" * 64), squares((64, 64), (5, 5)), masks=False)
    open_and_wait(qtbot, dock, folder)
    paint(dock)
    dock.layers.saving.save()
    qtbot.waitUntil(lambda: dock.saved.text().startswith("Saved xxx"))
    dock.session.failed.emit("/data/" + "y" * 100)
    assert least_width(dock) < 310
    dock.session.close_dataset()  # it is offered among the recent ones
    assert any(each.toolTip() == str(folder) for each in dock.findChildren(QPushButton))
    assert least_width(dock) < 310


def test_a_folder_without_images_is_spoken_of(dock, tmp_path, qtbot):
    (tmp_path / "empty").mkdir()
    spared = gc.get_freeze_count()
    dock.opening.open(tmp_path / "empty")
    qtbot.waitUntil(lambda: dock.banner.notice is not None)
    assert "holds no images" in dock.banner.notice.text
    assert (gc.isenabled(), gc.get_freeze_count()) == (True, spared)
    assert dock.opening.path is None
    press(dock, "Dismiss")
    assert dock.banner.notice is None


def test_a_wrong_folder_leaves_the_open_dataset_as_it_is(opened, squares_folder, tmp_path, qtbot):
    paint(opened)
    layer = opened.layers.labels_layer
    (tmp_path / "empty").mkdir()
    for wrong in ("empty", "missing"):
        opened.opening.open(tmp_path / wrong)
        qtbot.waitUntil(lambda: opened.opening.path is None)
        assert str(tmp_path / wrong) in opened.banner.notice.text
        press(opened, "Dismiss")
    assert opened.session.dataset.root == squares_folder
    assert opened.layers.labels_layer is layer
    assert opened.layers.draft.unsaved
    assert opened.session.is_writable
    with pytest.raises(FolderLocked):
        DatasetLock.acquire(squares_folder)
    paint(opened)
    open_and_wait(qtbot, opened, squares_folder.parent)
    assert opened.session.read_only == "", "its own lock does not stand in the way"


def test_after_a_fault_of_the_program_another_dataset_can_be_opened(
    dock, squares_folder, tmp_path, qtbot
):
    def make(path):
        raise ZeroDivisionError

    with qtbot.captureExceptions() as faults:
        dock.opening.open(tmp_path / "made", make=make)
        qtbot.waitUntil(lambda: bool(faults))
    assert faults[0][0] is ZeroDivisionError
    assert (dock.opening.path, dock.opening.message) == (None, "")
    open_and_wait(qtbot, dock, squares_folder)


def test_a_double_click_on_open_opens_once(dock, squares_folder, qtbot):
    datasets = []
    dock.session.dataset_changed.connect(datasets.append)
    dock.opening.open(squares_folder)
    dock.opening.open(squares_folder)
    qtbot.waitUntil(lambda: dock.layers.sample is not None)
    qtbot.wait(50)
    assert len(datasets) == 1


def leave_unsaved(folder, image_sha256="1" * 64):
    write_recovery(folder, squares((EDGE, EDGE), (10, 10)), image_sha256, "")


def test_images_with_unsaved_work_are_marked_and_named(dock, squares_folder, qtbot):
    for name in "bc":
        leave_unsaved(squares_folder / name)
    open_and_wait(qtbot, dock, squares_folder)
    qtbot.waitUntil(lambda: dock.banner.notice is not None)
    assert dock.banner.notice.text == "Unsaved work was found for 2 images: b, c."
    assert [row.is_unsaved for row in rows(dock)] == [False, True, True]
    press(dock, "Show it")
    show(qtbot, dock, "b")
    assert [row.is_unsaved for row in rows(dock)] == [False, False, True]
    assert dock.banner.notice.text == "Unsaved work was found for 1 image: c."
    press(dock, "Not now")
    assert dock.banner.notice is None
    assert rows(dock)[2].is_unsaved, "the mark stays"


def test_no_unsaved_work_is_found_of_a_window_that_is_still_at_work(dock, squares_folder, qtbot):
    leave_unsaved(squares_folder / "b")
    with DatasetLock.acquire(squares_folder):
        open_and_wait(qtbot, dock, squares_folder)
        qtbot.waitUntil(lambda: not dock.opening.is_scanning)
    assert not any(row.is_unsaved for row in rows(dock))


def test_what_is_shown_before_all_was_looked_through_is_not_marked(
    dock, squares_folder, qtbot, monkeypatch
):
    go = threading.Event()

    def slow(places):
        steps = list(sample_files.find_unsaved(places))
        go.wait(30)
        yield from steps

    monkeypatch.setattr(opening_module, "find_unsaved", slow)
    for name in "ab":
        leave_unsaved(squares_folder / name)
    open_and_wait(qtbot, dock, squares_folder)
    go.set()
    qtbot.waitUntil(lambda: not dock.opening.is_scanning)
    assert [row.is_unsaved for row in rows(dock)] == [False, True, False]


def test_opening_again_keeps_what_was_drawn(opened, squares_folder, qtbot):
    paint(opened)
    labels = opened.layers.draft.current_labels()
    open_and_wait(qtbot, opened, squares_folder)
    assert opened.session.read_only == ""
    show(qtbot, opened, "a")
    assert np.array_equal(opened.layers.draft.current_labels(), labels)
    assert not opened.layers.draft.unsaved


def test_the_lock_is_let_go_when_the_window_went_while_opening(
    viewer, squares_folder, qtbot, monkeypatch
):
    opening, gone, steps = layers_for(viewer).opening, [], []
    entered, go = threading.Event(), threading.Event()
    assert opening.parent() is viewer.window._qt_window, "and goes with it"
    real = opening_module.read_with_corrections

    def slow(path):
        entered.set()
        go.wait(30)
        for step in real(path):
            steps.append(step)
            yield step

    monkeypatch.setattr(opening_module, "read_with_corrections", slow)
    opening.open(squares_folder)
    qtbot.waitUntil(entered.is_set)
    opening.destroyed.connect(lambda: gone.append(True))
    opening.deleteLater()
    qtbot.waitUntil(lambda: bool(gone))
    go.set()
    qtbot.waitUntil(lambda: bool(steps))
    assert steps[-1].values["opened"].lock is not None

    def can_lock():
        DatasetLock.acquire(squares_folder).release()

    qtbot.waitUntil(lambda: _succeeds(can_lock))


def test_what_a_dock_began_to_read_goes_on_when_it_is_closed(
    viewer, squares_folder, qtbot, monkeypatch
):
    dock, go = DatasetDock(viewer), threading.Event()
    viewer.window.add_dock_widget(dock, name="Dataset")
    session, opening = dock.session, dock.opening

    def slow(places):
        go.wait(30)
        yield from sample_files.read_states(places)

    monkeypatch.setattr(opening_module, "read_states", slow)
    open_and_wait(qtbot, dock, squares_folder)
    assert opening.is_scanning
    viewer.window.remove_dock_widget(dock)
    again = DatasetDock(viewer)
    qtbot.addWidget(again)
    go.set()
    qtbot.waitUntil(lambda: set(session.states) == set("abc"))
    qtbot.waitUntil(lambda: not opening.is_scanning)


def test_a_dock_that_is_opened_again_knows_that_the_corrections_are_away(
    viewer, qtbot, tmp_path, squares_folder
):
    remember_correction_folder(squares_folder, tmp_path / "gone")
    dock = DatasetDock(viewer)
    viewer.window.add_dock_widget(dock, name="Dataset")
    open_and_wait(qtbot, dock, squares_folder)
    viewer.window.remove_dock_widget(dock)
    again = DatasetDock(viewer)
    qtbot.addWidget(again)
    assert "Go on without them" in [text for text, _ in again.banner.notice.actions]


def _succeeds(act):
    try:
        act()
    except sample_files.FolderLocked:
        return False
    return True


# --- the list


def test_rows_tell_what_is_known(opened, qtbot):
    first, second, _ = rows(opened)
    assert (first.status, first.count) == ("annotated", 2)
    assert second.status == "unlabelled"


def test_thumbnails_come_for_what_is_in_sight(opened, qtbot):
    qtbot.waitUntil(lambda: all(row.thumbnail is not None for row in rows(opened)))


def test_a_damaged_image_has_a_reason_instead_of_a_thumbnail(dock, squares_folder, qtbot):
    (squares_folder / "c" / "images" / "c.png").write_bytes(b"no image")
    open_and_wait(qtbot, dock, squares_folder)
    qtbot.waitUntil(lambda: bool(rows(dock)[2].problem))
    index = dock.list.model.index(2)
    assert "c.png" in index.data(Qt.ItemDataRole.ToolTipRole)
    dock.session.select("c")
    qtbot.waitUntil(lambda: dock.banner.notice is not None)
    assert "c.png" in dock.banner.notice.text


def test_search_filter_and_order(dock, squares_folder, qtbot):
    write_state(squares_folder / "b", SampleState(Status.PREDICTED, "a model"))
    open_and_wait(qtbot, dock, squares_folder)
    qtbot.waitUntil(lambda: len(dock.session.states) == 3)
    dock.list.search.setText("B")
    assert ids(dock) == ["b"]
    assert dock.session.order == ("b",)
    dock.list.search.clear()
    dock.list.status.setCurrentIndex(dock.list.status.findData("predicted"))
    assert ids(dock) == ["b"]
    dock.list.status.setCurrentIndex(0)
    dock.list.order.setCurrentIndex(dock.list.order.findData("status"))
    assert ids(dock) == ["c", "b", "a"]


def test_nothing_found_is_no_empty_panel(opened):
    opened.list.search.setText("nothing of that name")
    assert ids(opened) == []
    assert opened.list.empty.isVisibleTo(opened)
    opened.list.search.clear()
    assert not opened.list.empty.isVisibleTo(opened)


def test_a_click_shows_a_sample(opened, qtbot):
    view = opened.list.view
    place = view.visualRect(opened.list.model.index(2)).center()
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    QTest.mouseDClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    show(qtbot, opened, "c")
    assert len(opened.layers._viewer().layers) <= 3
    qtbot.waitUntil(lambda: len(opened.layers._viewer().layers) == 2)


def test_a_click_brings_a_deleted_layer_back(opened, qtbot):
    opened.layers._viewer().layers.remove(opened.layers.labels_layer)
    view = opened.list.view
    place = view.visualRect(opened.list.model.index(0)).center()
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.waitUntil(lambda: opened.layers.labels_layer is not None)


def test_the_list_follows_the_session(opened, qtbot):
    opened.session.select("b")
    show(qtbot, opened, "b")
    assert opened.list.view.currentIndex().row() == 1


def test_a_saved_sample_stays_in_sight_under_a_filter(opened, qtbot):
    opened.list.status.setCurrentIndex(opened.list.status.findData("unlabelled"))
    opened.session.select("b")
    show(qtbot, opened, "b")
    paint(opened)
    opened.layers.saving.save()
    qtbot.waitUntil(lambda: not opened.layers.saving.is_busy)
    assert ids(opened) == ["b", "c"]
    opened.session.next_sample()
    show(qtbot, opened, "c")


def test_counts_are_shown(opened, qtbot):
    qtbot.waitUntil(lambda: len(opened.session.states) == 3)
    opened.layers.saving.approve()
    qtbot.waitUntil(lambda: "1&nbsp;approved" in opened.bar.text)
    assert "2&nbsp;unlabelled" in opened.bar.text


# --- keys


@pytest.mark.parametrize("from_dock", [False, True])
def test_keys_work_from_the_canvas_and_from_the_dock(opened, qtbot, from_dock):
    window = opened.layers._viewer().window._qt_window
    target = opened.list.view if from_dock else window
    QTest.keyClick(target, Qt.Key.Key_W)
    show(qtbot, opened, "b")
    paint(opened)
    QTest.keyClick(target, Qt.Key.Key_S)
    qtbot.waitUntil(lambda: opened.layers.saving.last_saved == "b")
    QTest.keyClick(target, Qt.Key.Key_Q)
    show(qtbot, opened, "a")
    QTest.keyClick(target, Qt.Key.Key_A)
    show(qtbot, opened, "b")
    qtbot.waitUntil(lambda: opened.session.state_of(opened.session["a"]).status == "approved")


def test_letters_typed_into_the_search_are_no_keys(opened, qtbot):
    QTest.keyClicks(opened.list.search, "wsqa")
    qtbot.wait(50)
    assert opened.list.search.text() == "wsqa"
    assert opened.session.sample.id == "a"


def test_every_key_stands_on_its_button(opened):
    for key, button in opened.buttons.items():
        assert button.findChild(KeyCap).text() == key


# --- what it says


def test_a_dataset_held_by_another_opens_read_only_and_says_who(dock, squares_folder, qtbot):
    with DatasetLock.acquire(squares_folder):
        open_and_wait(qtbot, dock, squares_folder)
        assert "Read-only" in dock.banner.notice.text
        assert "process" in dock.banner.notice.text


def test_two_windows_on_one_dataset(dock, squares_folder, qtbot):
    other = sample_files.open_dataset(squares_folder)
    open_and_wait(qtbot, dock, squares_folder)
    assert not dock.session.is_writable
    other.lock.release()
    open_and_wait(qtbot, dock, squares_folder)
    assert dock.session.is_writable
    assert dock.banner.notice is None


def test_a_failed_save_is_spoken_of_until_it_is_done(opened, qtbot, monkeypatch, tmp_path):
    def fail(work):
        raise SaveFailed("a was not saved because the disk is full.")

    monkeypatch.setattr(saving_module, "save_work", fail)
    paint(opened)
    QTest.keyClick(opened.list.view, Qt.Key.Key_S)
    qtbot.waitUntil(lambda: opened.banner.notice is not None)
    assert opened.banner.notice.is_grave
    assert "disk is full" in opened.banner.notice.text
    assert opened.saved.text() == "Not saved"
    assert rows(opened)[0].is_unsaved
    monkeypatch.setattr(saving_module, "save_work", sample_saving.save_work)
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, **__: str(elsewhere))
    press(opened, "Save elsewhere…")
    own = elsewhere / rescue_folder(opened.session.dataset.root).name
    qtbot.waitUntil(lambda: (own / "a" / "labels.tif").exists())
    qtbot.waitUntil(lambda: not opened.layers.saving.failures)
    qtbot.waitUntil(lambda: not opened.layers.draft.unsaved)
    assert "are written to" in opened.banner.notice.text
    root = opened.session.dataset.root
    write_recovery(own / "b", opened.layers.draft.current_labels(), "1" * 64, "")
    press(opened, "Bring them back")
    qtbot.waitUntil(lambda: opened._notices._left != [] and opened.opening.path is None)
    assert "b has unsaved strokes" in opened.banner.notice.text
    assert opened.session.correction_folder == own, "not all of them came"
    press(opened, "Dismiss")
    (own / "b" / "recovery.tif").unlink()
    qtbot.waitUntil(lambda: not opened.opening.is_scanning)
    press(opened, "Not now")
    press(opened, "Bring them back")
    qtbot.waitUntil(lambda: not own.exists())
    qtbot.waitUntil(lambda: opened.session.dataset is not None and opened.opening.path is None)
    assert opened.session.correction_folder is None
    assert (root / "a" / "labels.tif").read_bytes()
    assert correction_folder_of(root) is None


def test_the_other_folder_is_found_again(opened, qtbot, monkeypatch, tmp_path, squares_folder):
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, **__: str(elsewhere))
    opened._notices.choose_folder()
    own = elsewhere / rescue_folder(squares_folder).name
    qtbot.waitUntil(lambda: opened.session.correction_folder == own)
    paint(opened)
    labels = opened.layers.draft.current_labels()
    open_and_wait(qtbot, opened, squares_folder)
    assert opened.session.correction_folder == own
    show(qtbot, opened, "a")
    assert np.array_equal(opened.layers.draft.current_labels(), labels)
    assert opened._notices is not None
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, **__: str(own))
    opened._notices.choose_folder()
    qtbot.waitUntil(lambda: not opened.layers.saving.is_busy)
    assert opened.session.correction_folder == own, "not in a folder of its own once more"


def test_another_folder_that_is_away_is_named_and_nothing_is_written_beside_it(
    opened, qtbot, monkeypatch, tmp_path, squares_folder
):
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, **__: str(elsewhere))
    opened._notices.choose_folder()
    qtbot.waitUntil(lambda: opened.session.correction_folder is not None)
    paint(opened)
    labels = opened.layers.draft.current_labels()
    opened.session.close_dataset()
    qtbot.waitUntil(lambda: not opened.layers.saving.is_busy)
    elsewhere.rename(tmp_path / "away")
    open_and_wait(qtbot, opened, squares_folder)
    assert "which is not there now" in opened.session.read_only
    assert not elsewhere.exists()
    (tmp_path / "away").rename(elsewhere)
    open_and_wait(qtbot, opened, squares_folder)
    show(qtbot, opened, "a")
    assert np.array_equal(opened.layers.draft.current_labels(), labels)


def test_a_folder_that_is_gone_for_good_can_be_forgotten(dock, qtbot, tmp_path, squares_folder):
    remember_correction_folder(squares_folder, tmp_path / "gone")
    open_and_wait(qtbot, dock, squares_folder)
    assert not dock.session.is_writable
    press(dock, "Go on without them")
    qtbot.waitUntil(lambda: dock.session.dataset is not None and dock.opening.path is None)
    qtbot.waitUntil(lambda: dock.session.is_writable)
    assert correction_folder_of(squares_folder) is None


def test_a_folder_that_was_plugged_in_again_is_read_before_it_is_written_to(
    dock, qtbot, tmp_path, squares_folder, monkeypatch
):
    own = tmp_path / "drive" / rescue_folder(squares_folder).name
    earlier = squares((EDGE, EDGE), (80, 80))
    save_labels(own / "a", earlier, SampleState(Status.APPROVED), masks=False)
    open_and_wait(qtbot, dock, squares_folder)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, **__: str(own))
    choose(qtbot, dock, "b")
    paint(dock)
    drawn = dock.layers.draft.current_labels()
    dock._notices.choose_folder()
    qtbot.waitUntil(lambda: dock.session.correction_folder == own and dock.opening.path is None)
    choose(qtbot, dock, "a")
    assert np.array_equal(dock.layers.draft.current_labels(), earlier)
    choose(qtbot, dock, "b")
    assert np.array_equal(dock.layers.draft.current_labels(), drawn)
    assert (own / "b" / "labels.tif").exists()


def test_a_dock_that_was_closed_and_opened_can_bring_corrections_back(
    opened, viewer, qtbot, tmp_path, squares_folder
):
    save_labels(
        tmp_path / "away" / "b", squares((EDGE, EDGE), (80, 80)), SampleState(), masks=False
    )
    opened.session.use_correction_folder(tmp_path / "away")
    again = DatasetDock(viewer)
    qtbot.addWidget(again)
    press(again, "Bring them back")
    qtbot.waitUntil(lambda: (squares_folder / "b" / "labels.tif").exists())


def test_a_folder_that_cannot_be_made_is_not_proposed(opened, monkeypatch, tmp_path):
    proposed = []

    def fail(*_, **__):
        raise OSError(errno.EDQUOT, "quota")

    monkeypatch.setattr(Path, "mkdir", fail)
    monkeypatch.setattr(
        QFileDialog, "getExistingDirectory", lambda *words, **__: proposed.append(words[2]) or ""
    )
    opened._notices.choose_folder()
    assert proposed == [str(Path.home())]


def test_a_search_that_fits_nothing_in_the_next_dataset_shows_nothing(opened, qtbot, tmp_path):
    opened.list.search.setText("a")
    write_sample(tmp_path / "next" / "x", squares((64, 64), (5, 5)), masks=True)
    opened.session.open_dataset(tmp_path / "next")
    assert ids(opened) == []
    assert opened.session.order == ()


def test_a_dataset_stays_open_while_its_corrections_cannot_be_saved(
    opened, qtbot, monkeypatch, tmp_path
):
    def fail(work):
        raise SaveFailed("a was not saved because the disk is full.")

    monkeypatch.setattr(saving_module, "save_work", fail)
    write_sample(tmp_path / "other" / "x", squares((64, 64), (5, 5)), masks=False)
    paint(opened)
    opened.opening.open(tmp_path / "other")
    qtbot.waitUntil(lambda: opened.opening.path is None)
    assert opened.session.dataset.root.name == "squares"
    assert "a" in opened.session.pending


@pytest.mark.parametrize("choice", ["Save them", "Drop them"])
def test_strokes_that_a_crash_left_are_offered(dock, squares_folder, qtbot, choice):
    sample = sample_files.open_dataset(squares_folder)
    (first, *_), lock = sample.dataset.samples, sample.lock
    found = sample_files.open_sample(first, first.folder, writable=True)
    labels = squares(found.labels.shape, (70, 70))
    sample_saving.save_recovery(
        sample_saving.Work(
            first, first.folder, labels, Status.CORRECTED, image_sha256=found.image_sha256
        )
    )
    lock.release()
    open_and_wait(qtbot, dock, squares_folder)
    assert "restored" in dock.banner.notice.text
    assert np.array_equal(dock.layers.draft.current_labels(), labels)
    assert dock.layers.draft.unsaved
    press(dock, choice)
    qtbot.waitUntil(lambda: not dock.layers.saving.is_busy)
    assert dock.banner.notice is None
    assert not dock.layers.draft.unsaved
    assert not (first.folder / "recovery.tif").exists()
    expected = labels if choice == "Save them" else found.labels
    assert np.array_equal(dock.layers.draft.current_labels(), expected)


def test_problems_of_a_dataset_are_spoken_of(dock, squares_folder, qtbot):
    shutil.rmtree(squares_folder / "c" / "images")
    (squares_folder / "c" / "masks").mkdir()
    open_and_wait(qtbot, dock, squares_folder)
    assert "needs one image" in dock.banner.notice.text


def test_saving_is_told_in_words(opened, qtbot, monkeypatch):
    go, real = threading.Event(), sample_saving.save_work
    monkeypatch.setattr(saving_module, "save_work", lambda work: (go.wait(5), real(work))[1])
    paint(opened)
    assert opened.saved.text() == "Unsaved strokes"
    opened.layers.saving.save()
    assert opened.saved.text() == "Saving…"
    go.set()
    qtbot.waitUntil(lambda: opened.saved.text() == "Saved a")


def test_a_dock_that_is_closed_hears_nothing_more(opened, viewer, qtbot):
    gone = []
    opened.destroyed.connect(lambda: gone.append(True))
    session = opened.session
    viewer.window.remove_dock_widget(opened)
    qtbot.waitUntil(lambda: bool(gone))
    session.select("b")
    session.note_state("b", count=3)
    session.failed.emit("Something.")
    qtbot.wait(100)


def test_what_an_open_dataset_holds_is_no_garbage_until_it_is_closed(viewer, squares_folder, qtbot):
    dock = DatasetDock(viewer)
    gc.unfreeze()
    open_and_wait(qtbot, dock, squares_folder)
    assert gc.get_freeze_count() > 0
    assert gc.isenabled()
    dock.session.close_dataset()
    assert gc.get_freeze_count() == 0

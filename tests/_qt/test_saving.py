"""Saving by key, on moving on and on a timer; saves that fail."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from squares import EDGE, squares, write_sample

from napari_nucleiseg import merging, numbering, sample_files, sample_saving
from napari_nucleiseg._qt import saving as saving_module
from napari_nucleiseg._qt.layers import layers_for
from napari_nucleiseg.atomic import SaveFailed
from napari_nucleiseg.label_files import read_label_tif
from napari_nucleiseg.lock import DatasetLock
from napari_nucleiseg.sample_saving import Work
from napari_nucleiseg.state import SampleState, Status, read_state
from napari_nucleiseg.storage import save_labels

ANNOTATED, BARE, LAST = 0, 1, 2


@pytest.fixture
def layers(viewer, squares_folder, qtbot):
    layers = layers_for(viewer)
    layers.session.open_dataset(squares_folder)
    show(qtbot, layers, BARE)
    return layers


def show(qtbot, layers, place):
    sample = layers.session.dataset.samples[place]
    if layers.session.sample is not sample:
        layers.session.select(sample.id)
    qtbot.waitUntil(lambda: layers.sample is sample and not layers.is_loading)
    return sample


def paint(layers, label=9, at=(5, 5)):
    layer = layers.labels_layer
    layer.selected_label, layer.brush_size = label, 5
    layer.paint(at, label)


def rest(qtbot, layers):
    qtbot.waitUntil(lambda: not layers.saving.is_busy)


def saved(sample):
    return read_label_tif(sample.folder / "labels.tif")


@pytest.fixture
def full_disk(monkeypatch):
    """A disk that takes nothing until the test says so."""
    full = [True]

    def save(work: Work, real=sample_saving.save_work):
        if full[0]:
            raise SaveFailed(f"{work.folder} was not saved because the disk is full.")
        return real(work)

    monkeypatch.setattr(saving_module, "save_work", save)
    return full


def test_save_writes_what_is_seen(layers, qtbot):
    paint(layers)
    labels = layers.draft.current_labels()
    layers.saving.save()
    rest(qtbot, layers)
    assert np.array_equal(saved(layers.sample), labels)
    assert not layers.draft.unsaved
    assert layers.session.state_of(layers.sample).status is Status.CORRECTED
    assert layers.session.counts[layers.sample.id] == 1
    assert layers.saving.last_saved == layers.sample.id


def test_strokes_during_a_save_stay_unsaved(layers, qtbot, monkeypatch):
    go, real = threading.Event(), sample_saving.save_work
    monkeypatch.setattr(saving_module, "save_work", lambda work: (go.wait(5), real(work))[1])
    paint(layers)
    layers.saving.save()
    paint(layers, 8, at=(90, 90))
    go.set()
    rest(qtbot, layers)
    assert layers.draft.unsaved
    assert not (saved(layers.sample) == 8).any()


def test_nothing_new_is_not_written_again(layers, qtbot):
    layers.saving.save()
    assert not layers.saving.is_busy
    show(qtbot, layers, ANNOTATED)
    layers.saving.save()
    assert not layers.saving.is_busy


def test_save_accepts_a_prediction_as_it_is(layers, qtbot):
    prediction = np.zeros(layers.labels_layer.data.shape, np.int32)
    prediction[10:30, 10:30] = 1
    layers.show_prediction(layers.sample.id, prediction)
    layers.saving.save()
    rest(qtbot, layers)
    assert np.array_equal(saved(layers.sample), prediction)
    assert not layers.draft.shows_prediction


def test_approve_saves_and_goes_on(layers, qtbot):
    sample = layers.sample
    paint(layers)
    layers.saving.approve()
    rest(qtbot, layers)
    assert read_state(sample.folder).status is Status.APPROVED
    assert layers.session.sample is layers.session.dataset.samples[LAST]


def test_an_image_without_nuclei_is_approved_at_the_second_press(layers, qtbot):
    sample = layers.sample
    layers.saving.approve()
    rest(qtbot, layers)
    assert layers.sample is layers.session.sample is sample
    assert layers.session.state_of(sample).status is Status.UNLABELLED
    said = notification_manager.records[-1].message
    assert said == "No nuclei here: press A again to approve it as empty."
    layers.saving.approve()
    rest(qtbot, layers)
    assert read_state(sample.folder).status is Status.APPROVED
    assert layers.session.sample is layers.session.dataset.samples[LAST]


@pytest.mark.parametrize("between", ["stroke and undo", "another image"])
def test_an_empty_image_is_asked_about_again_when_something_came_between(layers, qtbot, between):
    sample = layers.sample
    layers.saving.approve()
    if between == "another image":
        show(qtbot, layers, LAST)
        show(qtbot, layers, BARE)
    else:
        paint(layers)
        layers.labels_layer.undo()
    layers.saving.approve()
    rest(qtbot, layers)
    assert layers.session.sample is sample
    assert layers.session.state_of(sample).status is Status.UNLABELLED


def test_an_empty_image_that_is_approved_is_not_asked_about_again(layers, qtbot):
    for _ in range(2):
        layers.saving.approve()
    rest(qtbot, layers)
    show(qtbot, layers, BARE)
    layers.saving.approve()
    assert layers.session.sample is layers.session.dataset.samples[LAST]


@pytest.mark.parametrize("ask", ["approve", "save"])
def test_what_is_asked_for_while_the_next_image_opens_is_not_done_to_the_last(layers, qtbot, ask):
    last, failed = layers.sample, []
    layers.session.failed.connect(failed.append)
    layers.session.select(layers.session.dataset.samples[LAST].id)
    assert layers.sample is last, "the next one is being read"
    getattr(layers.saving, ask)()
    rest(qtbot, layers)
    assert read_state(last.folder).status is Status.UNLABELLED
    assert layers.session.sample is layers.session.dataset.samples[LAST]
    assert len(failed) == (ask == "approve")
    qtbot.waitUntil(lambda: layers.sample is layers.session.sample)
    paint(layers)
    layers.saving.approve()
    rest(qtbot, layers)
    assert read_state(layers.session.dataset.samples[LAST].folder).status is Status.APPROVED


def test_an_annotation_can_be_approved_as_it_came(layers, qtbot):
    sample = show(qtbot, layers, ANNOTATED)
    labels = layers.draft.current_labels()
    layers.saving.approve()
    rest(qtbot, layers)
    assert read_state(sample.folder).status is Status.APPROVED
    assert np.array_equal(saved(sample), labels)


def test_a_correction_of_an_approved_sample_is_to_be_approved_again(layers, qtbot):
    sample = layers.sample
    layers.saving.approve()
    rest(qtbot, layers)
    show(qtbot, layers, BARE)
    paint(layers)
    layers.saving.save()
    rest(qtbot, layers)
    assert read_state(sample.folder).status is Status.CORRECTED


def test_moving_on_saves(layers, qtbot):
    sample = layers.sample
    paint(layers)
    labels = layers.draft.current_labels()
    layers.session.next_sample()
    rest(qtbot, layers)
    assert np.array_equal(saved(sample), labels)
    assert layers.session.pending == {}
    show(qtbot, layers, BARE)
    assert np.array_equal(layers.draft.current_labels(), labels)
    assert not layers.draft.unsaved


def test_back_before_the_save_is_done_shows_what_was_drawn(layers, qtbot, monkeypatch):
    go, real = threading.Event(), sample_saving.save_work
    monkeypatch.setattr(saving_module, "save_work", lambda work: (go.wait(5), real(work))[1])
    paint(layers)
    labels = layers.draft.current_labels()
    show(qtbot, layers, LAST)
    show(qtbot, layers, BARE)
    assert np.array_equal(layers.draft.current_labels(), labels)
    go.set()
    rest(qtbot, layers)
    assert not layers.draft.unsaved


def test_many_quick_changes_of_sample_lose_nothing(layers, qtbot):
    drawn = {}
    for step in range(6):
        sample = show(qtbot, layers, step % 3)
        paint(layers, 20 + step, at=(15 * step + 5, 100))
        drawn[sample] = layers.draft.current_labels()
    layers.session.select(None)
    rest(qtbot, layers)
    for sample, labels in drawn.items():
        assert np.array_equal(saved(sample), labels)


def test_a_deleted_layer_is_saved_too(layers, qtbot):
    sample = layers.sample
    paint(layers)
    labels = layers.draft.current_labels()
    layers._viewer().layers.remove(layers.labels_layer)
    rest(qtbot, layers)
    assert np.array_equal(saved(sample), labels)


@pytest.mark.parametrize("ask", ["save", "approve"])
@pytest.mark.parametrize("and_image", [False, True])
def test_a_deleted_layer_comes_back_when_it_is_to_be_saved(layers, viewer, qtbot, ask, and_image):
    sample = layers.sample
    paint(layers)
    labels = layers.draft.current_labels()
    viewer.layers.remove(layers.labels_layer)
    if and_image:
        viewer.layers.remove(layers.image_layer)
    getattr(layers.saving, ask)()
    rest(qtbot, layers)
    assert layers.session.sample is sample
    assert list(viewer.layers) == [layers.image_layer, layers.labels_layer]
    assert np.array_equal(layers.draft.current_labels(), labels)
    assert "“nuclei” is back" in notification_manager.records[-1].message
    assert read_state(sample.folder).status is Status.CORRECTED
    layers.saving.approve()
    rest(qtbot, layers)
    assert read_state(sample.folder).status is Status.APPROVED


def test_nothing_is_approved_before_the_first_image_is_there(viewer, squares_folder, qtbot):
    layers, failed = layers_for(viewer), []
    layers.session.failed.connect(failed.append)
    layers.session.open_dataset(squares_folder)
    layers.session.next_sample()
    chosen = layers.session.sample
    layers.saving.approve()
    assert layers.session.sample is chosen
    assert "not on show" in failed[0]


# --- the recovery file


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(saving_module, "PAUSE", 0.05)


def recovery(sample):
    return sample.folder / "recovery.tif"


def test_strokes_reach_the_recovery_file_by_themselves(layers, qtbot, quick):
    paint(layers)
    labels = layers.draft.current_labels()
    qtbot.waitUntil(lambda: recovery(layers.sample).exists())
    rest(qtbot, layers)
    assert np.array_equal(read_label_tif(recovery(layers.sample)), labels)
    assert layers.draft.unsaved


def test_pixels_are_not_searched_in_the_thread_of_the_window(layers, qtbot, quick, monkeypatch):
    """With 4096 x 4096 it takes 70 ms to count the nuclei, and 50 ms to find those touched."""
    threads = {}

    def watched(search):
        def watch(*arguments):
            threads.setdefault(search.__name__, set()).add(threading.current_thread())
            return search(*arguments)

        return watch

    monkeypatch.setattr(numbering, "count", watched(numbering.count))
    monkeypatch.setattr(merging, "find_runs", watched(merging.find_runs))
    sample = layers.sample
    paint(layers)
    qtbot.waitUntil(lambda: recovery(sample).exists())
    layers.saving.save()
    rest(qtbot, layers)
    paint(layers, 8, at=(90, 90))
    show(qtbot, layers, LAST)
    rest(qtbot, layers)
    assert layers.session.counts[sample.id] == 2
    assert read_state(sample.folder).touched == (8, 9)
    assert set(threads) == {"count", "find_runs"}
    assert threading.main_thread() not in set.union(*threads.values())


def test_undo_reaches_the_recovery_file(layers, qtbot, quick):
    paint(layers)
    paint(layers, 8, at=(90, 90))
    qtbot.waitUntil(lambda: recovery(layers.sample).exists())
    rest(qtbot, layers)
    layers.labels_layer.undo()
    qtbot.waitUntil(lambda: not (read_label_tif(recovery(layers.sample)) == 8).any())


def test_an_unbroken_stroke_does_not_put_it_off_for_ever(layers, qtbot, monkeypatch):
    monkeypatch.setattr(saving_module, "PAUSE", 0.2)
    monkeypatch.setattr(saving_module, "LONGEST", 0.4)
    for step in range(100):
        paint(layers, 9, at=(step % 100 + 5, 20 + step // 10))
        qtbot.wait(20)
        if recovery(layers.sample).exists():
            break
    assert recovery(layers.sample).exists()


def test_a_save_ends_the_recovery(layers, qtbot, quick):
    paint(layers)
    qtbot.waitUntil(lambda: recovery(layers.sample).exists())
    layers.saving.save()
    rest(qtbot, layers)
    assert not recovery(layers.sample).exists()


def test_a_save_that_takes_long_leaves_no_recovery_behind(layers, qtbot, quick, monkeypatch):
    may_end = threading.Event()

    def slow(work):
        may_end.wait(5)
        return sample_saving.save_work(work)

    monkeypatch.setattr(saving_module, "save_work", slow)
    paint(layers)
    layers.saving.save()
    qtbot.wait(200)  # four times the pause after which strokes go to the recovery file
    may_end.set()
    rest(qtbot, layers)
    qtbot.wait(200)
    rest(qtbot, layers)
    assert not recovery(layers.sample).exists()


def test_strokes_whose_save_failed_reach_the_recovery_file(layers, qtbot, quick, full_disk):
    paint(layers)
    layers.saving.save()
    qtbot.waitUntil(lambda: recovery(layers.sample).exists())


def test_what_a_crash_left_is_restored_and_can_be_dropped(layers, qtbot, quick):
    sample = layers.sample
    paint(layers)
    labels = layers.draft.current_labels()
    qtbot.waitUntil(lambda: recovery(sample).exists())
    rest(qtbot, layers)
    crash(layers)
    show(qtbot, layers, BARE)
    assert layers.draft.opened.recovery is not None
    assert np.array_equal(layers.draft.current_labels(), labels)
    assert layers.draft.unsaved
    layers.saving.drop_recovery()
    rest(qtbot, layers)
    assert not layers.labels_layer.data.any()
    assert not layers.draft.unsaved
    assert not recovery(sample).exists()


def crash(layers):
    """Leave the sample as a killed program does: without a save."""
    layers.draft._draft.reference = layers.draft.current_labels()
    layers.session.select(None)


def test_strokes_in_another_folder_are_restored(layers, qtbot, quick, tmp_path):
    """Where the labels are those of the dataset, and the other folder has none yet."""
    sample = layers.sample
    paint(layers)
    layers.saving.save()
    rest(qtbot, layers)
    show(qtbot, layers, LAST)
    show(qtbot, layers, BARE)
    layers.saving.save_to(tmp_path / "other")
    rest(qtbot, layers)
    paint(layers, 8, at=(90, 90))
    folder = layers.session.folder_of(sample)
    qtbot.waitUntil(lambda: (folder / "recovery.tif").exists(), timeout=10_000)
    crash(layers)
    found = sample_files.open_sample(sample, folder, writable=True)
    assert found.recovery is not None
    assert (found.recovery.labels == 8).any()


def test_what_was_saved_of_another_dataset_is_no_news(layers, qtbot, tmp_path):
    paint(layers)
    layers.saving.save()
    rest(qtbot, layers)
    assert layers.saving.last_saved == layers.sample.id
    write_sample(tmp_path / "other" / "x", squares((EDGE, EDGE), (10, 10)), masks=True)
    layers.session.open_dataset(tmp_path / "other")
    assert layers.saving.last_saved == ""


# --- failing


def test_a_failed_save_stays_unsaved_and_says_so(layers, qtbot, full_disk):
    paint(layers)
    layers.saving.save()
    rest(qtbot, layers)
    assert layers.draft.unsaved
    assert "disk is full" in layers.saving.failures[layers.sample.id]
    assert not (layers.sample.folder / "labels.tif").exists()


def test_once_there_is_room_again_all_of_it_is_saved(layers, qtbot, full_disk):
    first, first_labels = layers.sample, None
    paint(layers)
    first_labels = layers.draft.current_labels()
    second = show(qtbot, layers, LAST)
    paint(layers, 8)
    second_labels = layers.draft.current_labels()
    layers.saving.save()
    rest(qtbot, layers)
    assert set(layers.saving.failures) == {first.id, second.id}
    full_disk[0] = False
    layers.saving.save()
    rest(qtbot, layers)
    assert layers.saving.failures == {}
    assert layers.session.pending == {}
    assert np.array_equal(saved(first), first_labels)
    assert np.array_equal(saved(second), second_labels)


def test_an_unsaved_sample_is_shown_as_it_was_drawn(layers, qtbot, full_disk):
    paint(layers)
    labels = layers.draft.current_labels()
    show(qtbot, layers, LAST)
    rest(qtbot, layers)
    show(qtbot, layers, BARE)
    assert np.array_equal(layers.draft.current_labels(), labels)
    assert layers.draft.unsaved


def test_another_folder_takes_what_could_not_be_saved(layers, qtbot, full_disk, tmp_path):
    first = layers.sample
    paint(layers)
    first_labels = layers.draft.current_labels()
    show(qtbot, layers, LAST)
    paint(layers, 8)
    layers.saving.save()
    rest(qtbot, layers)
    full_disk[0] = False
    layers.saving.save_to(tmp_path / "elsewhere")
    rest(qtbot, layers)
    assert layers.session.correction_folder == tmp_path / "elsewhere"
    assert layers.saving.failures == {}
    assert np.array_equal(
        read_label_tif(tmp_path / "elsewhere" / first.id / "labels.tif"), first_labels
    )
    assert (tmp_path / "elsewhere" / layers.sample.id / "labels.tif").exists()
    assert not (first.folder / "labels.tif").exists()


def test_what_another_folder_holds_already_is_kept(layers, qtbot, tmp_path):
    """It was not on show, so the labels that come did not begin with it."""
    sample, folder = layers.sample, tmp_path / "elsewhere"
    earlier = np.full((EDGE, EDGE), 3, np.int32)
    save_labels(folder / sample.id, earlier, SampleState(Status.CORRECTED), masks=False)
    paint(layers)
    layers.saving.save_to(folder)
    rest(qtbot, layers)
    labels = read_label_tif(folder / sample.id / "labels.tif")
    np.testing.assert_array_equal(labels, layers.draft.current_labels())
    (kept,) = (folder / sample.id).glob("labels.kept-*.tif")
    np.testing.assert_array_equal(read_label_tif(kept), earlier)


def test_a_dataset_held_by_another_window_is_not_written_to(viewer, squares_folder, qtbot):
    with DatasetLock.acquire(squares_folder):
        layers = layers_for(viewer)
        layers.session.open_dataset(squares_folder)
        sample = show(qtbot, layers, BARE)
        paint(layers)
        layers.saving.save()
        rest(qtbot, layers)
        assert "being edited by" in layers.saving.failures[sample.id]
        assert layers.draft.unsaved
        assert not (sample.folder / "labels.tif").exists()


def test_labels_of_a_wrong_size_are_left_to_the_person(layers, qtbot):
    heard = []
    layers.session.failed.connect(heard.append)
    sample, layer = layers.sample, layers.labels_layer
    layer.data = np.ones((7, 7), np.int32)
    show(qtbot, layers, LAST)
    assert "(7, 7)" in heard[0]
    assert layer in layers._viewer().layers
    assert not (sample.folder / "labels.tif").exists()

"""What stands on the disk for a sample, read and written as one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from squares import squares, write_sample

from napari_nucleiseg import sample_files
from napari_nucleiseg.dataset import read_dataset
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.sample_files import (
    Origin,
    Work,
    lock_folder,
    open_dataset,
    open_sample,
    read_current_labels,
    read_states,
    save_prediction,
    save_recovery,
    save_work,
)
from napari_nucleiseg.storage import (
    DatasetLock,
    DatasetLocked,
    SaveFailed,
    Status,
    read_prediction,
    read_state,
    write_recovery,
)

SHAPE = (64, 64)
LABELS = squares(SHAPE, (5, 5), (30, 30))


@pytest.fixture
def folder(tmp_path):
    for name in "ab":
        write_sample(tmp_path / "few" / name, LABELS, masks=name == "a")
    return tmp_path / "few"


@pytest.fixture
def annotated(folder):
    return read_dataset(folder).samples[0]


@pytest.fixture
def bare(folder):
    return read_dataset(folder).samples[1]


def work(sample, labels, folder=None, **changes):
    return Work(sample, folder or sample.folder, labels, Status.CORRECTED, **changes)


def opened(sample, folder=None, writable=True):
    return open_sample(sample, folder or sample.folder, writable=writable)


def test_labels_come_from_the_best_there_is(annotated, bare):
    assert opened(bare).origin is Origin.NOTHING
    assert not opened(bare).labels.any()
    save_prediction(bare, bare.folder, LABELS, "a model")
    assert opened(bare).origin is Origin.PREDICTION
    assert np.array_equal(opened(bare).labels, LABELS)
    assert opened(annotated).origin is Origin.ANNOTATION
    assert np.array_equal(opened(annotated).labels > 0, LABELS > 0)
    save_work(work(annotated, LABELS * 7))
    assert opened(annotated).origin is Origin.CORRECTION
    assert np.array_equal(opened(annotated).labels, LABELS * 7)


def test_a_save_keeps_status_hands_and_what_the_model_said(bare):
    state = save_work(work(bare, LABELS, model="a model", touched=(2,), prediction=LABELS * 3))
    again = opened(bare)
    assert again.state == state == read_state(bare.folder)
    assert (state.status, state.model, state.touched) == (Status.CORRECTED, "a model", (2,))
    assert again.saved_sha256 == state.labels_sha256
    assert np.array_equal(again.prediction, LABELS * 3)


def test_masks_for_other_tools_are_written_in_their_layout_only(bare, tmp_path):
    save_work(work(bare, LABELS))
    assert len(list((bare.folder / "masks").iterdir())) == 2
    elsewhere = replace(bare, layout="images", folder=tmp_path / "own")
    save_work(work(elsewhere, LABELS))
    assert not (elsewhere.folder / "masks").exists()


def test_another_folder_hides_nothing_of_the_dataset(annotated, tmp_path):
    save_work(work(annotated, LABELS * 2))
    other = tmp_path / "corrections" / annotated.id
    first = opened(annotated, other)
    assert first.origin is Origin.CORRECTION
    assert first.saved_sha256 == ""  # nothing was saved there yet
    save_work(work(annotated, LABELS * 5, other))
    assert np.array_equal(opened(annotated, other).labels, LABELS * 5)
    assert np.array_equal(opened(annotated).labels, LABELS * 2)
    assert np.array_equal(read_current_labels(annotated, other, SHAPE), LABELS * 5)


def test_current_labels_are_none_where_there_are_none(bare):
    assert read_current_labels(bare, bare.folder, SHAPE) is None


# --- predictions


def test_a_prediction_is_a_status_of_unlabelled_samples_alone(annotated, bare):
    assert save_prediction(bare, bare.folder, LABELS, "a model").status is Status.PREDICTED
    assert save_prediction(annotated, annotated.folder, LABELS, "m").status is Status.UNLABELLED
    save_work(work(bare, LABELS * 2))
    assert save_prediction(bare, bare.folder, LABELS, "other").status is Status.CORRECTED
    assert read_prediction(bare.folder)[1] == "a model"
    assert np.array_equal(opened(bare).labels, LABELS * 2)


def test_a_correction_that_is_saved_while_a_prediction_is_encoded_stays(bare, monkeypatch):
    encode = sample_files.encode_prediction

    def slowly(labels, model):
        save_work(replace(work(bare, LABELS * 2, touched=(2,)), status=Status.APPROVED))
        return encode(labels, model)

    monkeypatch.setattr(sample_files, "encode_prediction", slowly)
    assert save_prediction(bare, bare.folder, LABELS, "a model").status is Status.APPROVED
    assert read_state(bare.folder).touched == (2,)
    assert read_prediction(bare.folder) is None


def test_predictions_in_another_folder_come_back(annotated, bare, tmp_path):
    """Unless the dataset has labels: they hide a mere prediction."""
    other = tmp_path / "corrections" / bare.id
    save_prediction(bare, bare.folder, LABELS * 2, "first")
    save_prediction(bare, other, LABELS * 3, "second")
    found = opened(bare, other)
    assert (found.origin, found.state.model) == (Origin.PREDICTION, "second")
    assert np.array_equal(found.labels, LABELS * 3)
    save_work(work(bare, LABELS * 5))
    assert np.array_equal(opened(bare, other).labels, LABELS * 5)
    elsewhere = tmp_path / "corrections" / annotated.id
    save_prediction(annotated, elsewhere, LABELS * 2, "first")
    assert opened(annotated, elsewhere).origin is Origin.ANNOTATION


# --- recovery


def test_strokes_that_a_crash_left_come_back(bare):
    first = opened(bare)
    save_recovery(work(bare, LABELS * 4, image_sha256=first.image_sha256, touched=(4,)))
    again = opened(bare)
    assert not again.labels.any()
    assert np.array_equal(again.recovery.labels, LABELS * 4)
    assert again.recovery.touched == (4,)


def test_a_save_ends_the_recovery(bare):
    first = opened(bare)
    save_recovery(work(bare, LABELS, image_sha256=first.image_sha256))
    save_work(work(bare, LABELS))
    assert opened(bare).recovery is None


def test_whoever_only_looks_on_leaves_recovery_alone(bare):
    first = opened(bare)
    save_recovery(work(bare, LABELS, image_sha256=first.image_sha256))
    assert opened(bare, writable=False).recovery is None
    assert opened(bare).recovery is not None


def test_strokes_on_another_image_do_not_come_back(bare):
    first = opened(bare)
    save_recovery(work(bare, LABELS, image_sha256=first.image_sha256))
    Image.fromarray(np.full(SHAPE, 9, np.uint8)).save(bare.image_path)
    assert opened(bare).recovery is None


def test_strokes_of_another_size_do_not_come_back(bare):
    first = opened(bare)
    write_recovery(bare.folder, LABELS[:32], first.image_sha256, "")
    assert opened(bare).recovery is None


# --- failing


def test_a_failed_save_changes_nothing(bare, monkeypatch):
    saved = save_work(work(bare, LABELS))

    def fail(*arguments, **named):
        raise SaveFailed("the disk is full")

    monkeypatch.setattr(sample_files, "save_labels", fail)
    with pytest.raises(SaveFailed):
        save_work(work(bare, LABELS * 2))
    assert read_state(bare.folder) == saved


def test_a_cache_that_cannot_be_written_is_no_failed_save(bare, monkeypatch):
    def fail(*arguments, **named):
        raise SaveFailed("the disk is full")

    monkeypatch.setattr(sample_files, "write_prediction", fail)
    monkeypatch.setattr(sample_files, "clear_recovery", fail)
    save_work(work(bare, LABELS, prediction=LABELS))
    assert np.array_equal(opened(bare).labels, LABELS)


def test_a_damaged_image_is_spoken_of(bare):
    bare.image_path.write_bytes(b"no image")
    with pytest.raises(BadInput, match=bare.image_path.name):
        opened(bare)


# --- datasets


def test_a_dataset_that_is_held_opens_read_only(folder):
    with DatasetLock.acquire(folder):
        found = open_dataset(folder)
        assert found.lock is None
        assert "being edited" in found.read_only
    found = open_dataset(folder)
    assert found.lock is not None
    assert found.read_only == ""
    found.lock.release()


def test_a_folder_for_corrections_is_made_and_locked(tmp_path):
    with lock_folder(tmp_path / "new" / "folder"), pytest.raises(DatasetLocked):
        lock_folder(tmp_path / "new" / "folder")


def test_statuses_of_many_come_in_batches(folder, annotated, bare, monkeypatch):
    monkeypatch.setattr(sample_files, "_BATCH", 1)
    save_work(work(bare, LABELS))
    places = {each.id: (each, each.folder) for each in (annotated, bare)}
    steps = list(read_states(places))
    assert [(step.done, step.total) for step in steps] == [(1, 2), (2, 2)]
    states = {key: state.status for step in steps for key, state in step.values["states"].items()}
    assert states == {"a": Status.UNLABELLED, "b": Status.CORRECTED}


def test_statuses_are_those_of_the_folder_of_corrections(bare, tmp_path):
    save_work(work(bare, LABELS))
    other = tmp_path / "corrections" / bare.id
    (step,) = read_states({bare.id: (bare, other)})
    assert step.values["states"][bare.id].status is Status.CORRECTED
    approved = replace(work(bare, LABELS, other), status=Status.APPROVED)
    save_work(approved)
    (step,) = read_states({bare.id: (bare, other)})
    assert step.values["states"][bare.id].status is Status.APPROVED


def test_a_correction_in_the_dataset_counts_beside_a_mere_prediction_elsewhere(bare, tmp_path):
    save_work(work(bare, LABELS))
    other = tmp_path / "corrections" / bare.id
    save_prediction(replace(bare, folder=tmp_path / "nowhere"), other, LABELS, "a model")
    (step,) = read_states({bare.id: (bare, other)})
    assert step.values["states"][bare.id].status is Status.CORRECTED
    assert open_sample(bare, other, writable=True).origin is Origin.CORRECTION


def test_nothing_is_written_where_a_dataset_was(bare, folder):
    """Its folder, made anew, would hold the labels alone, and hide them."""
    folder.rename(folder.with_name("moved"))
    for write in (save_work, save_recovery):
        with pytest.raises(SaveFailed, match="is not there any more"):
            write(work(bare, LABELS))
    with pytest.raises(SaveFailed, match="its image is gone"):
        save_prediction(bare, bare.folder, LABELS, "a model")
    assert not folder.exists()


def test_labels_are_saved_elsewhere_when_the_dataset_is_gone(bare, folder, tmp_path):
    folder.rename(folder.with_name("moved"))
    save_work(work(bare, LABELS, tmp_path / "elsewhere" / "b"))
    assert (tmp_path / "elsewhere" / "b" / "labels.tif").exists()

"""What stands on the disk for a sample, read as one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from few_samples import LABELS, SHAPE, opened, work, write_few
from PIL import Image

from napari_nucleiseg import sample_files
from napari_nucleiseg.dataset import read_dataset
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.lock import DatasetLock, FolderLocked
from napari_nucleiseg.recovery import write_recovery
from napari_nucleiseg.sample_files import (
    Origin,
    find_unsaved,
    lock_folder,
    open_dataset,
    open_sample,
    read_current_labels,
    read_states,
)
from napari_nucleiseg.sample_saving import save_prediction, save_recovery, save_work
from napari_nucleiseg.state import Status


@pytest.fixture
def folder(tmp_path):
    return write_few(tmp_path / "few")


@pytest.fixture
def annotated(folder):
    return read_dataset(folder).samples[0]


@pytest.fixture
def bare(folder):
    return read_dataset(folder).samples[1]


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
    with lock_folder(tmp_path / "new" / "folder"), pytest.raises(FolderLocked):
        lock_folder(tmp_path / "new" / "folder")


def test_statuses_of_many_come_in_batches(folder, annotated, bare, monkeypatch):
    monkeypatch.setattr(sample_files, "_BATCH", 1)
    save_work(work(bare, LABELS))
    places = {each.id: (each, each.folder) for each in (annotated, bare)}
    steps = list(read_states(places))
    assert [(step.done, step.total) for step in steps] == [(1, 2), (2, 2)]
    states = {key: state.status for step in steps for key, state in step.values["states"].items()}
    assert states == {"a": Status.UNLABELLED, "b": Status.CORRECTED}


def test_unsaved_work_is_found_without_opening_a_sample(folder, annotated, bare, monkeypatch):
    monkeypatch.setattr(sample_files, "_BATCH", 1)
    save_recovery(work(bare, LABELS))
    places = {each.id: (each, each.folder) for each in (annotated, bare)}
    assert [step.values["unsaved"] for step in find_unsaved(places)] == [(), ("b",)]
    save_work(work(bare, LABELS))
    save_recovery(work(bare, LABELS))
    assert not any(step.values["unsaved"] for step in find_unsaved(places)), "it is saved"


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

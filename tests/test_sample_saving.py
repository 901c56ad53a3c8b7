"""What is written of a sample: labels, unsaved strokes, predictions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from few_samples import LABELS, opened, work, write_few

from napari_nucleiseg import sample_saving
from napari_nucleiseg.atomic import SaveFailed
from napari_nucleiseg.dataset import read_dataset
from napari_nucleiseg.sample_saving import save_prediction, save_recovery, save_work
from napari_nucleiseg.state import Status, read_state
from napari_nucleiseg.storage import read_prediction


@pytest.fixture
def folder(tmp_path):
    return write_few(tmp_path / "few")


@pytest.fixture
def annotated(folder):
    return read_dataset(folder).samples[0]


@pytest.fixture
def bare(folder):
    return read_dataset(folder).samples[1]


def test_a_save_keeps_status_hands_and_what_the_model_said(bare):
    state = save_work(work(bare, LABELS, model="a model", touched=(2,), prediction=LABELS * 3))
    again = opened(bare)
    assert again.state == state == read_state(bare.folder)
    assert (state.status, state.model, state.touched) == (Status.CORRECTED, "a model", (2,))
    assert again.saved_sha256 == state.labels_sha256
    assert np.array_equal(again.prediction, LABELS * 3)


def test_hands_on_nuclei_that_are_gone_are_not_kept(bare):
    touched = work(bare, LABELS, touched=(7, 2, 0), image_sha256=opened(bare).image_sha256)
    save_recovery(touched)
    assert opened(bare).recovery.touched == (2,)
    assert save_work(touched).touched == (2,)


def test_masks_for_other_tools_are_written_in_their_layout_only(bare, tmp_path):
    save_work(work(bare, LABELS))
    assert len(list((bare.folder / "masks").iterdir())) == 2
    elsewhere = replace(bare, layout="images", folder=tmp_path / "own")
    save_work(work(elsewhere, LABELS))
    assert not (elsewhere.folder / "masks").exists()


def test_a_prediction_is_a_status_of_unlabelled_samples_alone(annotated, bare):
    assert save_prediction(bare, bare.folder, LABELS, "a model").status is Status.PREDICTED
    assert save_prediction(annotated, annotated.folder, LABELS, "m").status is Status.UNLABELLED
    save_work(work(bare, LABELS * 2))
    assert save_prediction(bare, bare.folder, LABELS, "other").status is Status.CORRECTED
    assert read_prediction(bare.folder)[1] == "a model"
    assert np.array_equal(opened(bare).labels, LABELS * 2)


def test_a_correction_in_the_dataset_counts_where_predictions_go_elsewhere(bare, tmp_path):
    save_work(work(bare, LABELS * 2))
    state = save_prediction(bare, tmp_path / "elsewhere" / "b", LABELS, "a model")
    assert state.status is Status.CORRECTED
    assert not (tmp_path / "elsewhere").exists()


def test_a_correction_that_is_saved_while_a_prediction_is_encoded_stays(bare, monkeypatch):
    encode = sample_saving.encode_prediction

    def slowly(labels, model):
        save_work(replace(work(bare, LABELS * 2, touched=(2,)), status=Status.APPROVED))
        return encode(labels, model)

    monkeypatch.setattr(sample_saving, "encode_prediction", slowly)
    assert save_prediction(bare, bare.folder, LABELS, "a model").status is Status.APPROVED
    assert read_state(bare.folder).touched == (2,)
    assert read_prediction(bare.folder) is None


def test_a_save_ends_the_recovery(bare):
    first = opened(bare)
    save_recovery(work(bare, LABELS, image_sha256=first.image_sha256))
    save_work(work(bare, LABELS))
    assert opened(bare).recovery is None


def test_unsaved_strokes_keep_the_hands_and_the_save_that_they_began_with(bare):
    save_work(work(bare, LABELS))
    first = opened(bare)
    begun = {"image_sha256": first.image_sha256, "saved_sha256": first.saved_sha256}
    save_recovery(work(bare, LABELS * 2, touched=(4,), **begun))
    recovery = opened(bare).recovery
    assert recovery is not None
    assert recovery.touched == (4,)
    assert np.array_equal(recovery.labels, LABELS * 2)


def test_a_failed_save_changes_nothing(bare, monkeypatch):
    saved = save_work(work(bare, LABELS))

    def fail(*arguments, **named):
        raise SaveFailed("the disk is full")

    monkeypatch.setattr(sample_saving, "save_labels", fail)
    with pytest.raises(SaveFailed):
        save_work(work(bare, LABELS * 2))
    assert read_state(bare.folder) == saved


def test_a_cache_that_cannot_be_written_is_no_failed_save(bare, monkeypatch):
    def fail(*arguments, **named):
        raise SaveFailed("the disk is full")

    monkeypatch.setattr(sample_saving, "write_prediction", fail)
    monkeypatch.setattr(sample_saving, "clear_recovery", fail)
    save_work(work(bare, LABELS, prediction=LABELS))
    assert np.array_equal(opened(bare).labels, LABELS)


def test_nothing_is_written_where_a_dataset_was(bare, folder):
    """Its folder, made anew, would hold the labels alone, and hide them."""
    folder.rename(folder.with_name("moved"))
    for write in (save_work, save_recovery):
        with pytest.raises(SaveFailed, match="is not there any more"):
            write(work(bare, LABELS))
    with pytest.raises(SaveFailed, match="is not there any more: put the dataset back"):
        save_prediction(bare, bare.folder, LABELS, "a model")
    assert not folder.exists()


def test_labels_are_saved_elsewhere_when_the_dataset_is_gone(bare, folder, tmp_path):
    folder.rename(folder.with_name("moved"))
    save_work(work(bare, LABELS, tmp_path / "elsewhere" / "b"))
    assert (tmp_path / "elsewhere" / "b" / "labels.tif").exists()

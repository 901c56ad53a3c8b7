"""Corrections that were saved elsewhere come back to their images."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from squares import squares, write_sample

from napari_nucleiseg.bring_back import bring_back
from napari_nucleiseg.dataset import read_dataset
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.label_files import read_label_tif
from napari_nucleiseg.lock import DatasetLock
from napari_nucleiseg.recovery import write_recovery
from napari_nucleiseg.state import SampleState, Status, read_state
from napari_nucleiseg.storage import read_prediction, save_labels, write_prediction

LABELS = squares((64, 64), (5, 5), (30, 30))


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    for name in "abc":
        write_sample(tmp_path / "few" / name, LABELS, masks=name == "a")
    return tmp_path / "few"


def bring(dataset: Path, folder: Path) -> list[str]:
    return bring_back(dataset, read_dataset(dataset).samples, folder)


def save(folder: Path, factor: int) -> SampleState:
    state = SampleState(Status.APPROVED, "a model", touched=(factor,))
    return save_labels(folder, LABELS * factor, state, masks=False)


def test_labels_and_status_come_back_and_nothing_is_lost(dataset: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    save(dataset / "a", 2)
    write_prediction(dataset / "a", LABELS * 8, "another model")
    write_prediction(elsewhere / "b", LABELS * 9, "a model")
    for name, factor in (("a", 3), ("b", 4)):
        save(elsewhere / name, factor)
    assert bring(dataset, elsewhere) == []
    for name, factor in (("a", 3), ("b", 4)):
        np.testing.assert_array_equal(
            read_label_tif(dataset / name / "labels.tif"), LABELS * factor
        )
        state = read_state(dataset / name)
        assert (state.status, state.model, state.touched) == (Status.APPROVED, "a model", (factor,))
        assert len(list((dataset / name / "masks").iterdir())) == 2
    np.testing.assert_array_equal(read_label_tif(dataset / "a" / "labels.bak.tif"), LABELS * 2)
    (replaced,) = (dataset / "a").glob("labels.kept-*.tif")
    np.testing.assert_array_equal(read_label_tif(replaced), LABELS * 2)
    assert not (dataset / "c" / "labels.tif").exists()
    assert read_prediction(dataset / "a") is None, "not what these labels began with"
    assert read_prediction(dataset / "b")[1] == "a model"
    assert not elsewhere.exists(), "a later save there would bring these back over newer ones"
    (kept,) = tmp_path.glob("elsewhere.kept-*")
    assert (kept / "a" / "labels.tif").exists()
    DatasetLock.acquire(dataset).release()


def test_later_labels_of_the_dataset_stay(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    save(elsewhere / "a", 3)
    monkeypatch.setattr("napari_nucleiseg.storage.now", lambda: "2999-01-01T00:00:00+00:00")
    save(dataset / "a", 2)
    (reason,) = bring(dataset, elsewhere)
    assert "a was saved later in the dataset" in reason
    np.testing.assert_array_equal(read_label_tif(dataset / "a" / "labels.tif"), LABELS * 2)
    assert (elsewhere / "a" / "labels.tif").exists(), "a clock may be wrong"
    save(dataset / "a", 3)
    assert bring(dataset, elsewhere) == []
    assert not elsewhere.exists()


def test_labels_of_another_size_stay(dataset: Path, tmp_path: Path) -> None:
    state = SampleState(Status.CORRECTED)
    save_labels(tmp_path / "elsewhere" / "b", np.eye(10, dtype=np.int32), state, masks=False)
    (reason,) = bring(dataset, tmp_path / "elsewhere")
    assert "10 x 10 pixels, but its image has 64 x 64" in reason
    assert not (dataset / "b" / "labels.tif").exists()


def test_strokes_that_were_saved_are_not_unsaved(dataset: Path, tmp_path: Path) -> None:
    """A crash right after a save leaves a recovery file with what was saved."""
    elsewhere = tmp_path / "elsewhere"
    state = save(elsewhere / "b", 3)
    write_recovery(elsewhere / "b", LABELS * 3, "1" * 64, state.labels_sha256)
    assert bring(dataset, elsewhere) == []
    assert (dataset / "b" / "labels.tif").exists()


def test_a_folder_that_cannot_be_renamed_is_spoken_of(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "elsewhere" / "a", 3)
    real = os.rename

    def busy(source: Path, target: Path) -> None:
        if Path(source) == tmp_path / "elsewhere":
            raise PermissionError(13, "in use")
        real(source, target)

    monkeypatch.setattr(os, "rename", busy)
    (reason,) = bring(dataset, tmp_path / "elsewhere")
    assert "cannot be renamed (in use)" in reason


def test_what_cannot_come_back_is_named_and_stays(dataset: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    for name in ("a", "b", "c", "gone"):
        save(elsewhere / name, 3)
    write_recovery(elsewhere / "b", LABELS, "1" * 64, "")
    (elsewhere / "c" / "labels.tif").write_bytes(b"torn")
    unsaved, torn, foreign = bring(dataset, elsewhere)
    assert "b has unsaved strokes" in unsaved
    assert "labels.tif" in torn
    assert "gone belongs to no image" in foreign
    assert (dataset / "a" / "labels.tif").exists()
    assert (elsewhere / "gone" / "labels.tif").exists()


def test_a_dataset_that_somebody_edits_is_left_alone(dataset: Path, tmp_path: Path) -> None:
    save(tmp_path / "elsewhere" / "a", 3)
    with DatasetLock.acquire(dataset), pytest.raises(BadInput, match="being edited"):
        bring(dataset, tmp_path / "elsewhere")

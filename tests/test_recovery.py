from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_nucleiseg.label_files import labels_sha256, write_label_image
from napari_nucleiseg.recovery import (
    Recovery,
    clear_recovery,
    has_unsaved,
    read_recovery,
    write_recovery,
)
from napari_nucleiseg.state import SampleState, Status
from napari_nucleiseg.storage import save_labels

IMAGE, OTHER_IMAGE = "1" * 64, "2" * 64
SAVED = np.pad(np.full((3, 3), 4, np.int32), 5)
PAINTED = np.pad(np.full((4, 4), 70_000, np.int32), 5)[:13, :13]


@pytest.fixture
def saved(tmp_path: Path) -> str:
    return save_labels(tmp_path, SAVED, SampleState(), masks=False).labels_sha256


def found(folder: Path, image: str = IMAGE) -> np.ndarray:
    recovery = read_recovery(folder, image)
    assert recovery is not None
    return recovery.labels


def kept(folder: Path) -> list[Path]:
    return list(folder.glob("recovery.kept-*.tif"))


def test_nothing_to_recover(tmp_path: Path) -> None:
    assert read_recovery(tmp_path / "missing", IMAGE) is None
    clear_recovery(tmp_path / "missing")


def test_strokes_over_saved_labels_are_found(tmp_path: Path, saved: str) -> None:
    write_recovery(tmp_path, SAVED + 1, IMAGE, saved)
    write_recovery(tmp_path, PAINTED, IMAGE, saved, touched=(70_000,))
    recovery = read_recovery(tmp_path, IMAGE)
    assert isinstance(recovery, Recovery)
    np.testing.assert_array_equal(recovery.labels, PAINTED)
    assert recovery.labels.dtype == np.int32
    assert recovery.touched == (70_000,)
    assert recovery.written_at.endswith("+00:00")


def test_strokes_on_an_unlabelled_image_are_found(tmp_path: Path) -> None:
    write_recovery(tmp_path / "nucleiseg" / "a", PAINTED, IMAGE, "")
    np.testing.assert_array_equal(found(tmp_path / "nucleiseg" / "a"), PAINTED)


def test_after_a_save_it_is_cleared(tmp_path: Path, saved: str) -> None:
    write_recovery(tmp_path, PAINTED, IMAGE, saved)
    save_labels(tmp_path, PAINTED, SampleState(Status.CORRECTED), masks=False)
    clear_recovery(tmp_path)
    assert read_recovery(tmp_path, IMAGE) is None
    assert not list(tmp_path.glob("recovery*"))


def test_a_crash_between_save_and_clear_offers_nothing_old(tmp_path: Path, saved: str) -> None:
    write_recovery(tmp_path, PAINTED, IMAGE, saved)
    save_labels(tmp_path, PAINTED, SampleState(Status.CORRECTED), masks=False)
    assert has_unsaved(tmp_path) is False
    assert read_recovery(tmp_path, IMAGE) is None
    assert not kept(tmp_path)
    assert not (tmp_path / "recovery.tif").exists(), "nothing is left to be offered or saved"


def test_strokes_are_unsaved_until_they_are_saved(tmp_path: Path, saved: str) -> None:
    assert not has_unsaved(tmp_path)
    write_recovery(tmp_path, PAINTED, IMAGE, saved)
    assert has_unsaved(tmp_path)
    (tmp_path / "recovery.tif").write_bytes(b"torn")
    assert has_unsaved(tmp_path), "nobody knows what was in it"


@pytest.mark.parametrize("other", ["image", "labels"])
def test_what_does_not_fit_is_not_offered_and_not_lost(
    tmp_path: Path, saved: str, other: str
) -> None:
    write_recovery(tmp_path, PAINTED, IMAGE, saved)
    content = (tmp_path / "recovery.tif").read_bytes()
    if other == "labels":
        write_label_image(tmp_path / "labels.tif", SAVED + 5)
    assert read_recovery(tmp_path, OTHER_IMAGE if other == "image" else IMAGE) is None
    write_recovery(tmp_path, SAVED + 9, IMAGE, labels_sha256(SAVED + 5))
    clear_recovery(tmp_path)
    assert [path.read_bytes() for path in kept(tmp_path)] == [content]


def test_a_corrupt_recovery_is_not_offered_and_not_lost(tmp_path: Path, saved: str) -> None:
    write_recovery(tmp_path, PAINTED, IMAGE, saved)
    path = tmp_path / "recovery.tif"
    path.write_bytes(path.read_bytes()[:-3])
    assert read_recovery(tmp_path, IMAGE) is None
    assert len(kept(tmp_path)) == 1


def test_a_label_image_that_is_no_recovery_is_not_offered(tmp_path: Path) -> None:
    write_label_image(tmp_path / "recovery.tif", PAINTED, description='{"image_sha256": 3}')
    assert read_recovery(tmp_path, IMAGE) is None


def test_torn_labels_do_not_hide_the_strokes(tmp_path: Path, saved: str) -> None:
    write_recovery(tmp_path, PAINTED, IMAGE, saved)
    (tmp_path / "labels.tif").write_bytes(b"II*\x00")
    np.testing.assert_array_equal(found(tmp_path), PAINTED)

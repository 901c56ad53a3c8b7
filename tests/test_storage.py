from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import tifffile
from forbidden import forbid
from PIL import Image

from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.label_files import labels_sha256, read_label_tif, write_label_image
from napari_nucleiseg.mask_png import encode_masks
from napari_nucleiseg.state import SampleState, Status, read_state, write_state
from napari_nucleiseg.storage import read_prediction, repair, save_labels, write_prediction


def some_labels(version: int = 1) -> np.ndarray:
    labels = np.zeros((30, 40), np.int32)
    labels[2:9, 3:11] = 1
    labels[12:20, 5 + version : 15 + version] = 2
    labels[22:28, 30:38] = 10 + version
    return labels


def state_of(version: int = 1) -> SampleState:
    return SampleState(Status.CORRECTED, "nuclei", touched=(10 + version,))


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A sample of the DSB2018 layout with one mask that came with it."""
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"image")
    (tmp_path / "masks" / "f00.png").write_bytes(b"came")
    return tmp_path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def merged(folder: Path) -> np.ndarray:
    """Read masks/ as any DSB2018 tool does."""
    labels = np.zeros((30, 40), np.int32)
    for path in folder.iterdir():
        mask = np.array(Image.open(io.BytesIO(path.read_bytes())))
        assert mask.shape == labels.shape
        assert mask.dtype == np.uint8
        assert set(np.unique(mask)) == {0, 255}
        labels[mask > 0] = int(path.stem)
    return labels


def test_first_save(sample: Path) -> None:
    state = save_labels(sample, some_labels(), state_of(), masks=True)
    np.testing.assert_array_equal(read_label_tif(sample / "labels.tif"), some_labels())
    np.testing.assert_array_equal(merged(sample / "masks"), some_labels())
    assert (sample / "masks.original" / "f00.png").read_bytes() == b"came"
    assert read_state(sample) == state
    assert (state.status, state.model, state.touched) == (Status.CORRECTED, "nuclei", (11,))
    assert state.labels_sha256 == labels_sha256(some_labels())
    assert state.saved_at.endswith("+00:00")
    assert names(sample) == {
        *("images", "masks", "masks.original", "labels.tif", "nucleiseg.json"),
    }


def test_our_masks_stay_ours_beside_what_macos_adds(sample: Path) -> None:
    (sample / "masks" / "f00.png").unlink()
    (sample / "masks").rmdir()
    for version in (1, 2, 3):
        save_labels(sample, some_labels(version), state_of(version), masks=True)
        for path in sorted((sample / "masks").glob("0*.png")):
            path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7")
    assert not repair(sample)
    assert names(sample) == {"images", "masks", "labels.tif", "labels.bak.tif", "nucleiseg.json"}


def test_later_saves_keep_originals_and_the_version_before(sample: Path) -> None:
    for version in (1, 2, 3):
        save_labels(sample, some_labels(version), state_of(version), masks=True)
    np.testing.assert_array_equal(merged(sample / "masks"), some_labels(3))
    np.testing.assert_array_equal(read_label_tif(sample / "labels.bak.tif"), some_labels(2))
    assert (sample / "masks.original" / "f00.png").read_bytes() == b"came"
    assert names(sample) == {
        *("images", "masks", "masks.original", "labels.tif", "labels.bak.tif", "nucleiseg.json"),
    }


def test_a_layout_without_a_folder_for_each_sample(tmp_path: Path) -> None:
    folder = tmp_path / "nucleiseg" / "a"
    save_labels(folder, some_labels(), state_of(), masks=False)
    assert names(folder) == {"labels.tif", "nucleiseg.json"}
    assert not repair(folder)


def test_an_image_without_nuclei(sample: Path) -> None:
    save_labels(sample, some_labels() * 0, SampleState(Status.APPROVED), masks=True)
    assert list((sample / "masks").iterdir()) == []
    assert read_label_tif(sample / "labels.tif").max() == 0
    assert not repair(sample)


def test_an_unlabelled_image_gets_no_originals(sample: Path) -> None:
    (sample / "masks" / "f00.png").unlink()
    (sample / "masks").rmdir()
    for version in (1, 2):
        save_labels(sample, some_labels(version), state_of(version), masks=True)
    assert "masks.original" not in names(sample)


def test_saving_twice_changes_nothing_else(sample: Path) -> None:
    for _ in range(3):
        save_labels(sample, some_labels(), state_of(), masks=True)
    np.testing.assert_array_equal(merged(sample / "masks"), some_labels())
    assert not repair(sample)


def test_masks_painted_in_another_program_are_kept(sample: Path) -> None:
    save_labels(sample, some_labels(1), state_of(1), masks=True)
    (sample / "masks" / "000001.png").write_bytes(b"painted elsewhere")
    save_labels(sample, some_labels(2), state_of(2), masks=True)
    kept = next(sample.glob("masks.kept-*"))
    assert (kept / "000001.png").read_bytes() == b"painted elsewhere"
    assert (sample / "masks.original" / "f00.png").read_bytes() == b"came"
    np.testing.assert_array_equal(merged(sample / "masks"), some_labels(2))


def test_originals_share_no_file_with_masks(sample: Path) -> None:
    # A program that writes into masks/000001.png must not reach masks.original/.
    (sample / "masks" / "000001.png").write_bytes(encode_masks(some_labels())["000001.png"])
    save_labels(sample, some_labels(), state_of(), masks=True)
    kept, derived = (sample / name / "000001.png" for name in ("masks.original", "masks"))
    assert kept.read_bytes() == derived.read_bytes()
    assert not kept.samefile(derived)


def test_labels_that_cannot_be_saved_change_nothing(sample: Path) -> None:
    before = names(sample)
    for labels in (np.zeros((4, 4)), np.zeros(4, int), np.full((4, 4), -1)):
        with pytest.raises(BadInput, match="cannot be saved"):
            save_labels(sample, labels, state_of(), masks=True)
    assert names(sample) == before


def test_painting_on_while_it_saves_tears_nothing(sample: Path) -> None:
    labels, stop = some_labels(1), threading.Event()

    def paint() -> None:
        version = 1
        while not stop.is_set():
            version = 3 - version
            labels[...] = some_labels(version)

    painter = threading.Thread(target=paint)
    painter.start()
    try:
        for _ in range(10):
            state = save_labels(sample, labels, state_of(), masks=True)
            saved = read_label_tif(sample / "labels.tif")
            assert labels_sha256(saved) == state.labels_sha256
            np.testing.assert_array_equal(merged(sample / "masks"), saved)
    finally:
        stop.set()
        painter.join()


def test_saves_from_several_threads_go_one_after_the_other(sample: Path) -> None:
    def save(version: int) -> None:
        save_labels(sample, some_labels(version), state_of(version), masks=True)
        write_state(sample, state_of(version))

    threads = [threading.Thread(target=save, args=(version,)) for version in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    saved = read_label_tif(sample / "labels.tif")
    np.testing.assert_array_equal(merged(sample / "masks"), saved)
    assert not list(sample.glob("*kept*"))
    assert not list(sample.glob(".*"))
    assert not repair(sample)


# --- repair


def test_a_folder_that_may_not_be_entered_is_not_repaired(
    sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(monkeypatch, sample)
    assert not repair(sample)


def test_nothing_to_repair(sample: Path) -> None:
    assert not repair(sample / "missing")
    assert not repair(sample)
    save_labels(sample, some_labels(), state_of(), masks=True)
    assert not repair(sample)


def test_lost_and_torn_masks_are_derived_again(sample: Path) -> None:
    save_labels(sample, some_labels(), state_of(), masks=True)
    os.rename(sample / "masks", sample / "elsewhere")
    assert repair(sample)
    np.testing.assert_array_equal(merged(sample / "masks"), some_labels())
    (sample / "masks" / "000002.png").write_bytes(b"")
    assert repair(sample)
    np.testing.assert_array_equal(merged(sample / "masks"), some_labels())
    assert not repair(sample)


@pytest.mark.parametrize("content", [None, b"", b'{"format": 9}'])
def test_a_lost_state_comes_back_from_the_labels(sample: Path, content: bytes | None) -> None:
    state = save_labels(sample, some_labels(), state_of(), masks=True)
    (sample / "nucleiseg.json").unlink()
    if content is not None:
        (sample / "nucleiseg.json").write_bytes(content)
    assert repair(sample)
    assert read_state(sample) == state
    if content is not None:
        assert (sample / "nucleiseg.bak.json").read_bytes() == content
    assert not repair(sample)


def test_a_backup_put_back_by_hand_brings_its_state_and_masks(sample: Path) -> None:
    first = save_labels(sample, some_labels(1), state_of(1), masks=True)
    save_labels(sample, some_labels(2), state_of(2), masks=True)
    os.replace(sample / "labels.bak.tif", sample / "labels.tif")
    assert repair(sample)
    assert read_state(sample) == first
    np.testing.assert_array_equal(merged(sample / "masks"), some_labels(1))


def test_labels_replaced_by_another_program_count_as_drawn(sample: Path) -> None:
    save_labels(sample, some_labels(1), state_of(1), masks=True)
    tifffile.imwrite(sample / "labels.tif", some_labels(2))
    assert repair(sample)
    state = read_state(sample)
    assert (state.status, state.touched) == (Status.CORRECTED, (1, 2, 12))
    np.testing.assert_array_equal(merged(sample / "masks"), some_labels(2))


def test_labels_and_masks_of_others_are_left_alone(sample: Path) -> None:
    tifffile.imwrite(sample / "labels.tif", some_labels())
    assert not repair(sample)
    assert names(sample) == {"images", "masks", "labels.tif"}


def test_a_changed_status_outlasts_a_repair(sample: Path) -> None:
    state = save_labels(sample, some_labels(), state_of(), masks=True)
    write_state(sample, SampleState(Status.APPROVED, touched=state.touched))
    assert not repair(sample)
    (sample / "masks" / "000001.png").unlink()
    assert repair(sample)
    assert read_state(sample).status == Status.APPROVED


def test_torn_labels_are_not_repaired_into_an_empty_mask(sample: Path) -> None:
    save_labels(sample, some_labels(1), state_of(1), masks=True)
    save_labels(sample, some_labels(2), state_of(2), masks=True)
    (sample / "labels.tif").write_bytes((sample / "labels.tif").read_bytes()[:60])
    with pytest.raises(BadInput, match=r"rename labels\.bak\.tif"):
        repair(sample)
    np.testing.assert_array_equal(merged(sample / "masks"), some_labels(2))


# --- predictions


def test_a_prediction_is_kept_with_its_model(tmp_path: Path) -> None:
    assert read_prediction(tmp_path / "a") is None
    for version in (1, 2):
        write_prediction(tmp_path / "a", some_labels(version), f"nuclei µ {version}")
    kept = read_prediction(tmp_path / "a")
    assert kept is not None
    np.testing.assert_array_equal(kept[0], some_labels(2))
    assert kept[1] == "nuclei µ 2"
    assert names(tmp_path / "a") == {"prediction.tif"}


def test_a_torn_or_foreign_prediction_is_none(tmp_path: Path) -> None:
    write_prediction(tmp_path, some_labels(), "nuclei")
    data = (tmp_path / "prediction.tif").read_bytes()
    (tmp_path / "prediction.tif").write_bytes(data[:-9])
    assert read_prediction(tmp_path) is None
    for description in ("", "[]", "{}", "nuclei"):
        write_label_image(tmp_path / "prediction.tif", some_labels(), description=description)
        assert read_prediction(tmp_path) is None

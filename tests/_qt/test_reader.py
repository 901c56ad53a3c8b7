"""File > Open, a folder dropped on the window, and File > Open Sample."""

from __future__ import annotations

import shutil
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from squares import EDGE, squares, write_sample

from napari_nucleiseg._qt.docks import PLUGIN, dataset_dock
from napari_nucleiseg._qt.layers import layers_for
from napari_nucleiseg._qt.reader import get_reader
from napari_nucleiseg._qt.sample_data import sample_folder, write_sample_dataset
from napari_nucleiseg.atomic import SaveFailed


def wait_for_sample(viewer: Any, qtbot: QtBot) -> Any:
    layers = layers_for(viewer)
    qtbot.waitUntil(lambda: layers.labels_layer is not None, timeout=60_000)
    return layers


# --- what is a dataset


@pytest.mark.parametrize("inner", ["", "train", "stage1_train"])
def test_a_folder_of_samples_is_a_dataset(squares_folder: Path, tmp_path: Path, inner: str) -> None:
    root = tmp_path / "root"
    shutil.copytree(squares_folder, root / inner)
    assert get_reader(str(root)) is not None


def test_a_folder_of_samples_without_masks_is_a_dataset(tmp_path: Path) -> None:
    """As the `stage1_test` of DSB2018."""
    for name in ("a1", "b2"):
        (tmp_path / "root" / name / "images").mkdir(parents=True)
    assert get_reader(str(tmp_path / "root")) is None, "other programs have such folders, too"
    (tmp_path / "root" / "b2" / "images" / "b2.png").touch()
    assert get_reader(str(tmp_path / "root")) is not None


def test_folders_of_images_and_of_masks_side_by_side_are_a_dataset(tmp_path: Path) -> None:
    for name in ("Images", "Masks"):
        (tmp_path / "pairs" / name).mkdir(parents=True)
    assert get_reader(str(tmp_path / "pairs")) is not None


def test_an_archive_of_a_dataset_is_one(squares_folder: Path, tmp_path: Path) -> None:
    path = shutil.make_archive(str(tmp_path / "packed"), "zip", squares_folder)
    assert get_reader(path) is not None


def test_an_archive_of_windows_powershell_is_one(tmp_path: Path) -> None:
    path = tmp_path / "packed.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for name in ("a\\images\\a.png", "a\\masks\\1.png"):
            info = zipfile.ZipInfo()
            info.filename = name
            opened.writestr(info, b"")
    assert get_reader(str(path)) is not None


def test_all_else_is_left_to_others(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "image.png").write_bytes(b"")
    (tmp_path / "broken.zip").write_bytes(b"no archive")
    packed = shutil.make_archive(str(tmp_path / "plain"), "zip", plain)
    for path in (plain, plain / "image.png", tmp_path / "broken.zip", packed, tmp_path / "gone"):
        assert get_reader(str(path)) is None
    assert get_reader([str(plain)]) is None


# --- in a window


@pytest.mark.parametrize("packed", [False, True])
def test_a_dataset_opens_in_the_dock(
    viewer: napari.Viewer, squares_folder: Path, qtbot: QtBot, packed: bool
) -> None:
    path = str(squares_folder)
    if packed:
        path = shutil.make_archive(f"{path} packed", "zip", squares_folder)
    viewer.open(path, plugin=PLUGIN)
    layers = wait_for_sample(viewer, qtbot)
    assert [each.id for each in layers.session.dataset.samples] == ["a", "b", "c"]
    assert [each.name for each in viewer.layers] == ["a", "nuclei"], "no layers of the reader's own"
    np.testing.assert_array_equal(
        layers.draft.current_labels(), squares((EDGE, EDGE), (10, 10), (50, 50))
    )
    assert dataset_dock(viewer).list.model.rowCount() == 3


def test_the_sample_dataset_is_made_and_opened(viewer: napari.Viewer, qtbot: QtBot) -> None:
    viewer.open_sample(PLUGIN, "nuclei")
    layers = wait_for_sample(viewer, qtbot)
    assert layers.session.dataset.root == sample_folder()
    assert layers.session.is_writable


def test_the_sample_dataset_has_something_to_segment_and_to_compare(tmp_path: Path) -> None:
    folder = write_sample_dataset(tmp_path / "made", count=6)
    with_masks = [each.parent.name for each in folder.glob("*/masks")]
    images = [each.parent.name for each in folder.glob("*/images")]
    assert len(images) == 6
    assert len(with_masks) == 3
    kinds = {name.rpartition("-")[0] for name in images}
    assert kinds == {name.rpartition("-")[0] for name in with_masks}


def test_a_sample_dataset_that_cannot_be_written_is_spoken_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SaveFailed, match="made was not saved"):
        write_sample_dataset(tmp_path / "file" / "made", count=6)


def test_a_virus_scanner_does_not_keep_the_sample_dataset_from_its_place(
    tmp_path: Path, virus_scanner: Counter[str]
) -> None:
    assert write_sample_dataset(tmp_path / "made", count=6).is_dir()
    assert virus_scanner


def test_corrections_in_the_sample_dataset_are_kept(tmp_path: Path) -> None:
    folder = write_sample_dataset(tmp_path / "made", count=6)
    mine = next(folder.glob("*/images")).parent / "labels.tif"
    mine.write_bytes(b"mine")
    write_sample_dataset(folder, count=6)
    assert mine.read_bytes() == b"mine"


def test_a_sample_dataset_that_was_half_made_is_made_again(tmp_path: Path) -> None:
    half = tmp_path / ".made.new"
    write_sample(half / "half", squares((EDGE, EDGE), (10, 10)), masks=True)
    folder = write_sample_dataset(tmp_path / "made", count=6)
    assert not (folder / "half").exists()
    assert not half.exists()

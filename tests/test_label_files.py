from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.label_files import (
    decode_labels,
    is_marked,
    labels_sha256,
    read_label_file,
    read_label_tif,
    write_label_image,
)


def some_labels(highest: int = 40) -> np.ndarray:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 40, (12, 15))
    labels = np.kron(small, np.ones((8, 8), int)).astype(np.int32)
    labels[3, 5] = highest
    return labels


@pytest.mark.parametrize(
    ("highest", "stored"),
    [(40, "uint16"), (65535, "uint16"), (65536, "int32"), (2**31 - 1, "int32")],
)
def test_ids_survive_in_the_smallest_type(tmp_path: Path, highest: int, stored: str) -> None:
    labels = some_labels(highest)
    write_label_image(tmp_path / "labels.tif", labels)
    with tifffile.TiffFile(tmp_path / "labels.tif") as tif:
        assert tif.pages.first.dtype == stored
        assert tif.pages.first.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
    read = read_label_tif(tmp_path / "labels.tif")
    assert read.dtype == np.int32
    np.testing.assert_array_equal(read, labels)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (5, 3), (2, 4), (300, 3)])
def test_odd_shapes_survive(tmp_path: Path, shape: tuple[int, int]) -> None:
    labels = np.arange(shape[0] * shape[1]).reshape(shape)
    write_label_image(tmp_path / "labels.tif", labels)
    np.testing.assert_array_equal(read_label_tif(tmp_path / "labels.tif"), labels)


def test_other_programs_read_it(tmp_path: Path) -> None:
    labels = some_labels(65535)
    write_label_image(tmp_path / "labels.tif", labels, description='{"status": "corrected"}')
    with Image.open(tmp_path / "labels.tif") as image:
        np.testing.assert_array_equal(np.array(image), labels)


def test_strided_and_foreign_dtypes_are_taken(tmp_path: Path) -> None:
    labels = some_labels().astype(">i8")[::2, ::-1]
    write_label_image(tmp_path / "labels.tif", labels)
    np.testing.assert_array_equal(read_label_tif(tmp_path / "labels.tif"), labels)


def test_description_survives(tmp_path: Path) -> None:
    write_label_image(tmp_path / "labels.tif", some_labels(), description='{"a": [1, 2]}')
    assert read_label_file(tmp_path / "labels.tif")[1] == '{"a": [1, 2]}'


@pytest.mark.parametrize(
    "labels",
    [
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4), bool),
        np.zeros((4, 4, 3), np.int32),
        np.zeros((0, 4), np.int32),
        np.full((4, 4), -1),
        np.full((4, 4), 2**31),
    ],
)
def test_what_is_no_label_image_is_refused(tmp_path: Path, labels: np.ndarray) -> None:
    path = tmp_path / "labels.tif"
    write_label_image(path, some_labels())
    with pytest.raises(BadInput, match="cannot be saved"):
        write_label_image(path, labels)
    np.testing.assert_array_equal(read_label_tif(path), some_labels())


def test_the_previous_version_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    for version in (1, 2, 3):
        write_label_image(path, some_labels(version * 1000))
    assert read_label_tif(path).max() == 3000
    assert read_label_tif(tmp_path / "labels.bak.tif").max() == 2000
    assert {path.name for path in tmp_path.iterdir()} == {"labels.tif", "labels.bak.tif"}


def test_hash_tells_shape_and_ids_but_not_dtype() -> None:
    labels = some_labels()
    assert labels_sha256(labels) == labels_sha256(labels.astype(np.uint16))
    assert labels_sha256(labels) == labels_sha256(np.asfortranarray(labels))
    assert labels_sha256(labels) != labels_sha256(labels.reshape(-1, 48))
    assert labels_sha256(labels) != labels_sha256(some_labels(41))


# --- faults


def test_a_file_cut_anywhere_is_never_read(tmp_path: Path) -> None:
    labels = some_labels()
    write_label_image(tmp_path / "labels.tif", labels)
    data = (tmp_path / "labels.tif").read_bytes()
    for length in range(len(data)):
        with pytest.raises(ValueError):  # noqa: PT011
            decode_labels(data[:length])


def test_a_flipped_bit_is_found_or_harmless(tmp_path: Path) -> None:
    labels = some_labels()
    write_label_image(tmp_path / "labels.tif", labels)
    data = (tmp_path / "labels.tif").read_bytes()
    found = 0
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 1 << position % 8
        try:
            read, _ = decode_labels(bytes(damaged))
        except ValueError:
            found += 1
        else:
            np.testing.assert_array_equal(read, labels)
    assert found > len(data) // 2


def test_torn_labels_offer_the_backup(tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    write_label_image(path, some_labels(50))
    write_label_image(path, some_labels(60))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadInput, match=r"rename labels\.bak\.tif to labels\.tif"):
        read_label_tif(path)
    os.replace(tmp_path / "labels.bak.tif", path)
    np.testing.assert_array_equal(read_label_tif(path), some_labels(50))


def test_a_torn_backup_is_not_offered(tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    path.write_bytes(b"")
    (tmp_path / "labels.bak.tif").write_bytes(b"II*\x00")
    with pytest.raises(BadInput, match="restore it from a copy") as caught:
        read_label_tif(path)
    assert "bak" not in str(caught.value)


def test_torn_labels_do_not_replace_the_whole_backup(tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    for version in (50, 60):
        write_label_image(path, some_labels(version))
    path.write_bytes(b"torn")
    write_label_image(path, some_labels(70))
    assert read_label_tif(path).max() == 70
    assert read_label_tif(tmp_path / "labels.bak.tif").max() == 50
    assert [kept.read_bytes() for kept in tmp_path.glob("labels.kept-*.tif")] == [b"torn"]


def test_other_tiffs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    for array in (
        np.zeros((3, 8, 8), np.uint8),
        np.zeros((8, 8), np.float32),
        np.full((8, 8), -3, np.int16),
        np.full((8, 8), 2**31, np.uint32),
    ):
        tifffile.imwrite(path, array, photometric="minisblack")
        with pytest.raises(BadInput, match="not a readable label image"):
            read_label_tif(path)


def test_labels_of_other_programs_are_read(tmp_path: Path) -> None:
    labels = some_labels()
    for dtype in (np.uint8, np.int16, np.uint32, np.int64):
        tifffile.imwrite(tmp_path / "labels.tif", labels.astype(dtype))
        np.testing.assert_array_equal(read_label_tif(tmp_path / "labels.tif"), labels)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_torn_file_of_another_program_is_refused(tmp_path: Path, compression: str | None) -> None:
    path = tmp_path / "labels.tif"
    tifffile.imwrite(path, some_labels(), compression=compression, rowsperstrip=8)
    data = path.read_bytes()
    for length in range(0, len(data), len(data) // 40):
        path.write_bytes(data[:length])
        with pytest.raises(BadInput, match="not a readable label image"):
            read_label_tif(path)


def test_a_missing_strip_is_not_read_as_background(tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    tifffile.imwrite(path, some_labels(), compression="zlib", rowsperstrip=8)
    with tifffile.TiffFile(path, mode="r+b") as tif:
        counts = tif.pages.first.tags["StripByteCounts"]
        counts.overwrite((0, *counts.value[1:]))
    assert tifffile.imread(path)[:8].max() == 0
    with pytest.raises(BadInput, match="cut short"):
        read_label_tif(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        read_label_tif(tmp_path / "labels.tif")
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(BadInput, match="not a regular file"):
        read_label_tif(tmp_path / "folder.tif")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.timeout(10)
def test_a_pipe_does_not_hang_the_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "labels.tif")
    with pytest.raises(BadInput, match="not a regular file"):
        read_label_tif(tmp_path / "labels.tif")


@pytest.mark.parametrize(("shape", "highest"), [((64, 64), 9), ((9000, 9000), 70000)])
def test_our_own_files_are_known_by_their_header(
    tmp_path: Path, shape: tuple[int, int], highest: int
) -> None:
    labels = np.zeros(shape, np.int32)
    labels[2, 2] = highest
    path = tmp_path / "labels.tif"
    write_label_image(path, labels)
    assert is_marked(path)
    tifffile.imwrite(path, labels[:64, :64])
    assert not is_marked(path)
    assert not is_marked(tmp_path / "missing.tif")

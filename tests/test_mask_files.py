from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.mask_files import (
    encode_masks,
    files_sha256,
    is_one_of,
    read_masks,
    stage_masks,
    swap_masks,
)


def some_labels(shape: tuple[int, int] = (40, 70)) -> np.ndarray:
    labels = np.zeros(shape, np.int32)
    labels[0, 0] = 3
    labels[-1, -1] = 4
    labels[5:20, 3:17] = 7
    labels[8:12, 6:9] = 0
    labels[15:30, 30:60] = 12
    labels[10:13, 65:] = 12
    return labels


def decode(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.mode) == ("PNG", "L")
        by_pillow = np.array(image)
    by_cv2 = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(by_pillow, by_cv2)
    return by_pillow


@pytest.mark.parametrize(
    "labels",
    [
        some_labels(),
        some_labels().astype(np.uint16),
        np.ones((1, 1), np.int32),
        np.ones((3, 2), np.int32),
        np.eye(9, dtype=np.int32) * np.arange(1, 10, dtype=np.int32),
        np.full((700, 900), 5, np.int32),
        np.pad(np.full((2, 3), 2**31 - 1), ((300, 41), (7, 1000))).astype(np.int32),
        np.array([[2**30, 2**31 - 1], [2**30, 9]], np.int32),
    ],
    ids=["some", "uint16", "pixel", "full", "diagonal", "large", "high id", "sparse ids"],
)
def test_each_nucleus_is_one_binary_png(labels: np.ndarray) -> None:
    files = encode_masks(labels)
    assert [int(name.removesuffix(".png")) for name in files] == [i for i in np.unique(labels) if i]
    for name, data in files.items():
        mask = decode(data)
        np.testing.assert_array_equal(mask, (labels == int(name.removesuffix(".png"))) * 255)


def test_no_nuclei_no_masks() -> None:
    assert encode_masks(np.zeros((5, 5), np.int32)) == {}


def test_hash_tells_names_and_contents_and_not_their_order() -> None:
    files = {"a": b"1", "b": b"2"}
    assert files_sha256(files) == files_sha256({"b": b"2", "a": b"1"})
    others = [{"a": b"2", "b": b"1"}, {"a": b"1"}, {"a": b"1", "c": b"2"}, {"a": b"1b:1:2"}]
    assert len({files_sha256(other) for other in [files, *others]}) == 5


def test_read_masks_takes_files_alone(tmp_path: Path) -> None:
    assert read_masks(tmp_path / "masks") is None
    (tmp_path / "a.png").write_bytes(b"1")
    (tmp_path / ".DS_Store").write_bytes(b"2")
    assert read_masks(tmp_path) == {"a.png": b"1"}
    (tmp_path / "folder").mkdir()
    assert read_masks(tmp_path) is None


def test_a_missing_folder_is_nobodys() -> None:
    assert is_one_of({}, [files_sha256({})])
    assert not is_one_of(None, [files_sha256({})])
    assert not is_one_of({}, [])


def publish(folder: Path, files: dict[str, bytes], ours: list[str]) -> None:
    swap_masks(folder, stage_masks(folder, files, []), ours)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_masks_that_came_are_kept_for_ever(tmp_path: Path) -> None:
    came, first, second = {"x.png": b"came"}, {"1.png": b"1"}, {"2.png": b"2"}
    publish(tmp_path, came, [])
    publish(tmp_path, first, [])
    publish(tmp_path, second, [files_sha256(first)])
    assert read_masks(tmp_path / "masks") == second
    assert read_masks(tmp_path / "masks.original") == came
    assert names(tmp_path) == ["masks", "masks.original"]


def test_masks_changed_by_another_program_are_kept(tmp_path: Path) -> None:
    ours = {"1.png": b"1"}
    publish(tmp_path, {"x.png": b"came"}, [])
    publish(tmp_path, ours, [])
    (tmp_path / "masks" / "1.png").write_bytes(b"painted elsewhere")
    publish(tmp_path, {"2.png": b"2"}, [files_sha256(ours)])
    kept = next(path for path in tmp_path.iterdir() if path.name.startswith("masks.kept-"))
    assert read_masks(kept) == {"1.png": b"painted elsewhere"}


def test_unchanged_masks_are_linked_or_else_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"1.png": b"1", "2.png": b"2"}
    publish(tmp_path, files, [])
    number = (tmp_path / "masks" / "1.png").stat().st_ino
    staged = stage_masks(tmp_path, {**files, "2.png": b"new"}, ["1.png"])
    assert (staged / "1.png").stat().st_ino == number
    assert read_masks(staged) == {"1.png": b"1", "2.png": b"new"}

    def no_links(source: Path, target: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", no_links)
    assert read_masks(stage_masks(tmp_path, files, ["1.png"])) == files


def test_a_failed_swap_puts_masks_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    came = {"x.png": b"came"}
    publish(tmp_path, came, [])
    staged = stage_masks(tmp_path, {"1.png": b"1"}, [])
    rename = os.rename

    def fail_for_new(source: Path, target: Path) -> None:
        if source == staged:
            raise PermissionError("held by a virus scanner")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail_for_new)
    with pytest.raises(PermissionError):
        swap_masks(tmp_path, staged, [])
    assert read_masks(tmp_path / "masks") == came
    assert not (tmp_path / "masks.original").exists()

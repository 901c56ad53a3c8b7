from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_nucleiseg.annotations import merge_masks, read_merged
from napari_nucleiseg.errors import BadInput

SHAPE = (20, 30)


def box(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[top:bottom, left:right] = True
    return mask


def saved(folder: Path, **masks: np.ndarray) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name, mask in masks.items():
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{name}.png")
    return [folder / f"{name}.png" for name in masks]


def cache_entries() -> list[Path]:
    return sorted(Path(os.environ["NUCLEISEG_CACHE"]).rglob("*.npz"))


def test_ids_follow_the_order_of_the_masks(tmp_path: Path) -> None:
    one, two = box(0, 0, 5, 5), box(0, 5, 5, 10)
    merged = merge_masks(saved(tmp_path, a=one, b=two), SHAPE)
    assert merged.dtype == np.int32
    np.testing.assert_array_equal(merged, one * 1 + two * 2)


@pytest.mark.parametrize("order", [("large", "small"), ("small", "large")])
def test_the_smaller_nucleus_keeps_shared_pixels(tmp_path: Path, order: tuple[str, str]) -> None:
    masks = {"large": box(0, 0, 10, 10), "small": box(8, 8, 12, 12)}
    paths = saved(tmp_path, **{name: masks[name] for name in order})
    merged = merge_masks(paths, SHAPE)
    small = merged == order.index("small") + 1
    np.testing.assert_array_equal(small, masks["small"])
    assert (merged == order.index("large") + 1).sum() == 100 - 4


def test_three_masks_on_one_pixel(tmp_path: Path) -> None:
    paths = saved(tmp_path, a=box(0, 0, 4, 4), b=box(3, 3, 5, 5), c=box(2, 2, 6, 6))
    assert merge_masks(paths, SHAPE)[3, 3] == 2


def test_empty_and_covered_masks_count_as_no_nucleus(tmp_path: Path) -> None:
    nucleus = box(0, 0, 5, 5)
    paths = saved(tmp_path, a=nucleus & False, b=nucleus, c=nucleus, d=box(9, 9, 12, 12))
    merged = merge_masks(paths, SHAPE)
    np.testing.assert_array_equal(merged, nucleus * 1 + box(9, 9, 12, 12) * 2)


def test_a_mask_of_another_size_is_refused_with_both_sizes(tmp_path: Path) -> None:
    paths = saved(tmp_path, a=box(0, 0, 5, 5), b=np.ones((25, 30), bool))
    with pytest.raises(BadInput, match=r"b\.png has 25 x 30 pixels, but its image has 20 x 30"):
        merge_masks(paths, SHAPE)


def test_an_unreadable_mask_is_refused_rather_than_left_out(tmp_path: Path) -> None:
    paths = saved(tmp_path, a=box(0, 0, 5, 5), b=box(5, 5, 9, 9))
    paths[1].write_bytes(paths[1].read_bytes()[:-10])
    with pytest.raises(BadInput, match=r"b\.png is damaged"):
        merge_masks(paths, SHAPE)


# --- the cache


def test_the_second_reading_opens_no_mask(tmp_path: Path) -> None:
    paths = saved(tmp_path / "masks", a=box(0, 0, 10, 10), b=box(8, 8, 12, 12))
    first = merge_masks(paths, SHAPE)
    for path in paths:  # of the same size and time, but no longer a mask
        status = path.stat()
        path.write_bytes(bytes(status.st_size))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    second = merge_masks(paths, SHAPE)
    np.testing.assert_array_equal(first, second)
    assert second.dtype == np.int32


def test_a_changed_an_added_and_a_removed_mask_are_noticed(tmp_path: Path) -> None:
    paths = saved(tmp_path / "masks", a=box(0, 0, 5, 5))
    merge_masks(paths, SHAPE)
    paths = saved(tmp_path / "masks", a=box(0, 0, 6, 6))
    os.utime(paths[0], ns=(1, 1))
    assert (merge_masks(paths, SHAPE) == 1).sum() == 36
    paths = saved(tmp_path / "masks", a=box(0, 0, 6, 6), b=box(9, 9, 12, 12))
    assert merge_masks(paths, SHAPE).max() == 2
    assert merge_masks(paths[:1], SHAPE).max() == 1
    assert len(cache_entries()) == 1, "an entry is replaced, not kept for ever"


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "text"])
def test_a_damaged_entry_is_made_anew(tmp_path: Path, damage: str) -> None:
    paths = saved(tmp_path / "masks", a=box(0, 0, 5, 5))
    expected = merge_masks(paths, SHAPE)
    (entry,) = cache_entries()
    good = entry.read_bytes()
    middle = len(good) // 2
    flipped = good[:middle] + bytes([good[middle] ^ 255]) + good[middle + 1 :]
    bad = {"empty": b"", "cut": good[:middle], "flipped": flipped, "text": b"hello"}[damage]
    entry.write_bytes(bad)
    np.testing.assert_array_equal(merge_masks(paths, SHAPE), expected)
    merge_masks(paths, SHAPE)
    assert entry.read_bytes() != bad


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_not_utf8_are_read_and_cached(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    paths = [folder / os.fsdecode(b"\xe9.png")]
    Image.fromarray(np.eye(9, dtype=np.uint8) * 255).save(paths[0])
    for _ in range(2):
        assert merge_masks(paths, (9, 9)).max() == 1


def test_no_cache_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("NUCLEISEG_CACHE", str(tmp_path / "file" / "below"))
    assert merge_masks(saved(tmp_path, a=box(0, 0, 5, 5)), SHAPE).max() == 1


def test_writing_leaves_no_temporary_files(tmp_path: Path) -> None:
    merge_masks(saved(tmp_path / "masks", a=box(0, 0, 5, 5)), SHAPE)
    assert [path.suffix for path in cache_entries()[0].parent.iterdir()] == [".npz"]


# --- one file for all nuclei


def test_a_binary_mask_gives_its_components(tmp_path: Path) -> None:
    mask = box(0, 0, 5, 5) | box(5, 5, 8, 8) | box(10, 20, 15, 25)
    (path,) = saved(tmp_path, a=mask)
    labels = read_merged(path, SHAPE)
    assert labels.dtype == np.int32
    assert labels.max() == 2, "touching corners belong together"
    np.testing.assert_array_equal(labels > 0, mask)


def test_a_mask_with_smoothed_edges_and_a_jpeg_count_as_binary(tmp_path: Path) -> None:
    soft = np.zeros(SHAPE, np.uint8)
    soft[2:12, 2:12], soft[3:11, 3:11] = 100, 255
    soft[2:12, 16:28], soft[3:11, 17:27] = 160, 255
    for name in ("a.png", "a.jpg"):
        Image.fromarray(soft).save(tmp_path / name)
        assert read_merged(tmp_path / name, SHAPE).max() == 2


def test_ids_of_a_label_image_are_kept(tmp_path: Path) -> None:
    ids = box(0, 0, 5, 5) * 7 + box(0, 5, 5, 10) * 300
    tifffile.imwrite(tmp_path / "a.tif", ids.astype(np.uint16))
    np.testing.assert_array_equal(read_merged(tmp_path / "a.tif", SHAPE), ids)


def test_a_label_image_without_nuclei_is_empty_and_not_unlabelled(tmp_path: Path) -> None:
    (path,) = saved(tmp_path, a=box(0, 0, 0, 0))
    assert not read_merged(path, SHAPE).any()


def test_a_label_image_of_another_size_is_refused(tmp_path: Path) -> None:
    (path,) = saved(tmp_path, a=np.ones((5, 6), bool))
    with pytest.raises(BadInput, match=r"a\.png has 5 x 6 pixels"):
        read_merged(path, SHAPE)

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from napari_nucleiseg.mask_files import (
    files_sha256,
    is_one_of,
    read_masks,
    stage_masks,
    swap_masks,
)


def test_hash_tells_names_and_contents_and_not_their_order() -> None:
    files = {"a": b"1", "b": b"2"}
    assert files_sha256(files) == files_sha256({"b": b"2", "a": b"1"})
    others = [{"a": b"2", "b": b"1"}, {"a": b"1"}, {"a": b"1", "c": b"2"}, {"a": b"1b:1:2"}]
    assert len({files_sha256(other) for other in [files, *others]}) == 5


def test_read_masks_takes_files_alone(tmp_path: Path) -> None:
    assert read_masks(tmp_path / "masks") is None
    (tmp_path / "a.png").write_bytes(b"1")
    for name in (".DS_Store", "._a.png", "Desktop.ini", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"2")
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


def test_masks_are_put_back_though_a_virus_scanner_holds_them(
    tmp_path: Path, virus_scanner: Counter[str]
) -> None:
    came = {"x.png": b"came"}
    publish(tmp_path, came, [])
    staged = stage_masks(tmp_path, {"1.png": b"1"}, [])
    virus_scanner[str(staged)] = -1000  # it holds the new ones for good
    with pytest.raises(PermissionError):
        swap_masks(tmp_path, staged, [])
    assert read_masks(tmp_path / "masks") == came

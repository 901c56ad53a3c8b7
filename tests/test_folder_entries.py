from __future__ import annotations

from pathlib import Path

import pytest

from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.folder_entries import entries_in, is_folder, list_entries, natural_key


def test_folders_images_and_what_is_not_read_are_told_apart(tmp_path: Path) -> None:
    for name in ("a10.PNG", "a2.tif", "m.npy", "notes.txt", ".hidden.png"):
        (tmp_path / name).touch()
    for name in ("sub", "nucleiseg", "__MACOSX", ".git", "folder.png"):
        (tmp_path / name).mkdir()
    found = list_entries(tmp_path)
    assert [each.name for each in found.folders] == ["folder.png", "sub"]
    assert [each.name for each in found.files] == ["a2.tif", "a10.PNG"]
    assert [each.name for each in found.unread] == ["m.npy"]


def test_what_is_not_there_holds_nothing_and_cannot_be_listed(tmp_path: Path) -> None:
    assert not is_folder(tmp_path / "gone")
    assert entries_in(tmp_path / "gone").files == []
    with pytest.raises(BadInput, match="cannot be listed"):
        list_entries(tmp_path / "gone")


def test_natural_order() -> None:
    names = ["b", "a10", "a2", "A1", "10", "9"]
    assert sorted(names, key=natural_key) == ["9", "10", "A1", "a2", "a10", "b"]

from __future__ import annotations

import os
import stat
import time
from collections import Counter
from pathlib import Path

import pytest

from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.folder_swap import restore_interrupted, write_folder

OLD, YOUNG = "999999999-00000000.tmp", "999999999-00000001.tmp"


def contents(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def names_in(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def no_check(folder: Path) -> None:
    pass


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    folder = tmp_path / "parent" / "new"
    write_folder(folder, {"a": b"1", "b": b"2"}, no_check)
    write_folder(folder, {"a": b"3", "b": b"4", "c": b"5"}, no_check)
    assert contents(folder) == {"a": b"3", "b": b"4", "c": b"5"}
    assert names_in(folder.parent) == {"new"}


def test_a_virus_scanner_does_not_stop_it(tmp_path: Path, virus_scanner: Counter[str]) -> None:
    folder = tmp_path / "new"
    write_folder(folder, {"a": b"1"}, no_check)
    write_folder(folder, {"a": b"2"}, no_check)
    assert contents(folder) == {"a": b"2"}
    assert names_in(tmp_path) == {"new"}
    assert len(virus_scanner) == 3


def test_a_folder_comes_back_though_a_virus_scanner_holds_it(
    tmp_path: Path, virus_scanner: Counter[str]
) -> None:
    (tmp_path / ".new.previous").mkdir()
    restore_interrupted(tmp_path / "new")
    assert names_in(tmp_path) == {"new"}
    assert virus_scanner


def test_what_does_not_pass_the_check_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    write_folder(folder, {"a": b"1"}, no_check)

    def refuse(new: Path) -> None:
        assert contents(new) == {"a": b"2"}
        raise ValueError("no good")

    with pytest.raises(ValueError, match="no good"):
        write_folder(folder, {"a": b"2"}, refuse)
    assert contents(folder) == {"a": b"1"}
    assert names_in(tmp_path) == {"new"}


def test_a_folder_that_a_crash_left_aside_comes_back(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    write_folder(folder, {"a": b"1"}, no_check)
    folder.rename(tmp_path / ".new.previous")
    restore_interrupted(folder)
    assert contents(folder) == {"a": b"1"}
    restore_interrupted(folder)  # nothing to do
    assert names_in(tmp_path) == {"new"}


def test_what_killed_writers_left_is_cleared_after_an_hour(tmp_path: Path) -> None:
    for name, age in ((f".m.{OLD}", 4000), (f".m.{YOUNG}", 10), (f".other.{OLD}", 4000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    write_folder(tmp_path / "m", {"a": b"1"}, no_check)
    assert names_in(tmp_path) == {"m", f".m.{YOUNG}", f".other.{OLD}"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
@pytest.mark.parametrize(("umask", "mode"), [(0o002, 0o775), (0o077, 0o700)])
def test_a_folder_is_open_to_whom_the_umask_allows(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_folder(tmp_path / "m", {"a": b"1"}, no_check)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "m" / "a").stat().st_mode) == mode & 0o666


@pytest.mark.parametrize("place", ["m", ".m.previous"])
def test_a_folder_with_other_files_is_never_replaced(tmp_path: Path, place: str) -> None:
    write_folder(tmp_path / "m", {"a": b"1"}, no_check)
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match=r"notes\.txt.*move it away"):
        write_folder(tmp_path / "m", {"a": b"2"}, no_check)
    assert (tmp_path / place / "notes.txt").read_text() == "mine"
    assert (tmp_path / "m" / "a").read_bytes() == b"1"


@pytest.mark.parametrize("place", ["m", ".m.previous"])
@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_no_folder_is_never_replaced(tmp_path: Path, place: str, kind: str) -> None:
    (tmp_path / "mine").mkdir()
    if kind == "file":
        (tmp_path / place).write_text("mine")
    else:
        (tmp_path / place).symlink_to(tmp_path / "mine")
    before = names_in(tmp_path)
    with pytest.raises(BadInput, match="no plain folder"):
        write_folder(tmp_path / "m", {"a": b"1"}, no_check)
    assert names_in(tmp_path) == before


def test_what_a_file_browser_left_in_a_folder_goes_with_it(tmp_path: Path) -> None:
    write_folder(tmp_path / "m", {"a": b"1"}, no_check)
    for name in (".DS_Store", "._a", "Desktop.ini", "thumbs.db"):
        (tmp_path / "m" / name).touch()
    write_folder(tmp_path / "m", {"a": b"2"}, no_check)
    assert contents(tmp_path / "m") == {"a": b"2"}

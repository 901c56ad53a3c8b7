from __future__ import annotations

import errno
import os
import stat
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from napari_nucleiseg import atomic
from napari_nucleiseg.atomic import NameTooLong, SaveFailed, write_bytes_atomically


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "größe µ.json"
    write_bytes_atomically(path, b"old")
    write_bytes_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == {path.name}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems flush by other calls")
def test_flushes_file_then_renames_then_flushes_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor: int) -> None:
        fsync(descriptor)
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        done.append("folder" if is_folder else f"file of {os.fstat(descriptor).st_size}")

    def note_replace(source: Path, target: Path) -> None:
        replace(source, target)
        done.append("rename")

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    write_bytes_atomically(tmp_path / "a", b"12345")
    assert done == ["file of 5", "rename", "folder"]


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    write_bytes_atomically(tmp_path / "a", b"0123456789")
    assert (tmp_path / "a").read_bytes() == b"0123456789"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_colleagues_may_read_what_the_umask_allows(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_bytes_atomically(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="needs links")
def test_a_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"precious")
    (tmp_path / "a").symlink_to(tmp_path / "elsewhere")
    write_bytes_atomically(tmp_path / "a", b"new")
    assert (tmp_path / "elsewhere").read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "disk is full: free some space, or save to another folder"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "no permission"),
        (errno.EIO, "fault"),
        (errno.EMFILE, "Too many open files"),
    ],
)
@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
def test_a_failed_write_says_why_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, remedy: str
) -> None:
    path = tmp_path / "labels.tif"
    write_bytes_atomically(path, b"old")

    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(SaveFailed, match=remedy) as caught:
            write_bytes_atomically(path, b"new")
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == {"labels.tif"}


@pytest.mark.skipif(sys.platform != "linux", reason="names are counted in bytes on Linux")
def test_a_name_of_any_letters_may_be_as_long_as_the_disk_takes_it(tmp_path: Path) -> None:
    write_bytes_atomically(tmp_path / ("細" * 85), b"new")
    write_bytes_atomically(tmp_path / ("\N{DNA DOUBLE HELIX}" * 63), b"new")
    with pytest.raises(SaveFailed, match="name is too long"):
        write_bytes_atomically(tmp_path / ("細" * 86), b"new")
    assert len(names(tmp_path)) == 2


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(SaveFailed, match="its folder is gone"):
        write_bytes_atomically(tmp_path / "gone" / "a", b"")


@pytest.mark.parametrize(
    ("error", "folder", "kind", "said"),
    [
        (PermissionError(errno.EACCES, "Access is denied"), "", SaveFailed, "another program has"),
        (FileNotFoundError(errno.ENOENT, "No such file"), "", SaveFailed, "its folder is gone"),
        (FileNotFoundError(errno.ENOENT, "No such file"), "a" * 240, NameTooLong, "path is too"),
        (
            FileNotFoundError(errno.ENOENT, "No such file", "C:/a", 3, f"C:/{'b' * 240}"),
            *("", NameTooLong, "path is too long: move the dataset to a shorter one"),
        ),
    ],
)
def test_on_windows_other_causes_are_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: OSError,
    folder: str,
    kind: type[SaveFailed],
    said: str,
) -> None:
    monkeypatch.setattr(atomic, "ON_WINDOWS", True)
    with pytest.raises(SaveFailed, match=said) as caught, atomic.saving(tmp_path / folder / "a"):
        raise error
    assert caught.type is kind


@pytest.mark.skipif(os.name == "nt", reason="folders are not flushed on Windows")
def test_disks_that_cannot_flush_folders_are_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def refuse_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    write_bytes_atomically(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize("links", [True, False])
def test_keep_previous(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    def no_links(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    path, backup = tmp_path / "a", tmp_path / "a.bak"
    atomic.keep_previous(path, backup)
    assert not backup.exists()
    for content in (b"1", b"2", b"3"):
        atomic.keep_previous(path, backup)
        atomic.keep_previous(path, backup)
        write_bytes_atomically(path, content)
    assert backup.read_bytes() == b"2"
    assert names(tmp_path) == {"a", "a.bak"}


def test_the_previous_one_is_kept_where_all_files_have_one_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on some network drives on Windows, which know no hard links either."""

    def no_links(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(os.path, "samefile", lambda first, second: True)
    path, backup = tmp_path / "a", tmp_path / "a.bak"
    for content in (b"1", b"2", b"3"):
        atomic.keep_previous(path, backup)
        write_bytes_atomically(path, content)
    assert backup.read_bytes() == b"2"


def test_only_stale_temporary_files_of_ours_are_leftovers(tmp_path: Path) -> None:
    in_use = atomic.temporary_path(tmp_path / "labels.tif")
    forgotten = atomic.temporary_path(tmp_path / "labels.tif")
    crashed = tmp_path / ".masks.999999999-0123abcd.tmp"
    foreign = {".backup.tmp", ".editor.123.tmp", "labels.tif", ".a.12-xyz.tmp"}
    for path in (in_use, forgotten, *(tmp_path / name for name in foreign)):
        path.write_bytes(b"")
    crashed.mkdir()
    (crashed / "000001.png").write_bytes(b"")
    old = time.time() - atomic.STALE_AFTER - 1
    os.utime(forgotten, (old, old))
    atomic.discard_leftovers(tmp_path)
    assert names(tmp_path) == {in_use.name, *foreign}


def test_folders_staged_for_the_same_name_go_when_they_are_old(tmp_path: Path) -> None:
    killed, at_work = ".nuclei.999999999-00000000.tmp", ".nuclei.999999999-00000001.tmp"
    others = {".cells.999999999-00000000.tmp", ".nuclei.old", "nuclei"}
    for name in (killed, at_work, *others):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").touch()
    for name in (killed, *others):
        os.utime(tmp_path / name, (0, 0))
    staged = atomic.stage_folder(tmp_path / "nuclei")
    assert names(tmp_path) == {staged.name, at_work, *others}
    assert names(staged) == set()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
@pytest.mark.parametrize(("umask", "mode"), [(0o002, 0o775), (0o022, 0o755), (0o077, 0o700)])
def test_a_staged_folder_is_open_to_whom_the_umask_allows(
    tmp_path: Path, umask: int, mode: int
) -> None:
    before = os.umask(umask)
    try:
        staged = atomic.stage_folder(tmp_path / "nuclei")
    finally:
        os.umask(before)
    assert stat.S_IMODE(staged.stat().st_mode) == mode


def test_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "a"
    contents = [bytes([number]) * 5000 for number in range(8)]
    threads = [threading.Thread(target=write_bytes_atomically, args=(path, c)) for c in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents
    assert names(tmp_path) == {"a"}


def test_a_virus_scanner_is_waited_for(tmp_path: Path, virus_scanner: Counter[str]) -> None:
    write_bytes_atomically(tmp_path / "a", b"new")
    (tmp_path / "folder").mkdir()
    atomic.set_aside(tmp_path / "folder")
    atomic.set_aside(tmp_path / "missing")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert [name.startswith("folder.kept-") for name in sorted(names(tmp_path))] == [False, True]
    assert len(virus_scanner) == 3


@pytest.mark.skipif(os.name == "nt", reason="Windows waits")
def test_other_systems_wait_for_nobody(
    tmp_path: Path, virus_scanner: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic, "ON_WINDOWS", False)
    with pytest.raises(SaveFailed):
        write_bytes_atomically(tmp_path / "a", b"new")
    assert list(virus_scanner.values()) == [1]


def test_a_copy_is_kept_of_what_will_be_replaced(tmp_path: Path) -> None:
    atomic.keep_copy(tmp_path / "missing.tif")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "labels.tif").write_bytes(b"earlier")
    atomic.keep_copy(tmp_path / "labels.tif")
    (kept,) = tmp_path.glob("labels.kept-*.tif")
    assert kept.read_bytes() == b"earlier"
    assert (tmp_path / "labels.tif").exists(), "until the new ones are there"

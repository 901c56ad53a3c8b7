from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from napari_nucleiseg import lock
from napari_nucleiseg.atomic import SaveFailed
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.lock import LOCK, DatasetLock, FolderLocked, RunLock

HUGE = b'{"host": "h", "pid": 1e999, "user": "u", "since": ""}'
HOLD = """
import sys
from pathlib import Path
from napari_nucleiseg.lock import DatasetLock, FolderLocked
try:
    held = DatasetLock.acquire(Path(sys.argv[1]))
except FolderLocked as error:
    print(error, flush=True)
else:
    print("held", flush=True)
    sys.stdin.read()
    held.release()
"""


@contextmanager
def other_process(root: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that tries to take the lock, and what it says."""
    command = [sys.executable, "-c", HOLD, str(root)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def write_holder(root: Path, host: str, pid: int) -> None:
    holder = {"host": host, "pid": pid, "user": "ana", "since": "2026-01-02T03:04:05+00:00"}
    (root / LOCK).write_text(json.dumps(holder))


def test_held_and_released(tmp_path: Path) -> None:
    with DatasetLock.acquire(tmp_path) as held:
        with pytest.raises(FolderLocked, match=f"process {os.getpid()}"):
            DatasetLock.acquire(tmp_path)
        held.release()
        held.release()
    DatasetLock.acquire(tmp_path).release()
    assert not list(tmp_path.iterdir())


def test_two_processes_contend(tmp_path: Path) -> None:
    with other_process(tmp_path) as (other, said):
        assert said == "held"
        with pytest.raises(FolderLocked) as caught:
            DatasetLock.acquire(tmp_path)
        assert isinstance(caught.value, BadInput)
        for part in (str(tmp_path), socket.gethostname(), f"process {other.pid}", "close it"):
            assert part in str(caught.value)
        with other_process(tmp_path) as (_, third_said):
            assert f"process {other.pid}" in third_said
        other.communicate("")
        DatasetLock.acquire(tmp_path).release()


def test_a_killed_holder_loses_the_lock(tmp_path: Path) -> None:
    with other_process(tmp_path) as (other, said):
        assert said == "held"
        other.kill()
        other.wait()
        assert (tmp_path / LOCK).stat().st_size > 0
        with DatasetLock.acquire(tmp_path), other_process(tmp_path) as (_, third_said):
            assert f"process {os.getpid()}" in third_said


def test_only_one_of_many_gets_it(tmp_path: Path) -> None:
    write_holder(tmp_path, socket.gethostname(), 999_999_999)
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    others = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    try:
        said = [other.stdout.readline().strip() for other in others if other.stdout]
    finally:
        for other in others:
            other.communicate("")
    assert sorted(line == "held" for line in said) == [False, False, False, True]


def test_another_host_is_respected_until_its_lock_is_deleted(tmp_path: Path) -> None:
    write_holder(tmp_path, "microscope-pc", 12)
    before = (tmp_path / LOCK).read_bytes()
    with pytest.raises(FolderLocked, match="ana on microscope-pc") as caught:
        DatasetLock.acquire(tmp_path)
    assert f"delete {tmp_path / LOCK}" in str(caught.value)
    assert (tmp_path / LOCK).read_bytes() == before
    (tmp_path / LOCK).unlink()
    DatasetLock.acquire(tmp_path).release()


def test_a_mac_knows_its_lock_in_another_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def acquire_on(number: bytes, host: str) -> DatasetLock:
        def gethostuuid(told: ctypes.Array[ctypes.c_ubyte], wait: object) -> int:
            told[:] = number
            return 0

        with monkeypatch.context() as patch:
            patch.setattr(sys, "platform", "darwin")
            patch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(gethostuuid=gethostuuid))
            patch.setattr(socket, "gethostname", lambda: host)
            return DatasetLock.acquire(tmp_path)

    mine = acquire_on(b"a" * 16, "mac.university.example")
    left = (tmp_path / LOCK).read_bytes()
    mine.release()
    (tmp_path / LOCK).write_bytes(left)  # as after a crash
    with pytest.raises(FolderLocked, match=r"on mac\.university\.example"):
        acquire_on(b"b" * 16, "mac.home.example")
    acquire_on(b"a" * 16, "mac.home.example").release()


@pytest.mark.skipif(os.name == "nt", reason="needs flock")
def test_on_windows_nothing_is_left_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def locking(descriptor: int, mode: int, count: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def unlink_if_closed(path: Path) -> None:
        try:
            os.fstat(descriptor)
        except OSError:
            return unlink(path)
        raise PermissionError(13, "in use")

    windows = SimpleNamespace(LK_NBLCK=2, locking=locking)
    monkeypatch.setitem(sys.modules, "msvcrt", windows)
    monkeypatch.setattr(lock, "ON_WINDOWS", True)
    held = DatasetLock.acquire(tmp_path)
    with pytest.raises(FolderLocked):
        DatasetLock.acquire(tmp_path)
    descriptor, unlink = held._descriptor, os.unlink
    monkeypatch.setattr(os, "unlink", unlink_if_closed)
    held.release()
    assert not list(tmp_path.iterdir())


def test_a_lock_file_that_another_has_open_stays_on_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_use(path: Path) -> None:
        raise PermissionError(13, "in use")

    held = DatasetLock.acquire(tmp_path)
    monkeypatch.setattr(lock, "ON_WINDOWS", True)
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", in_use)
        held.release()
    assert (tmp_path / LOCK).read_bytes() == b"", "which locks nobody out"


TORN = [b"", b"{", b"\0" * 100, b"[]", b'{"host": 1}', b"[" * 4000, HUGE]


@pytest.mark.parametrize("content", TORN)
def test_a_torn_lock_of_nobody_is_taken(tmp_path: Path, content: bytes) -> None:
    (tmp_path / LOCK).write_bytes(content)
    with DatasetLock.acquire(tmp_path):
        assert json.loads((tmp_path / LOCK).read_bytes())["pid"] == os.getpid()


@pytest.mark.skipif(os.name == "nt", reason="Windows has locks on every disk")
def test_a_disk_without_locks_goes_by_the_process_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    write_holder(tmp_path, socket.gethostname(), os.getppid())
    with pytest.raises(FolderLocked):
        DatasetLock.acquire(tmp_path)
    write_holder(tmp_path, socket.gethostname(), 2**22 + 1)
    DatasetLock.acquire(tmp_path).release()


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be deleted on Windows")
def test_a_lock_file_deleted_while_it_is_taken_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, deleted = lock._lock, []

    def delete_once(descriptor: int) -> bool | None:
        if not deleted:
            (tmp_path / LOCK).unlink()
            deleted.append(True)
        return take(descriptor)

    monkeypatch.setattr(lock, "_lock", delete_once)
    with DatasetLock.acquire(tmp_path), pytest.raises(FolderLocked):
        DatasetLock.acquire(tmp_path)


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_read_only_root_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SaveFailed, match="save to another folder"):
        DatasetLock.acquire(tmp_path)


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="needs O_NOFOLLOW")
def test_a_link_in_a_strangers_dataset_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / LOCK).symlink_to(tmp_path / "precious")
    with pytest.raises(SaveFailed):
        DatasetLock.acquire(tmp_path)
    assert (tmp_path / "precious").read_bytes() == b"precious"


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")
def test_a_stopped_holder_keeps_the_lock(tmp_path: Path) -> None:
    with other_process(tmp_path) as (other, said):
        assert said == "held"
        other.send_signal(signal.SIGSTOP)
        with pytest.raises(FolderLocked):
            DatasetLock.acquire(tmp_path)


def test_a_run_is_held_while_its_training_lives(tmp_path: Path) -> None:
    assert not RunLock.is_held(tmp_path)
    with other_process(tmp_path) as (process, said):
        assert said == "held"
        assert RunLock.is_held(tmp_path)
        with pytest.raises(FolderLocked, match=rf"is being trained by .*{process.pid}"):
            RunLock.acquire(tmp_path)
        process.kill()
        process.wait()
        assert (tmp_path / LOCK).stat().st_size > 0
        assert not RunLock.is_held(tmp_path)
    RunLock.acquire(tmp_path).release()


@pytest.mark.skipif(os.name == "nt", reason="Windows has locks on every disk")
def test_a_run_killed_on_another_computer_goes_on_here_if_the_disk_has_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    write_holder(tmp_path, "node-7", 12)
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", no_locks)
        with pytest.raises(FolderLocked, match=f"delete {tmp_path / LOCK}"):
            RunLock.acquire(tmp_path)
    with RunLock.acquire(tmp_path):
        assert RunLock.is_held(tmp_path)

"""One window at a time writes to a dataset, and one training to the folder of a run."""

from __future__ import annotations

import ctypes
import errno
import getpass
import hashlib
import json
import os
import socket
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from napari_nucleiseg.atomic import ON_WINDOWS, SaveFailed, saving
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.state import now

LOCK = ".nucleiseg.lock"
_MAX_BYTES = 4096
# Windows forbids others to read a locked byte, so the lock sits far beyond the text.
_LOCKED_BYTE = 2**30
_HELD = {errno.EACCES, errno.EAGAIN, errno.EWOULDBLOCK, errno.EDEADLK}


class FolderLocked(BadInput):
    """Another process, or another window of this one, writes to the folder."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Attributes
    ----------
    host, user : str
    pid : int
        Process id on `host`.
    since : str
        ISO 8601 in UTC.
    machine : str
        Tells a Mac from others, whatever `host` it has; "" on other systems.
    """

    host: str
    pid: int
    user: str
    since: str
    machine: str = ""


class FolderLock:
    """The right to write to a folder, held until `release` or the process' end.

    The operating system holds the lock and lets go of it when the process dies, however
    it dies; the text in the file says who has it. On a disk that is shared between
    computers such locks cannot be relied on, so the name of another computer in the file
    is respected, whatever the operating system says.

    Use `acquire`; as a context manager it releases at the end.
    """

    _busy: ClassVar[str]
    """What is said of a folder that `{holder}` writes to."""
    _is_sure_of_others: ClassVar[bool]
    """Whether the operating system is believed that no other computer holds the lock."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, root: Path) -> Self:
        """Take the lock of a folder.

        Parameters
        ----------
        root : Path
            The folder.

        Raises
        ------
        FolderLocked
            If another process, or another window of this one, holds it. A lock whose
            holder died on this computer is taken over.
        SaveFailed
            If `root` is read-only: open it as such, and save to another folder.
        """
        path = Path(root) / LOCK
        with saving(path):
            descriptor, locked = _open_and_lock(path)
            try:
                cls._check_free(path, descriptor, locked)
                _write_holder(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
        return cls(path, descriptor)

    @classmethod
    def _check_free(cls, path: Path, descriptor: int, locked: bool | None) -> None:
        holder = _read_holder(descriptor)
        busy = f"{path.parent} {cls._busy.format(holder=_describe(holder))}"
        is_elsewhere = holder is not None and not _is_here(holder)
        if is_elsewhere and not (locked and cls._is_sure_of_others):
            raise FolderLocked(f"{busy}, or delete {path} if that computer no longer works on it.")
        if locked is False or (locked is None and holder is not None and _is_alive(holder.pid)):
            raise FolderLocked(f"{busy}.")

    def release(self) -> None:
        """Let others write. Doing it twice is allowed."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
        # Windows deletes no file that is open: not ours before it is closed, and not one that
        # another has opened since. Elsewhere a closed one could be another's already.
        if ON_WINDOWS:
            os.close(descriptor)
        with suppress(OSError):
            os.unlink(self._path)
        if not ON_WINDOWS:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


class DatasetLock(FolderLock):
    """The right to write to a dataset; see `FolderLock`."""

    _busy = "is being edited by {holder}: close it there to edit it here"
    _is_sure_of_others = False


class RunLock(FolderLock):
    """The right to train into the folder of a run; see `FolderLock`.

    Where the disk has locks, they are believed between computers too: what a cluster killed
    on one computer must go on by itself on another. Where it has none (some network disks),
    the file that a killed training left has to be deleted by hand, as the message says.
    """

    _busy = (
        "is being trained by {holder}: wait until that ends, stop it there, or name another folder"
    )
    _is_sure_of_others = True

    @classmethod
    def is_held(cls, root: Path) -> bool:
        """Whether a training writes to the folder of a run just now."""
        if not os.path.lexists(Path(root) / LOCK):
            return False
        try:
            cls.acquire(root).release()
        except FolderLocked:
            return True
        except SaveFailed:
            return False  # nobody can write there
        return False


def _open_and_lock(path: Path) -> tuple[int, bool | None]:
    while True:
        descriptor = _open(path)
        locked = _lock(descriptor)
        if locked is False or _is_current(path, descriptor):
            return descriptor, locked
        # Its holder deleted it between our opening and locking it: a lock on nothing.
        os.close(descriptor)


def _open(path: Path) -> int:
    # Links are not followed: a stranger's dataset could point this name at any file.
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, flags, 0o666)
    # So that a colleague can take over after a crash, whatever the umask.
    with suppress(OSError, AttributeError):
        os.fchmod(descriptor, 0o666)
    return descriptor


def _is_current(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _lock(descriptor: int) -> bool | None:
    """Lock an open file; False if another holds it, None if the disk knows no locks."""
    try:
        if ON_WINDOWS:
            _lock_on_windows(descriptor)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _HELD else None
    return True


def _lock_on_windows(descriptor: int) -> None:
    import msvcrt

    os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
    msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]


def _describe(holder: Holder | None) -> str:
    if holder is None:
        return "another program"
    since = holder.since.replace("T", " ")[:16]
    return f"{holder.user} on {holder.host} (process {holder.pid}, since {since} UTC)"


def _read_holder(descriptor: int) -> Holder | None:
    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        values = json.loads(os.read(descriptor, _MAX_BYTES))
        return Holder(
            str(values["host"]),
            int(values["pid"]),
            str(values["user"]),
            str(values["since"]),
            str(values.get("machine", "")),
        )
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return None


def _write_holder(descriptor: int) -> None:
    holder = Holder(socket.gethostname(), os.getpid(), _user(), now(), _machine())
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, json.dumps(asdict(holder)).encode())


def _is_here(holder: Holder) -> bool:
    if holder.machine and holder.machine == _machine():
        return True
    return holder.host == socket.gethostname()


def _machine() -> str:
    machine = ""
    if sys.platform == "darwin":
        # A Mac takes its host name from each network; its number stays.
        number, seconds_to_wait = (ctypes.c_ubyte * 16)(), (ctypes.c_long * 2)(1, 0)
        failed = ctypes.CDLL(None).gethostuuid(number, seconds_to_wait)
        machine = "" if failed else hashlib.sha256(bytes(number)).hexdigest()[:32]
    return machine


def _user() -> str:
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        return "somebody"


def _is_alive(pid: int) -> bool:
    # Only asked where a POSIX disk knows no locks: on Windows signal 0 would kill.
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True

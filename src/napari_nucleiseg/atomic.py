"""Replacing a file so that a crash leaves the old one or the new one, never a torn one.

A file is *staged* (written under a temporary name in the same folder and flushed to the
disk) and then *committed* (renamed over the old one). All room that a save needs is taken
while staging, so a full disk is met before anything is replaced.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from napari_nucleiseg.errors import BadInput

STALE_AFTER = 3600.0
"""Seconds after which a temporary file is left over, whoever made it."""
ON_WINDOWS = os.name == "nt"

_TEMPORARY = re.compile(r"\.(.+)\.(\d+)-[0-9a-f]{8}\.tmp")
# Five seconds in all: what a virus scanner takes for a folder that was just written.
_WAITS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 2.0)
_LONGEST_TARGET = 50  # letters of up to four bytes each, of 255 bytes that a name may have
_REASONS = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "your disk quota is used up: delete something",
    errno.EFBIG: "the disk does not take a file of this size: use another disk",
    errno.EROFS: "the disk is read-only: make it writable",
    errno.EACCES: "you have no permission to write there: ask for it",
    errno.EPERM: "you have no permission to write there: ask for it",
    errno.ENOENT: "its folder is gone: connect the drive again",
    errno.ENAMETOOLONG: "its name is too long: rename the image",
    errno.EIO: "the disk reports a fault: check its cable and health",
}
_REASON_HELD = "another program has it open, or you have no permission: close it there"
_REASON_LONG = "its path is too long: move the dataset to a shorter one"
# Windows takes 259 letters, of which some go to the ending of a temporary name.
_LONGEST_PATH = 240
# Some network and FUSE disks cannot flush a folder, and say so with one of these.
_CANNOT_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EBADF, errno.ENOSYS}


class SaveFailed(BadInput):
    """Something could not be written; what was there before is untouched."""


class NameTooLong(SaveFailed):
    """The name is too long for the disk; other files may still be saved."""


@contextmanager
def saving(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn an `OSError` inside the block into a `SaveFailed` that names `path`."""
    try:
        yield
    except OSError as error:
        kind, reason = _cause(error, os.fspath(path))
        raise kind(
            f"{os.fspath(path)} was not saved because {reason}, or save to another folder."
        ) from error


def _cause(error: OSError, path: str) -> tuple[type[SaveFailed], str]:
    """Give the kind of an error, and why it came, with the remedy."""
    if ON_WINDOWS and error.errno == errno.EACCES:
        return SaveFailed, _REASON_HELD
    if ON_WINDOWS and error.errno == errno.ENOENT and _is_long(error, path):
        return NameTooLong, _REASON_LONG
    reason = _REASONS.get(error.errno or 0, f"{error.strerror or error}: check the disk")
    return NameTooLong if error.errno == errno.ENAMETOOLONG else SaveFailed, reason


def _is_long(error: OSError, path: str) -> bool:
    named = (path, error.filename, error.filename2)
    paths = (os.fspath(each) for each in named if isinstance(each, (str, os.PathLike)))
    return any(len(os.path.abspath(each)) > _LONGEST_PATH for each in paths)


def write_bytes_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Create or replace a file in one step that a crash cannot tear.

    Parameters
    ----------
    path : path
        Its folder must exist.
    data : bytes
        The whole content.

    Raises
    ------
    SaveFailed
        If the disk is full, read-only, gone or forbidden. The earlier file is intact
        and the temporary one is removed.
    """
    with saving(path):
        commit(stage_bytes(path, data), path)
        sync_folder(Path(path).parent)


def stage_bytes(path: str | os.PathLike[str], data: bytes) -> Path:
    """Write `data` beside `path` under a temporary name, flushed; return that name."""
    temporary = temporary_path(path)
    try:
        write_new_file(temporary, data)
    except BaseException:
        discard(temporary)
        raise
    return temporary


def commit(temporary: Path, path: str | os.PathLike[str]) -> None:
    """Rename a staged file to `path`; on failure the staged file is removed."""
    try:
        retry_while_locked(os.replace, temporary, path)
    except BaseException:
        discard(temporary)
        raise


def discard(temporary: Path) -> None:
    """Remove a temporary file or folder, as far as that is possible."""
    if os.path.isdir(temporary) and not os.path.islink(temporary):
        shutil.rmtree(temporary, ignore_errors=True)
        return
    with suppress(OSError):
        os.unlink(temporary)


def keep_previous(path: Path, backup: Path) -> None:
    """Make `backup` the content that `path` has now; `path` is never missing meanwhile.

    A hard link costs no room, so this also works on a full disk; disks without hard links
    (exFAT, some network shares) get a copy.
    """
    if not path.exists() or _same_file(path, backup):
        return
    temporary = temporary_path(backup)
    try:
        os.link(path, temporary)
    except OSError:
        temporary = stage_bytes(backup, path.read_bytes())
    commit(temporary, backup)


def _same_file(path: Path, backup: Path) -> bool:
    # rename() between two names of one file does nothing, and would leave the temporary
    # name behind: this is what a crash between backup and commit looks like. A file of one
    # name is no other's, even on drives that give all files the same number.
    return path.stat().st_nlink > 1 and backup.exists() and os.path.samefile(path, backup)


def temporary_path(path: str | os.PathLike[str]) -> Path:
    """Return a unique hidden name beside `path`, which tells the process that made it."""
    target = Path(path)
    name = f".{target.name[:_LONGEST_TARGET]}.{os.getpid()}-{secrets.token_hex(4)}.tmp"
    return target.with_name(name)


def stage_folder(path: str | os.PathLike[str]) -> Path:
    """Make an empty folder beside `path` under a temporary name; return that name.

    What a kill left of earlier ones for `path` is removed once it is `STALE_AFTER` seconds
    old, for a younger one may be another program's that is still at work.
    """
    target = Path(path)
    for name, made_for, _ in _temporaries(target.parent):
        if made_for == target.name[:_LONGEST_TARGET] and _is_old(name):
            discard(name)
    staged = temporary_path(target)
    os.mkdir(staged)
    return staged


def kept_path(path: Path) -> Path:
    """Return a new name beside `path`, with the time in it, for what must not be lost."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    return path.with_name(f"{path.stem}.kept-{stamp}{path.suffix}")


def keep_copy(path: Path) -> None:
    """Copy a file that is about to be replaced to its `kept_path`, if there is one.

    Raises
    ------
    SaveFailed
        If the disk does not take it.
    """
    if os.path.exists(path):
        with saving(path):
            write_bytes_atomically(kept_path(path), path.read_bytes())


def set_aside(path: Path) -> None:
    """Rename what stands at `path` to its `kept_path`; nothing happens if there is nothing."""
    with suppress(FileNotFoundError):
        retry_while_locked(os.rename, path, kept_path(path))


def discard_leftovers(folder: Path) -> None:
    """Remove temporary files and folders that a crash left; the caller holds the lock.

    Those of this process may be in use by another thread and stay until they are
    `STALE_AFTER` seconds old.
    """
    for path, _, process in _temporaries(folder):
        if process != os.getpid() or _is_old(path):
            discard(path)


def _temporaries(folder: Path) -> list[tuple[Path, str, int]]:
    """List each `temporary_path` that stands in a folder, what it is for and whose it is."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    found = [_TEMPORARY.fullmatch(name) for name in names]
    return [(folder / each[0], each[1], int(each[2])) for each in found if each]


def _is_old(path: Path) -> bool:
    with suppress(OSError):
        return time.time() - path.stat().st_mtime > STALE_AFTER
    return False


def make_folder(folder: Path) -> None:
    """Create a folder and its missing parents, so that they outlast a power cut."""
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for part in missing:
        sync_folder(part.parent)


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Flush a folder's entries to the disk; Windows neither needs nor allows it."""
    if ON_WINDOWS:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _sync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
    finally:
        os.close(descriptor)


def sync_file(path: str | os.PathLike[str]) -> None:
    """Flush the content of a file that was written earlier."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def write_unsynced(path: Path, data: bytes) -> None:
    """Write a new file without flushing it; the caller calls `sync_file` later."""
    descriptor = _open_new(path)
    try:
        _write_all(descriptor, data)
    finally:
        os.close(descriptor)


def retry_while_locked(
    rename: Callable[[str | os.PathLike[str], str | os.PathLike[str]], None],
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
) -> None:
    """Rename, and on Windows try again while a virus scanner has the file open.

    A folder cannot be renamed there either while any file in it is open.

    Parameters
    ----------
    rename : callable
        `os.rename` or `os.replace`.
    source, target : path

    Raises
    ------
    OSError
        Of the last try; any but a `PermissionError` at once.
    """
    for wait in _WAITS if ON_WINDOWS else ():
        try:
            rename(source, target)
        except PermissionError:
            time.sleep(wait)
        else:
            return
    rename(source, target)


def write_new_file(path: Path, data: bytes) -> None:
    """Write a new file and flush it to the disk."""
    descriptor = _open_new(path)
    try:
        _write_all(descriptor, data)
        _sync(descriptor)
    finally:
        os.close(descriptor)


def _open_new(path: Path) -> int:
    # 0o666 less the umask: tempfile's 0o600 would hide the labels from colleagues.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return os.open(path, flags, stat.S_IRUSR | stat.S_IWUSR | 0o066)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync(descriptor: int) -> None:
    # On macOS fsync stops at the drive's own cache; F_FULLFSYNC goes through it.
    full = _full_sync_command()
    if full is not None:
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(descriptor, full)
            return
    os.fsync(descriptor)


def _full_sync_command() -> int | None:
    try:
        import fcntl
    except ImportError:
        return None
    return getattr(fcntl, "F_FULLFSYNC", None)

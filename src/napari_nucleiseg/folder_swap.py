"""Folders of files that are replaced whole or not at all."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ABANDONED_SECONDS = 3600.0


def write_folder(folder: Path, files: Mapping[str, bytes], check: Callable[[Path], object]) -> None:
    """Write a folder of files, in the place of one of the same name where there is one.

    Parameters
    ----------
    folder : Path
        Its parents are made.
    files : mapping of str to bytes
    check : callable
        Given the new folder before it takes its place; what it raises ends the write.

    Raises
    ------
    OSError
        If the disk is full or read-only; nothing is replaced then.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _clear_abandoned(folder)
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".new", dir=folder.parent))
    try:
        for name, data in files.items():
            _write_synced(new / name, data)
        check(new)
        new.chmod(0o755)  # mkdtemp keeps others out, who may share the folder
        _swap_in(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _clear_abandoned(folder: Path) -> None:
    """Delete what writers that were killed left behind, and not what one writes just now."""
    for each in folder.parent.glob(f".{glob.escape(folder.name)}.*.new"):
        with contextlib.suppress(FileNotFoundError):  # another writer may clear it too
            if time.time() - each.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(each, ignore_errors=True)


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _swap_in(new: Path, folder: Path) -> None:
    """Put `new` in the place of `folder`, which stands aside until then."""
    aside = _aside(folder)
    restore_interrupted(folder)
    if aside.exists():
        shutil.rmtree(aside)
    if folder.exists():
        folder.rename(aside)
    try:
        new.rename(folder)
    except OSError:
        restore_interrupted(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.previous")


def restore_interrupted(folder: Path) -> None:
    """Bring back a folder that a crash left aside in the middle of its replacement."""
    if folder.name and os.path.isdir(_aside(folder)) and not os.path.exists(folder):
        _aside(folder).rename(folder)

"""Folders of files that are replaced whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from napari_nucleiseg.atomic import discard, retry_while_locked, stage_folder, write_new_file
from napari_nucleiseg.errors import BadInput

_DESKTOP_FILES = {".ds_store", "thumbs.db", "desktop.ini"}
_REMEDY = "move it away, or name another folder"


def is_of_desktop(name: str) -> bool:
    """Tell whether a file is one that a desktop drops into folders, and nobody's work.

    macOS writes ``._name`` beside each file on disks that know no attributes (exFAT, shares).
    """
    return name.startswith("._") or name.casefold() in _DESKTOP_FILES


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
    BadInput
        If a file stands there, or a folder with anything else than `files`; see
        `refuse_to_replace`.
    OSError
        If the disk is full or read-only; nothing is replaced then.
    """
    refuse_to_replace(folder, files)
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = stage_folder(folder)
    try:
        for name, data in files.items():
            write_new_file(new / name, data)
        check(new)
        _swap_in(new, folder)
    finally:
        discard(new)


def refuse_to_replace(folder: Path, names: Iterable[str]) -> None:
    """Refuse what `write_folder` would delete, though it did not write it.

    Parameters
    ----------
    folder : Path
    names : iterable of str
        Of the files that a folder written before may hold.

    Raises
    ------
    BadInput
        If a file or a link stands at `folder`, or where the old folder stands during a
        swap, or a folder that holds anything else than `names`.
    """
    known = set(names)
    for place in (folder, _aside(folder)):
        if not os.path.lexists(place):
            continue
        if os.path.islink(place) or not os.path.isdir(place):
            raise BadInput(f"{place} is no plain folder and is not replaced; {_REMEDY}.")
        found = set(os.listdir(place)) - known
        others = sorted(name for name in found if not is_of_desktop(name))
        if others:
            raise BadInput(f"{place} also holds {others[0]!r:.80} and is not replaced; {_REMEDY}.")


def _swap_in(new: Path, folder: Path) -> None:
    """Put `new` in the place of `folder`, which stands aside until then."""
    aside = _aside(folder)
    restore_interrupted(folder)
    if aside.exists():
        shutil.rmtree(aside)
    if folder.exists():
        retry_while_locked(os.rename, folder, aside)
    try:
        retry_while_locked(os.rename, new, folder)
    except OSError:
        restore_interrupted(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.previous")


def restore_interrupted(folder: Path) -> None:
    """Bring back a folder that a crash left aside in the middle of its replacement."""
    if folder.name and os.path.isdir(_aside(folder)) and not os.path.exists(folder):
        retry_while_locked(os.rename, _aside(folder), folder)

"""What stands in a folder: folders, images, and files of kinds that are not read."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from napari_nucleiseg.decoders import IMAGE_SUFFIXES
from napari_nucleiseg.errors import BadInput

OWN_FOLDER = "nucleiseg"
"""Beside images that have no folder of their own: what this program writes of them."""
_UNREAD_SUFFIXES = (".bmp", ".gif", ".mat", ".npy", ".npz", ".roi", ".webp")


def natural_key(text: str) -> list[tuple[int, int, str]]:
    """Sort key by which "2" comes before "10"."""
    parts = re.findall(r"\d+|\D+", text)
    return [(0, int(p), p) if p.isdecimal() else (1, 0, p.casefold()) for p in parts]


class Entries(NamedTuple):
    """What a folder holds, in natural order.

    Attributes
    ----------
    folders : list of Path
    files : list of Path
        Named like images, even pipes and broken links, which fail when they are read.
    unread : list of Path
        Of kinds that are not read, perhaps masks.
    """

    folders: list[Path]
    files: list[Path]
    unread: list[Path]


def list_entries(folder: Path) -> Entries:
    """List a folder.

    Raises
    ------
    BadInput
        If nobody may list it (`Unlistable`).
    """
    try:
        with os.scandir(folder) as entries:
            shown = [e for e in entries if not e.name.startswith(".") and e.name != "__MACOSX"]
    except OSError as error:
        raise _unlistable(folder, error) from error
    folders, files, unread = [], [], []
    for each in shown:
        name = each.name.lower()
        if _leads_to_folder(each):
            folders.append(each.name)
        elif name.endswith(IMAGE_SUFFIXES):
            files.append(each.name)
        elif name.endswith(_UNREAD_SUFFIXES):
            unread.append(each.name)
    folders = [name for name in folders if name != OWN_FOLDER]
    return Entries(*(_in_order(folder, names) for names in (folders, files, unread)))


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle, or to where nobody may look
        return False


class Unlistable(BadInput):
    """A folder may not be listed or entered."""


def _unlistable(folder: Path, error: OSError) -> Unlistable:
    return Unlistable(f"{folder} cannot be listed ({error.strerror}); check that you may read it.")


def is_folder(path: Path) -> bool:
    """Tell whether a folder is there; where nobody may look is not where nothing is.

    Raises
    ------
    BadInput
        If the folder above may not be entered.
    """
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except PermissionError as error:
        raise _unlistable(path.parent, error) from error
    except OSError:
        return False


def _in_order(folder: Path, names: Iterable[str]) -> list[Path]:
    return [folder / name for name in sorted(names, key=natural_key)]


def entries_in(folder: Path) -> Entries:
    """List a folder; one that is not there is empty."""
    return list_entries(folder) if is_folder(folder) else Entries([], [], [])

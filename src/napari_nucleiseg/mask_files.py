"""The `masks/` folder of a DSB2018 sample: one 8-bit PNG of 0 and 255 for each nucleus.

The folder is derived from the label image. It is written under a temporary name and
swapped in by renames. A folder that we did not write is never deleted: the first one
becomes `masks.original/`, a later one `masks.kept-<time>/`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from napari_nucleiseg.atomic import (
    discard,
    kept_path,
    retry_while_locked,
    stage_folder,
    sync_file,
    sync_folder,
    temporary_path,
    write_unsynced,
)
from napari_nucleiseg.folder_swap import is_of_desktop

MASKS = "masks"
ORIGINAL_MASKS = "masks.original"

_FLUSHES_AT_ONCE = 16


def files_sha256(files: Mapping[str, bytes]) -> str:
    """Hash names and contents, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}:{len(files[name])}:".encode(errors="surrogateescape"))
        digest.update(files[name])
    return digest.hexdigest()


def read_masks(folder: Path) -> dict[str, bytes] | None:
    """Read all files of a folder; None if it is missing or holds more than files."""
    try:
        paths = [path for path in folder.iterdir() if not is_of_desktop(path.name)]
        if not all(path.is_file() for path in paths):
            return None
        return {path.name: path.read_bytes() for path in paths}
    except OSError:
        return None


def is_one_of(masks: Mapping[str, bytes] | None, hashes: Collection[str]) -> bool:
    """Tell whether a folder's files have one of these hashes."""
    return masks is not None and bool(hashes) and files_sha256(masks) in hashes


def stage_masks(folder: Path, files: Mapping[str, bytes], unchanged: Collection[str]) -> Path:
    """Write masks to a new folder under a temporary name, flushed; return that name.

    Parameters
    ----------
    folder : Path
        The sample's folder.
    files : mapping of str to bytes
        Name and content of each mask.
    unchanged : collection of str
        Names whose content already stands in `masks/`. They are linked, not written: a
        correction touches few nuclei, and making and deleting a file costs a disk far
        more than a second name for it.
    """
    staged = stage_folder(folder / MASKS)
    try:
        linked = {name for name in unchanged if _link(folder / MASKS / name, staged / name)}
        _write_all({staged / name: data for name, data in files.items() if name not in linked})
        sync_folder(staged)
    except BaseException:
        discard(staged)
        raise
    return staged


def _link(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except OSError:  # exFAT and some network shares know no links
        return False
    return True


def _write_all(files: Mapping[Path, bytes]) -> None:
    for path, data in files.items():
        write_unsynced(path, data)
    # One by one, 500 flushes take a second; together they share the journal's commits.
    with ThreadPoolExecutor(_FLUSHES_AT_ONCE) as pool:
        list(pool.map(sync_file, files))


def swap_masks(folder: Path, staged: Path, ours: Collection[str]) -> None:
    """Put the staged masks in the place of `masks/`.

    Parameters
    ----------
    folder : Path
        The sample's folder.
    staged : Path
        From `stage_masks`.
    ours : collection of str
        Hashes of `masks/` folders that we wrote: only such a one is deleted.
    """
    current = folder / MASKS
    retired = _retire(current, ours) if os.path.lexists(current) else None
    try:
        retry_while_locked(os.rename, staged, current)
    except BaseException:
        if retired is not None:
            retry_while_locked(os.rename, retired, current)
        raise
    sync_folder(folder)
    if retired is not None and retired.name.startswith("."):
        discard(retired)


def _retire(current: Path, ours: Collection[str]) -> Path:
    if is_one_of(read_masks(current), ours):
        retired = temporary_path(current)
    elif os.path.lexists(current.with_name(ORIGINAL_MASKS)):
        retired = kept_path(current)
    else:
        retired = current.with_name(ORIGINAL_MASKS)
    retry_while_locked(os.rename, current, retired)
    return retired

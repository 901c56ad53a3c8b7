"""File > Open and dropped folders. napari asks for every folder and zip that is opened, so
nothing heavy is imported before one is found to be a dataset.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_nucleiseg._qt.dataset_dock import DatasetDock

_IMAGES = {"images", "image", "inputs", "input"}
_MASKS = {"masks", "mask", "labels", "label"}
_PARTS = {"train", "test", "training", "testing", "stage1_train", "stage1_test"}
_SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg")
_LOOK_AT = 50
_NO_LAYERS = [(None,)]
SAMPLE = "nucleiseg://made-nuclei"
"""Stands for the sample dataset in the manifest, which may only name a place there."""


def get_reader(path: str | list[str]) -> Callable[[Any], list[Any]] | None:
    """Give a reader for a dataset with masks, in a folder or a zip archive.

    Parameters
    ----------
    path : str or list of str

    Returns
    -------
    callable, or None
        None for anything else: files, folders of plain images, other archives.
    """
    if isinstance(path, list):
        return None
    if path == SAMPLE:
        return open_sample
    return open_in_viewer if is_dataset(Path(path)) else None


def is_dataset(path: Path) -> bool:
    """Look at a few names only, whether this is a dataset of images and masks."""
    if os.path.isdir(path):
        return _is_dataset_folder(path, nesting=1)
    return path.suffix.lower() == ".zip" and _is_dataset_archive(path)


def _is_dataset_folder(folder: Path, nesting: int) -> bool:
    names = _folder_names(folder)
    if _has_images_and_masks(names):
        return True
    if any(_is_sample(folder / name) for name in names):
        return True
    return nesting > 0 and any(
        _is_dataset_folder(folder / name, nesting - 1) for name in names if name.lower() in _PARTS
    )


def _is_sample(folder: Path) -> bool:
    """Whether it holds images and masks, or an image of its own name as in ``stage1_test``."""
    names = _folder_names(folder)
    if _has_images_and_masks(names):
        return True
    return "images" in names and any(
        os.path.isfile(folder / "images" / f"{folder.name}{suffix}") for suffix in _SUFFIXES
    )


def _has_images_and_masks(names: Iterable[str]) -> bool:
    lower = {name.lower() for name in names}
    return bool(lower & _IMAGES) and bool(lower & _MASKS)


def _folder_names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            folders = (each.name for each in entries if each.is_dir())
            return list(islice((name for name in folders if name[0] != "."), _LOOK_AT))
    except OSError:
        return []


def _is_dataset_archive(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            names = islice(archive.namelist(), 1000)
    except (OSError, zipfile.BadZipFile):
        return False
    # Of Windows: it takes both separators, and both occur in archives.
    folders = {part.lower() for name in names for part in PureWindowsPath(name).parts[:-1]}
    return _has_images_and_masks(folders)


def open_in_viewer(path: str) -> list[Any]:
    """Open a dataset in the Dataset dock of the viewer at hand; gives no layers itself."""
    dock = _dock()
    if dock is not None:
        dock.opening.open(Path(path))
    return _NO_LAYERS


def open_sample(path: str) -> list[Any]:
    """Make the sample dataset where it is not there yet, and open it; gives no layers."""
    from napari_nucleiseg._qt.sample_data import sample_folder, write_sample_dataset

    dock = _dock()
    if dock is not None:
        dock.opening.open(sample_folder(), make=write_sample_dataset)
    return _NO_LAYERS


def _dock() -> DatasetDock | None:
    import napari

    from napari_nucleiseg._qt.docks import dataset_dock

    viewer = napari.current_viewer()
    return None if viewer is None else dataset_dock(viewer)

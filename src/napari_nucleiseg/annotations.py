"""The annotation of a sample as it came: masks merged to one label image, and cached.

DSB2018 has one file for each nucleus, 29,000 in all, and reading them takes most of a
minute. So a merged label image is kept in the person's cache folder
(``NUCLEISEG_CACHE`` names another one). An entry is used only while names, sizes and
times of its masks are unchanged; it may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import platformdirs

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.images import read_label_image, read_mask

_VERSION = 2
"""Raised when merging gives other labels than before, so that old entries lapse."""
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


def merge_masks(paths: Sequence[Path], shape: tuple[int, int]) -> np.ndarray:
    """Merge binary masks, one a nucleus, into a label image.

    Ids follow the order of the masks. Where masks overlap, the smaller one keeps the
    pixel, whatever the order: a small nucleus on a large one then survives. A mask that
    is empty, or covered by others, counts as no nucleus.

    Parameters
    ----------
    paths : sequence of Path
    shape : (H, W)
        Size of the image.

    Returns
    -------
    (H, W) int32

    Raises
    ------
    BadInput
        If a mask cannot be read or is of another size.
    """
    key = _fingerprint(paths, shape)
    entry = _entry(paths)
    cached = _read_entry(entry, key)
    if cached is None:
        cached = _merge(paths, shape)
        _write_entry(entry, key, cached)
    return cached


def _merge(paths: Sequence[Path], shape: tuple[int, int]) -> np.ndarray:
    flat = np.zeros(shape[0] * shape[1], np.int32)
    areas = np.zeros(len(paths) + 1, np.int64)
    for number, path in enumerate(paths, start=1):
        mask = read_mask(path)
        check_size(path, mask.shape, shape)
        pixels = np.flatnonzero(mask)
        areas[number] = pixels.size
        before = flat[pixels]
        flat[pixels[(before == 0) | (areas[before] > pixels.size)]] = number
    return _without_gaps(flat.reshape(shape), len(paths))


def _without_gaps(labels: np.ndarray, count: int) -> np.ndarray:
    """Close the gaps that masks without a pixel, of `count` masks, leave in the ids."""
    left = np.bincount(labels.ravel(), minlength=count + 1)[1:] > 0
    if left.all():
        return labels
    return np.concatenate([[0], np.cumsum(left) * left]).astype(np.int32)[labels]


def read_merged(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Read one file that holds all nuclei of an image: a label image, or a binary mask.

    A file with a single value besides 0, a JPEG, and a grey picture that is mostly white
    inside (a mask with smoothed edges) count as binary: each connected component
    (touching corners count) is a nucleus. All else is a label image, whose ids are kept.

    Parameters
    ----------
    path : Path
    shape : (H, W)
        Size of the image.

    Returns
    -------
    (H, W) int32

    Raises
    ------
    BadInput
        If it cannot be read or is of another size than the image.
    """
    if path.suffix.lower() in (".jpg", ".jpeg") or _is_binary(values := read_label_image(path)):
        mask = read_mask(path)
        values = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8, ltype=cv2.CV_32S)[1]
    check_size(path, values.shape, shape)
    return values


def _is_binary(values: np.ndarray) -> bool:
    inside = values[values > 0]
    if not inside.size or inside.min() == inside.max():
        return True
    top = int(inside.max())
    return top in (255, 65535) and int(np.count_nonzero(inside == top)) * 2 > inside.size


def check_size(path: Path, found: tuple[int, ...], expected: tuple[int, int]) -> None:
    """See that a mask has the size of its image.

    Raises
    ------
    BadInput
        Naming both sizes.
    """
    if tuple(found) != tuple(expected):
        raise BadInput(
            f"{path} has {found[0]} x {found[1]} pixels, but its image has {expected[0]} x "
            f"{expected[1]} (height x width): export the mask at the image's size."
        )


# --- the cache


def _fingerprint(paths: Sequence[Path], shape: tuple[int, int]) -> str:
    """Digest of what tells whether masks have changed."""
    digest = hashlib.sha256(f"{_VERSION} {shape[0]} {shape[1]}".encode())
    for path in paths:
        try:
            status = os.stat(path)
        except OSError as error:
            raise BadInput(
                f"{path} cannot be read ({error.strerror}); check that it exists."
            ) from error
        digest.update(b"\n%b " % os.fsencode(path.name))
        digest.update(f"{status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()


def cache_folder() -> Path:
    """Folder of the cache, which may be deleted at any time."""
    named = os.environ.get("NUCLEISEG_CACHE")
    return Path(named or platformdirs.user_cache_dir("napari-nucleiseg"))


def _entry(paths: Sequence[Path]) -> Path:
    """Place of a sample's entry: one for each folder of masks, so that old ones are replaced."""
    where = os.path.realpath(paths[0].parent)
    return cache_folder() / "labels" / f"{hashlib.sha256(os.fsencode(where)).hexdigest()[:32]}.npz"


def _read_entry(entry: Path, key: str) -> np.ndarray | None:
    """Read an entry, unless there is none, it is of other masks, or it is damaged."""
    try:
        with np.load(entry, allow_pickle=False) as arrays:
            if str(arrays["key"]) != key:
                return None
            return arrays["labels"].astype(np.int32)
    except _UNREADABLE:
        return None


def _write_entry(entry: Path, key: str, labels: np.ndarray) -> None:
    """Keep an entry; a cache that cannot be written costs time only."""
    labels = labels.astype(np.min_scalar_type(int(labels.max())))
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=entry.parent, suffix=".tmp", delete=False) as file:
            try:
                np.savez_compressed(file, key=np.array(key), labels=labels)
                file.close()
                os.replace(file.name, entry)
            except OSError:
                os.unlink(file.name)
    except OSError:
        return

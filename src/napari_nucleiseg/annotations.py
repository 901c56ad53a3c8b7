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
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.images import read_label_image, read_mask

_VERSION = 2
"""Raised when merging gives other labels than before, so that old entries lapse."""
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Annotation:
    """Nuclei as annotated.

    Attributes
    ----------
    labels : (H, W) int32
    problems : tuple of str
        One sentence each: what was odd and how it was settled.
    """

    labels: np.ndarray
    problems: tuple[str, ...] = ()


def merge_masks(paths: Sequence[Path], shape: tuple[int, int]) -> Annotation:
    """Merge binary masks, one a nucleus, into a label image.

    Ids follow the order of the masks. Where masks overlap, the smaller one keeps the
    pixel, whatever the order: a small nucleus on a large one then survives.

    Parameters
    ----------
    paths : sequence of Path
    shape : (H, W)
        Size of the image.

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


def _merge(paths: Sequence[Path], shape: tuple[int, int]) -> Annotation:
    flat = np.zeros(shape[0] * shape[1], np.int32)
    areas = np.zeros(len(paths) + 1, np.int64)
    overlap = 0
    for number, path in enumerate(paths, start=1):
        mask = read_mask(path)
        check_size(path, mask.shape, shape)
        pixels = np.flatnonzero(mask)
        areas[number] = pixels.size
        before = flat[pixels]
        overlap += int(np.count_nonzero(before))
        flat[pixels[(before == 0) | (areas[before] > pixels.size)]] = number
    return _without_gaps(paths, flat.reshape(shape), overlap)


def _without_gaps(paths: Sequence[Path], labels: np.ndarray, overlap: int) -> Annotation:
    """Close the gaps that masks without a pixel leave in the ids, and say so."""
    problems = []
    if overlap:
        problems.append(
            f"Masks in {paths[0].parent} overlap in {overlap} pixels; the smaller nucleus "
            "keeps them."
        )
    left = np.bincount(labels.ravel(), minlength=len(paths) + 1)[1:] > 0
    if not left.all():
        gone = [path for path, there in zip(paths, left, strict=True) if not there]
        problems.append(
            f"{gone[0]}{f' and {len(gone) - 1} more masks' if gone[1:] else ''} adds no pixel "
            "(empty, or covered by other masks) and counts as no nucleus."
        )
        labels = np.concatenate([[0], np.cumsum(left) * left]).astype(np.int32)[labels]
    return Annotation(labels, tuple(problems))


def read_merged(path: Path, shape: tuple[int, int], *, several: bool = True) -> Annotation:
    """Read one file that holds all nuclei of an image: a label image, or a binary mask.

    A file with a single value besides 0, a JPEG, and a grey picture that is mostly white
    inside (a mask with smoothed edges) count as binary: each connected component
    (touching corners count) is a nucleus. All else is a label image, whose ids are kept.

    Parameters
    ----------
    path : Path
    shape : (H, W)
        Size of the image.
    several : bool
        False where a single nucleus is expected; more are then taken, and spoken of.

    Raises
    ------
    BadInput
        If it cannot be read or is of another size than the image.
    """
    if path.suffix.lower() in (".jpg", ".jpeg") or _is_binary(values := read_label_image(path)):
        mask = read_mask(path)
        values = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8, ltype=cv2.CV_32S)[1]
    check_size(path, values.shape, shape)
    number = len(np.unique(values[values > 0]))
    if several or number < 2:
        return Annotation(values)
    return Annotation(values, (f"{path} is the only mask and shows {number} nuclei; all count.",))


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


def _read_entry(entry: Path, key: str) -> Annotation | None:
    """Read an entry, unless there is none, it is of other masks, or it is damaged."""
    try:
        with np.load(entry, allow_pickle=False) as arrays:
            if str(arrays["key"]) != key:
                return None
            problems = tuple(map(str, arrays["problems"]))
            return Annotation(arrays["labels"].astype(np.int32), problems)
    except _UNREADABLE:
        return None


def _write_entry(entry: Path, key: str, annotation: Annotation) -> None:
    """Keep an entry; a cache that cannot be written costs time only."""
    labels = annotation.labels.astype(np.min_scalar_type(int(annotation.labels.max())))
    problems = np.array(annotation.problems, dtype=str)
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=entry.parent, suffix=".tmp", delete=False) as file:
            try:
                np.savez_compressed(file, key=np.array(key), labels=labels, problems=problems)
                file.close()
                os.replace(file.name, entry)
            except OSError:
                os.unlink(file.name)
    except OSError:
        return

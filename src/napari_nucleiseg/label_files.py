"""Label images as TIFF files that are checked when written and when read."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from pathlib import Path

import numpy as np
import tifffile

from napari_nucleiseg.atomic import (
    commit,
    discard,
    keep_previous,
    kept_path,
    saving,
    stage_bytes,
    sync_folder,
)
from napari_nucleiseg.decoders.raster import BROKEN, MAX_PIXELS
from napari_nucleiseg.errors import BadInput

_MAX_BYTES = 4 * MAX_PIXELS + 2**24

# Kept in our own files' header, so that a flipped bit is found wherever it sits.
MARK = "napari-nucleiseg"
_SEAL = f"{MARK} sha256:"

# Bytes searched for the mark: tifffile writes texts behind the offsets of all strips, of 256 KiB.
_HEAD = 2**14 + 8 * _MAX_BYTES // 2**18


def labels_sha256(labels: np.ndarray) -> str:
    """Hash a label image's shape and ids, whatever its integer dtype.

    Parameters
    ----------
    labels : (H, W) int
        Any integer dtype.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    digest = hashlib.sha256(f"{labels.shape[0]}x{labels.shape[1]}:".encode())
    digest.update(np.ascontiguousarray(labels, dtype="<i4").data)
    return digest.hexdigest()


def write_label_image(
    path: str | os.PathLike[str], labels: np.ndarray, *, description: str = ""
) -> None:
    """Write a label image in one step, and keep the previous one as ``<stem>.bak.tif``.

    Parameters
    ----------
    path : path
        Ends in ``.tif``; its folder must exist.
    labels : (H, W) int
        Ids from 0 to 2**31 - 1. Stored as uint16 where that holds them, else as int32.
    description : str
        ASCII text kept in the file's header.

    Raises
    ------
    BadInput
        If `labels` is not two-dimensional, empty, not of whole numbers or has negative ids.
    SaveFailed
        If it could not be written; the earlier files are intact.
    """
    target = Path(path)
    data = encode_labels(labels, description)
    with saving(target):
        _replace(stage_bytes(target, data), target)


def _replace(staged: Path, path: Path) -> None:
    """Keep the previous file as the backup and put the staged one in its place.

    A previous file that is torn does not replace the backup, which is then the last whole
    version; it is kept as ``<stem>.kept-<time>.tif``.
    """
    try:
        torn = path.exists() and not _is_whole(path)
        keep_previous(path, kept_path(path) if torn else _backup_path(path))
    except BaseException:
        discard(staged)
        raise
    commit(staged, path)
    sync_folder(path.parent)


def _backup_path(path: Path) -> Path:
    """Return where the previous version of a label image is kept."""
    return path.with_name(f"{path.stem}.bak{path.suffix}")


def encode_labels(labels: np.ndarray, description: str = "") -> bytes:
    """Encode a label image as TIFF, and decode it again to make sure.

    Raises
    ------
    BadInput
        If `labels` cannot be stored.
    """
    compact = compact_labels(labels)
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        compact,
        photometric="minisblack",
        compression="zlib",
        description=description or None,
        metadata=None,
        software=_SEAL + labels_sha256(compact),
    )
    data = buffer.getvalue()
    decoded, text = decode_labels(data)
    if text != description or not np.array_equal(decoded, compact):
        raise BadInput(
            "The encoded label image differs from the one in memory: nothing was written; "
            "restart the program and check this computer's memory."
        )
    return data


def is_marked(path: Path) -> bool:
    """Whether this program wrote a label image or an overlay, by the mark in its header."""
    try:
        with path.open("rb") as file:
            return MARK.encode() in file.read(_HEAD)
    except OSError:
        return False


def compact_labels(labels: np.ndarray) -> np.ndarray:
    """Copy a label image to the type it is stored in: uint16, or int32 above id 65535.

    Raises
    ------
    BadInput
        If it is not two-dimensional, empty, not of whole numbers or has negative ids.
    """
    if labels.ndim != 2 or 0 in labels.shape or labels.dtype.kind not in "iu":
        raise BadInput(
            f"A label image of shape {labels.shape} and type {labels.dtype} cannot be saved: "
            "give a two-dimensional array of whole numbers."
        )
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0 or highest >= 2**31:
        raise BadInput(
            f"Label ids from {lowest} to {highest} cannot be saved: "
            "renumber them to lie between 0 and 2147483647."
        )
    return labels.astype(np.uint16 if highest < 2**16 else np.int32)


def read_label_tif(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a label image, and accept nothing but a whole one.

    Returns
    -------
    (H, W) int32

    Raises
    ------
    BadInput
        If it is missing, torn, corrupt or not a label image; the message offers the
        backup where there is one.
    """
    return read_label_file(Path(path))[0]


def read_label_file(path: Path) -> tuple[np.ndarray, str]:
    """Read a label image and the description in its header; see `read_label_tif`."""
    try:
        labels, description = decode_labels(_read_regular_file(path))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} is not a readable label image ({error}): {_remedy(path)}") from None
    return labels.astype(np.int32), description


def _remedy(path: Path) -> str:
    backup = _backup_path(path)
    if not _is_whole(backup):
        return "restore it from a copy, or move it away to start again."
    return f"the version before it is whole; rename {backup.name} to {path.name} to use that."


def _is_whole(path: Path) -> bool:
    try:
        decode_labels(_read_regular_file(path))
    except (OSError, ValueError):
        return False
    return True


def _read_regular_file(path: Path) -> bytes:
    # A FIFO would block for ever, and a folder has no bytes.
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a regular file")
    if status.st_size > _MAX_BYTES:
        raise ValueError(f"{status.st_size} bytes")
    return path.read_bytes()


def decode_labels(data: bytes) -> tuple[np.ndarray, str]:
    """Decode a TIFF label image strictly.

    Returns
    -------
    labels : (H, W) int
        In the file's dtype.
    description : str
        "" where there is none.

    Raises
    ------
    ValueError
        If anything is missing, torn or not a label image.
    """
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as tif:
            page = _only_page(tif)
            _check_segments(page, len(data))
            return _checked_array(page), page.description
    except ValueError:
        raise
    except BROKEN as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _only_page(tif: tifffile.TiffFile) -> tifffile.TiffPage:
    if len(tif.pages) != 1:
        raise ValueError(f"{len(tif.pages)} pages instead of one")
    page = tif.pages.first
    if len(page.shape) != 2 or 0 in page.shape or page.dtype is None or page.dtype.kind not in "iu":
        raise ValueError(f"shape {page.shape} and type {page.dtype} instead of whole numbers")
    if page.shape[0] * page.shape[1] > MAX_PIXELS:
        raise ValueError(f"shape {page.shape} is above {MAX_PIXELS} pixels")
    return page


def _check_segments(page: tifffile.TiffPage, size: int) -> None:
    # tifffile fills the segments that a torn file lacks with zeros: an empty mask.
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        if offset <= 0 or count <= 0 or offset + count > size:
            raise ValueError("it was cut short")


def _checked_array(page: tifffile.TiffPage) -> np.ndarray:
    labels = page.asarray()
    if labels.shape != page.shape:
        raise ValueError(f"shape {labels.shape} instead of {page.shape}")
    if int(labels.min()) < 0 or int(labels.max()) >= 2**31:
        raise ValueError("ids outside 0 to 2147483647")
    if page.software.startswith(_SEAL) and page.software != _SEAL + labels_sha256(labels):
        raise ValueError("its pixels do not fit its hash")
    return labels

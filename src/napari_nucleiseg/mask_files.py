"""The `masks/` folder of a DSB2018 sample: one 8-bit PNG of 0 and 255 for each nucleus.

The folder is derived from the label image. It is written under a temporary name and
swapped in by renames. A folder that we did not write is never deleted: the first one
becomes `masks.original/`, a later one `masks.kept-<time>/`.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy import ndimage

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
from napari_nucleiseg.folder_swap import DESKTOP_FILES

MASKS = "masks"
ORIGINAL_MASKS = "masks.original"

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FAST, _SMALL = 3, 9
_FLUSHES_AT_ONCE = 16
_LAST_BLOCK = b"\x03\x00"
_ADLER_BASE = 65521
# Ids above this are renumbered first: find_objects makes a list as long as the highest id.
_HIGHEST_DIRECT_ID = 2**20


def encode_masks(labels: np.ndarray) -> dict[str, bytes]:
    """Encode each nucleus as a DSB2018 mask.

    Parameters
    ----------
    labels : (H, W) int

    Returns
    -------
    dict
        File name (the id, as in ``000017.png``) to PNG of (H, W) uint8, 255 inside. An
        id that has no pixel has no file, so no mask is empty.
    """
    return {
        f"{number:06d}.png": _encode_mask_png(mask, box, labels.shape)
        for number, box, mask in _masks_with_boxes(labels)
    }


def _masks_with_boxes(
    labels: np.ndarray,
) -> Iterator[tuple[int, tuple[slice, slice], np.ndarray]]:
    if int(labels.max(initial=0)) <= _HIGHEST_DIRECT_ID:
        ids, dense = None, labels
    else:
        ids, inverse = np.unique(labels, return_inverse=True)
        dense = inverse.reshape(labels.shape) + int(ids[0] != 0)
        ids = ids[ids != 0]
    for index, box in enumerate(ndimage.find_objects(dense), start=1):
        if box is not None:
            number = index if ids is None else int(ids[index - 1])
            yield number, box, dense[box] == index


def _encode_mask_png(mask: np.ndarray, box: tuple[slice, slice], shape: tuple[int, ...]) -> bytes:
    """Encode one nucleus as an 8-bit grey PNG of the whole image's size.

    A general encoder spends its time on the background: 5 to 10 ms for 1024², so seconds
    for an image. Here the rows above and below the nucleus are ready-made deflate blocks
    of zeros, which may be strung together after a full flush (RFC 1951), and their
    checksum has a closed form (RFC 1950): zeros leave Adler-32's first sum as it is and
    add it to the second once each.

    Parameters
    ----------
    mask : (h, w) bool
        The nucleus within its bounding box.
    box : (slice, slice)
        Where the bounding box lies in the image.
    shape : (H, W)
        The image's size in pixels.

    Returns
    -------
    bytes
        255 inside the nucleus, 0 outside.
    """
    height, width = shape
    rows = np.zeros((mask.shape[0], width + 1), np.uint8)  # each row begins with its filter, 0
    rows[:, 1 + box[1].start : 1 + box[1].stop] = mask * np.uint8(255)
    above, below = box[0].start * (width + 1), (height - box[0].stop) * (width + 1)
    checksum = zlib.adler32(rows.tobytes(), _adler32_of_zeros(1, above))
    stream = b"".join(
        (
            b"\x78\x01",
            *_deflated_zeros(above),
            _deflate(rows.tobytes(), _FAST),
            *_deflated_zeros(below),
            _LAST_BLOCK,
            struct.pack(">I", _adler32_of_zeros(checksum, below)),
        )
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return _PNG_SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", stream) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _deflate(data: bytes, level: int) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush(zlib.Z_FULL_FLUSH)


def _deflated_zeros(count: int) -> Iterator[bytes]:
    for power in range(count.bit_length()):
        if count >> power & 1:
            yield _deflated_zeros_block(power)


@lru_cache(maxsize=40)
def _deflated_zeros_block(power: int) -> bytes:
    return _deflate(bytes(2**power), _SMALL)


def _adler32_of_zeros(checksum: int, count: int) -> int:
    first, second = checksum & 0xFFFF, checksum >> 16
    return (second + count * first) % _ADLER_BASE << 16 | first


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
        paths = [path for path in folder.iterdir() if path.name not in DESKTOP_FILES]
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
            os.rename(retired, current)
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

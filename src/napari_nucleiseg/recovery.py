"""The recovery file: strokes that are not saved yet, offered again after a crash."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_nucleiseg.atomic import (
    SaveFailed,
    make_folder,
    saving,
    set_aside,
    write_bytes_atomically,
)
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.label_files import encode_labels, labels_sha256, read_label_file
from napari_nucleiseg.state import LABELS, now, read_state

_RECOVERY = "recovery.tif"


@dataclass(frozen=True)
class Recovery:
    """Unsaved labels that were found again.

    Attributes
    ----------
    labels : (H, W) int32
    touched : tuple of int
        Ids of the nuclei that a hand has touched.
    written_at : str
        ISO 8601 in UTC.
    """

    labels: np.ndarray
    touched: tuple[int, ...] = ()
    written_at: str = ""


def write_recovery(
    folder: Path,
    labels: np.ndarray,
    image_sha256: str,
    labels_sha256: str,
    touched: tuple[int, ...] = (),
) -> None:
    """Keep unsaved labels, tied to the image and to the saved labels that they began with.

    Parameters
    ----------
    folder : Path
        The sample's folder; made if it is missing.
    labels : (H, W) int
        Copied first, so that it may be painted on meanwhile.
    image_sha256 : str
        Hash of the image, however the caller hashes it.
    labels_sha256 : str
        Hash of the labels that were saved last; "" if there are none.
    touched : tuple of int
        Ids of the nuclei that a hand has touched.

    Raises
    ------
    BadInput
        If `labels` is no label image.
    SaveFailed
        If it could not be written; the earlier recovery file is intact.
    """
    header = {
        "recovery": 1,
        "image_sha256": image_sha256,
        "labels_sha256": labels_sha256,
        "written_at": now(),
        "touched": [int(number) for number in touched],
    }
    path = Path(folder) / _RECOVERY
    data = encode_labels(labels, json.dumps(header))
    with saving(path):
        make_folder(path.parent)
    write_bytes_atomically(path, data)


def read_recovery(folder: Path, image_sha256: str) -> Recovery | None:
    """Find unsaved labels that fit the image and the saved labels as they are now.

    Call it when a sample is opened, and only as the holder of the `DatasetLock`: the file
    may belong to a session that is still at work.

    Returns
    -------
    Recovery, or None
        None where there is no recovery file, or it holds nothing new, or it does not fit.
        One that does not fit is not deleted: it is moved aside to
        ``recovery.kept-<time>.tif``, where the next recovery file does not replace it.
    """
    path = Path(folder) / _RECOVERY
    if not os.path.exists(path):
        return None
    saved = _saved_sha256(Path(folder))
    try:
        labels, header = read_label_file(path)
        values = json.loads(header)
        recovery = Recovery(labels, tuple(map(int, values["touched"])), str(values["written_at"]))
        base = (values["image_sha256"], values["labels_sha256"])
    except (BadInput, KeyError, OverflowError, TypeError, ValueError, RecursionError):
        _set_aside(path)
        return None
    if labels_sha256(labels) == saved:
        # A save was on its way when the strokes were written, or a crash came right after it.
        with suppress(SaveFailed):
            clear_recovery(folder)
        return None
    if base != (image_sha256, saved):
        _set_aside(path)
        return None
    return recovery


def has_unsaved(folder: Path) -> bool:
    """Whether there is a recovery file of other labels than the saved ones.

    One that cannot be read counts: nobody knows what is in it.
    """
    path = Path(folder) / _RECOVERY
    if not os.path.lexists(path):
        return False
    try:
        return labels_sha256(read_label_file(path)[0]) != _saved_sha256(Path(folder))
    except BadInput:
        return True


def _saved_sha256(folder: Path) -> str:
    if not os.path.exists(folder / LABELS):
        return ""
    try:
        return labels_sha256(read_label_file(folder / LABELS)[0])
    except BadInput:
        # Of torn labels, the status still knows the hash.
        return read_state(folder).labels_sha256


def _set_aside(path: Path) -> None:
    # A folder that does not allow it does not allow a new recovery file either.
    with suppress(OSError):
        set_aside(path)


def clear_recovery(folder: Path) -> None:
    """Delete the recovery file, once its strokes are saved or the person let them go.

    Raises
    ------
    SaveFailed
        If it is there and cannot be deleted.
    """
    path = Path(folder) / _RECOVERY
    with saving(path), suppress(FileNotFoundError):
        os.unlink(path)

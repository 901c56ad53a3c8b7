"""`nucleiseg.json`: the status of a sample beside its labels.

The same text stands in the header of `labels.tif`, so that one rename saves both. The
labels decide: a missing, foreign or corrupt `nucleiseg.json` never hides them.
"""

from __future__ import annotations

import json
import os
import re
import threading
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from napari_nucleiseg.atomic import keep_previous, make_folder, saving, write_bytes_atomically
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.label_files import read_label_file

STATE = "nucleiseg.json"
LABELS = "labels.tif"
_FORMAT = 1
_MAX_BYTES = 2**24
_SHA256 = re.compile("[0-9a-f]{64}")

# A save, a repair and a change of status replace the same files; in one process they go
# one after the other. Other processes are kept out by `DatasetLock`.
one_at_a_time = threading.RLock()


class Status(StrEnum):
    """How far a sample's labels have come."""

    UNLABELLED = "unlabelled"
    PREDICTED = "predicted"
    CORRECTED = "corrected"
    APPROVED = "approved"


@dataclass(frozen=True)
class SampleState:
    """What is known of a sample's labels.

    Attributes
    ----------
    status : Status
    model : str
        Name of the model whose prediction the labels began with; "" if drawn by hand.
    saved_at : str
        When the labels were saved, ISO 8601 in UTC; "" if never.
    labels_sha256 : str
        Hash of the saved labels; "" if there are none.
    touched : tuple of int
        Ids of the nuclei that a hand has touched.
    """

    status: Status = Status.UNLABELLED
    model: str = ""
    saved_at: str = ""
    labels_sha256: str = ""
    touched: tuple[int, ...] = ()


@dataclass(frozen=True)
class Record:
    """A state, and what is known of `masks/`.

    Attributes
    ----------
    state : SampleState
    masks_sha256 : tuple of str, or None
        Hashes of the `masks/` folders that we wrote, newest first; None where a sample
        has no such folder.
    """

    state: SampleState
    masks_sha256: tuple[str, ...] | None = None


def now() -> str:
    """Return the time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_state(folder: Path) -> SampleState:
    """Read a sample's status.

    Returns
    -------
    SampleState
        From `nucleiseg.json`. Where that is missing, foreign or corrupt, from the header
        of `labels.tif`; labels without one were put there by a person and count as
        `CORRECTED`. `UNLABELLED` where there is neither.
    """
    folder = Path(folder)
    record = read_record(folder)
    if record is not None:
        return record.state
    # os.path, because pathlib raises where the folder may not be entered.
    has_labels = os.path.exists(folder / LABELS)
    return SampleState(Status.CORRECTED if has_labels else Status.UNLABELLED)


def write_state(folder: Path, state: SampleState) -> None:
    """Write a sample's status; its labels stay as they are.

    An empty `labels_sha256` means that of the labels saved last.

    Raises
    ------
    SaveFailed
        If it could not be written; the earlier file is intact.
    """
    folder = Path(folder)
    with one_at_a_time, saving(folder / STATE):
        known = read_record(folder) or Record(SampleState())
        sha256 = state.labels_sha256 or known.state.labels_sha256
        record = Record(replace(state, labels_sha256=sha256), known.masks_sha256)
        make_folder(folder)
        keep_foreign_state(folder)
        write_bytes_atomically(folder / STATE, encode_record(record).encode())


def read_record(folder: Path) -> Record | None:
    """Read what `nucleiseg.json` says, or else the header of `labels.tif`."""
    return read_json_record(folder) or _read_header_record(folder)


def read_json_record(folder: Path) -> Record | None:
    """Read `nucleiseg.json`; None if it is missing, foreign or corrupt."""
    path = folder / STATE
    try:
        if not path.is_file() or path.stat().st_size > _MAX_BYTES:
            return None
        return decode_record(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


def _read_header_record(folder: Path) -> Record | None:
    try:
        return decode_record(read_label_file(folder / LABELS)[1])
    except BadInput:
        return None


def keep_foreign_state(folder: Path) -> None:
    """Keep a `nucleiseg.json` that we cannot read as `nucleiseg.bak.json`."""
    path = folder / STATE
    if path.exists() and read_json_record(folder) is None:
        keep_previous(path, path.with_suffix(".bak.json"))


def encode_record(record: Record) -> str:
    """Return a record as one line of ASCII."""
    masks = None if record.masks_sha256 is None else list(record.masks_sha256)
    state = asdict(record.state) | {"touched": [int(number) for number in record.state.touched]}
    return json.dumps({"format": _FORMAT, **state, "masks_sha256": masks})


def decode_record(text: str) -> Record | None:
    """Read a record; None if it is not one of ours in every part."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict) or values.get("format") != _FORMAT:
        return None
    try:
        return _record(values)
    except (KeyError, TypeError, ValueError):
        return None


def _record(values: dict[str, Any]) -> Record:
    masks = values["masks_sha256"]
    state = SampleState(
        Status(values["status"]),
        _text(values["model"]),
        _text(values["saved_at"]),
        "" if values["labels_sha256"] == "" else _sha256(values["labels_sha256"]),
        tuple(_id(number) for number in values["touched"]),
    )
    return Record(state, None if masks is None else tuple(_sha256(mask) for mask in masks))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _sha256(value: object) -> str:
    if not _SHA256.fullmatch(_text(value)):
        raise ValueError(f"{value!r} is not a hash")
    return _text(value)


def _id(value: object) -> int:
    if type(value) is not int or not 0 < value < 2**31:
        raise ValueError(f"{value!r} is not the id of a nucleus")
    return value

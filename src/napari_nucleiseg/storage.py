"""What is written to disk for a sample, and in which order, so that nothing drawn is lost.

A save first *stages* everything (labels, masks, status) under temporary names, so that a
full or read-only disk changes nothing. Then it commits by renames, in this order:

1. ``labels.bak.tif`` becomes what ``labels.tif`` is;
2. ``labels.tif`` is replaced: from here on the save has happened, and its header holds the
   status as well;
3. ``nucleiseg.json`` is replaced, with the hashes of the masks that are coming and of
   those that are there;
4. ``masks/`` steps aside (to ``masks.original/`` if it came with the dataset) and the new
   one takes its name.

Wherever a crash falls, `repair` finishes steps 3 and 4 from ``labels.tif``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_nucleiseg.atomic import (
    commit,
    discard,
    discard_leftovers,
    make_folder,
    saving,
    stage_bytes,
    sync_folder,
    write_bytes_atomically,
)
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.label_files import (
    compact_labels,
    encode_labels,
    labels_sha256,
    read_label_file,
    write_label_image,
)
from napari_nucleiseg.mask_files import (
    MASKS,
    files_sha256,
    is_one_of,
    read_masks,
    stage_masks,
    swap_masks,
)
from napari_nucleiseg.mask_png import encode_masks
from napari_nucleiseg.state import (
    LABELS,
    STATE,
    Record,
    SampleState,
    Status,
    decode_record,
    encode_record,
    keep_foreign_state,
    now,
    one_at_a_time,
    read_json_record,
    read_record,
)

PREDICTION = "prediction.tif"
_KNOWN_MASKS = 4


def save_labels(
    folder: Path, labels: np.ndarray, state: SampleState, *, masks: bool
) -> SampleState:
    """Save a sample's corrected labels, its masks and its status. Safe in any thread.

    Parameters
    ----------
    folder : Path
        The sample's folder; made if it is missing.
    labels : (H, W) int
        Copied first, so that it may be painted on meanwhile.
    state : SampleState
        `saved_at` and `labels_sha256` are filled in.
    masks : bool
        Also derive `masks/` (Kaggle layout). Masks that came with the dataset are kept
        as `masks.original/`.

    Returns
    -------
    SampleState
        As saved.

    Raises
    ------
    BadInput
        If `labels` is no label image.
    SaveFailed
        If the disk is full, read-only, gone or forbidden. The earlier files are intact
        and what was staged is removed; where the error names the status or the masks,
        the labels are already in place, and `repair` does the rest.
    """
    folder, labels = Path(folder), compact_labels(labels)
    state = replace(state, saved_at=now(), labels_sha256=labels_sha256(labels))
    with one_at_a_time, saving(folder / LABELS):
        make_folder(folder)
        known = read_record(folder)
        old = known.masks_sha256 if known else None
        _publish(folder, Record(state, (old or ()) if masks else None), labels, write_labels=True)
    return state


def _publish(folder: Path, record: Record, labels: np.ndarray, *, write_labels: bool) -> None:
    ours = record.masks_sha256 or ()
    with ExitStack() as leftovers:
        staged_masks = None
        if record.masks_sha256 is not None:
            files = encode_masks(labels)
            staged_masks = _stage_changed_masks(folder, files, ours)
            hashes = dict.fromkeys((files_sha256(files), *ours))
            record = replace(record, masks_sha256=tuple(hashes)[:_KNOWN_MASKS])
        if staged_masks is not None:
            leftovers.callback(discard, staged_masks)
        text = encode_record(record)
        staged_state = stage_bytes(folder / STATE, text.encode())
        leftovers.callback(discard, staged_state)
        if write_labels:
            write_label_image(folder / LABELS, labels, description=text)
        # From here on a failure is named after the file that it is about.
        with saving(folder / STATE):
            keep_foreign_state(folder)
            commit(staged_state, folder / STATE)
            sync_folder(folder)
        if staged_masks is not None:
            with saving(folder / MASKS):
                swap_masks(folder, staged_masks, ours)


def _stage_changed_masks(
    folder: Path, files: Mapping[str, bytes], ours: Collection[str]
) -> Path | None:
    present = read_masks(folder / MASKS)
    if present == files:
        return None
    reusable = present if present and is_one_of(present, ours) else {}
    unchanged = [name for name, data in files.items() if reusable.get(name) == data]
    return stage_masks(folder, files, unchanged)


def repair(folder: Path) -> bool:
    """Finish what a crash interrupted: derive status and masks from `labels.tif` again.

    Called when a sample is opened by whoever holds the `DatasetLock`. It also removes
    temporary files that a crash left. Labels without our status beside or inside them are
    not ours to derive masks from, and are left alone.

    Parameters
    ----------
    folder : Path
        The sample's folder; it may be missing.

    Returns
    -------
    bool
        Whether status or masks had to be derived again.

    Raises
    ------
    BadInput
        If `labels.tif` cannot be read; the message offers the backup.
    SaveFailed
        If what is missing cannot be written.
    """
    folder = Path(folder)
    with one_at_a_time, saving(folder / LABELS):
        discard_leftovers(folder)
        # os.path, because pathlib raises where the folder may not be entered.
        if not os.path.exists(folder / LABELS):
            return False
        labels, header = read_label_file(folder / LABELS)
        record = _record_of(folder, labels, header)
        if record is None or _is_whole(folder, record):
            return False
        _publish(folder, record, labels, write_labels=False)
    return True


def _record_of(folder: Path, labels: np.ndarray, header: str) -> Record | None:
    """Find the record that belongs to these labels, rather than to those before them."""
    sha256 = labels_sha256(labels)
    beside, inside = read_json_record(folder), decode_record(header)
    for record in (beside, inside):
        if record is not None and record.state.labels_sha256 == sha256:
            return record
    if beside is None:
        return None
    # Another program wrote labels.tif: all of it is by hand.
    touched = tuple(int(number) for number in np.unique(labels) if number)
    state = SampleState(Status.CORRECTED, "", now(), sha256, touched)
    return replace(beside, state=state)


def _is_whole(folder: Path, record: Record) -> bool:
    if read_json_record(folder) != record:
        return False
    masks = record.masks_sha256
    return masks is None or is_one_of(read_masks(folder / MASKS), masks[:1])


def write_prediction(folder: Path, labels: np.ndarray, model_name: str) -> None:
    """Keep a model's labels as a cache that may be deleted at any time.

    Parameters
    ----------
    folder : Path
        The sample's folder; made if it is missing.
    labels : (H, W) int
    model_name : str
        Which model made them.

    Raises
    ------
    BadInput
        If `labels` is no label image.
    SaveFailed
        If it could not be written.
    """
    write_encoded_prediction(folder, encode_prediction(labels, model_name))


def encode_prediction(labels: np.ndarray, model_name: str) -> bytes:
    """Encode a prediction as `write_prediction` does, which takes longer than the writing."""
    return encode_labels(labels, json.dumps({"model": model_name}))


def write_encoded_prediction(folder: Path, data: bytes) -> None:
    """Write what `encode_prediction` gave; raises `SaveFailed` as `write_prediction` does."""
    path = Path(folder) / PREDICTION
    with saving(path):
        make_folder(path.parent)
    write_bytes_atomically(path, data)


def read_prediction(folder: Path) -> tuple[np.ndarray, str] | None:
    """Read the kept prediction.

    Returns
    -------
    (labels, model_name), or None
        (H, W) int32 and the model's name; None where there is no whole prediction of ours.
    """
    try:
        labels, header = read_label_file(Path(folder) / PREDICTION)
        return labels, str(json.loads(header)["model"])
    except (BadInput, KeyError, TypeError, ValueError, RecursionError):
        return None

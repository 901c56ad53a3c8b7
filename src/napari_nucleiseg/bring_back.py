"""Corrections that were saved elsewhere, back to the images of their dataset."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from napari_nucleiseg.atomic import kept_path
from napari_nucleiseg.dataset import Sample
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.recovery import RECOVERY
from napari_nucleiseg.storage import (
    LABELS,
    PREDICTION,
    DatasetLock,
    read_label_tif,
    read_prediction,
    read_state,
    save_labels,
    write_prediction,
)


def bring_back(root: Path, samples: Sequence[Sample], folder: Path) -> list[str]:
    """Copy corrections into a dataset; the labels that they replace stay as backups.

    When all of them are there, the folder is set aside under another name: found again by a
    later save, it would hide what was corrected since.

    Parameters
    ----------
    root : Path
        Of the dataset, which nobody may have open.
    samples : sequence of Sample
        Of the dataset. Where it has later labels than the folder, these stay.
    folder : Path
        Where its corrections were written instead, one folder a sample.

    Returns
    -------
    list of str
        One sentence for each correction that is left in the folder.

    Raises
    ------
    BadInput
        If somebody edits the dataset, or (`SaveFailed`) it cannot be written to.
    """
    lock = DatasetLock.acquire(root)
    try:
        left = [reason for each in samples if (reason := _bring_one(each, folder / each.id))]
    finally:
        lock.release()
    ids = {each.id for each in samples}
    left += [
        f"{each.parent} belongs to no image of the dataset."
        for each in sorted(folder.glob(f"*/{LABELS}"))
        if each.parent.name not in ids
    ]
    if not left:
        with suppress(OSError):
            os.rename(folder, kept_path(folder))
    return left


def _bring_one(sample: Sample, source: Path) -> str:
    """Copy the correction of one sample; gives the reason if it has to stay."""
    if (source / RECOVERY).exists():
        return f"{sample.id} has unsaved strokes in {source}: go to it, and save them."
    if not (source / LABELS).exists():
        return ""
    state = read_state(source)
    if (sample.folder / LABELS).exists() and read_state(sample.folder).saved_at > state.saved_at:
        return ""
    try:
        labels = read_label_tif(source / LABELS)
    except BadInput as error:
        return str(error)
    save_labels(sample.folder, labels, state, masks=sample.layout == "kaggle")
    # What a hand has erased is told by the prediction that it began with.
    prediction = read_prediction(source)
    if prediction is None:
        (sample.folder / PREDICTION).unlink(missing_ok=True)
    else:
        write_prediction(sample.folder, *prediction)
    return ""

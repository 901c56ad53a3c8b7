"""Bringing corrections that were saved elsewhere back into their dataset."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_nucleiseg.annotations import check_size
from napari_nucleiseg.atomic import keep_copy, saving, set_aside
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.images import read_image_size
from napari_nucleiseg.label_files import read_label_tif
from napari_nucleiseg.lock import DatasetLock
from napari_nucleiseg.recovery import has_unsaved
from napari_nucleiseg.sample import Sample
from napari_nucleiseg.state import LABELS, SampleState, read_state
from napari_nucleiseg.storage import PREDICTION, read_prediction, save_labels, write_prediction


def bring_back(root: Path, samples: Sequence[Sample], folder: Path) -> list[str]:
    """Copy corrections into a dataset; the labels that they replace are kept beside them.

    When all of them are there, the folder is set aside under another name: found again by a
    later save, it would hide what was corrected since.

    Parameters
    ----------
    root : Path
        Of the dataset, which nobody may have open.
    samples : sequence of Sample
        Of the dataset. Where it has other and later labels than the folder, both stay.
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
        f"{each} belongs to no image that is open: open the folder of its image and bring it back "
        "there, or move it away."
        for each in sorted(path.parent for path in folder.glob(f"*/{LABELS}"))
        if each.name not in ids
    ]
    return left or _retire(folder)


def _retire(folder: Path) -> list[str]:
    try:
        set_aside(folder)
    except OSError as error:
        text = (
            f"All came back, but {folder} cannot be renamed ({error.strerror}): close what has it "
            "open, and bring them back again."
        )
        return [text]
    return []


def _has_later(sample: Sample, state: SampleState) -> bool:
    if not os.path.exists(sample.folder / LABELS):
        return False
    return read_state(sample.folder).saved_at > state.saved_at


def _bring_one(sample: Sample, source: Path) -> str:
    """Copy the correction of one sample; gives the reason if it has to stay."""
    if has_unsaved(source):
        return f"{sample.id} has unsaved strokes in {source}: go to it, and save them."
    if not os.path.exists(source / LABELS):
        return ""
    state = read_state(source)
    try:
        labels = read_label_tif(source / LABELS)
        check_size(source / LABELS, labels.shape, read_image_size(sample.image_path))
        if _has_later(sample, state):
            if np.array_equal(read_label_tif(sample.folder / LABELS), labels):
                return ""
            return (
                f"{sample.id} was saved later in the dataset, and these labels stay: move {source} "
                f"away if you do not need it, or copy its {LABELS} over."
            )
    except BadInput as error:
        return str(error)
    keep_copy(sample.folder / LABELS)  # another window may have saved them since
    save_labels(sample.folder, labels, state, masks=sample.layout == "kaggle")
    # What a hand has erased is told by the prediction that it began with.
    prediction = read_prediction(source)
    if prediction is None:
        with saving(sample.folder / PREDICTION):
            (sample.folder / PREDICTION).unlink(missing_ok=True)
    else:
        write_prediction(sample.folder, *prediction)
    return ""

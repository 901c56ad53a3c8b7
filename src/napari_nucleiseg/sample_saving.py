"""What is written of one sample: labels, what is unsaved, and what a model says of it.

Every function here blocks and may be called in any thread; none keeps anything.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_nucleiseg.atomic import SaveFailed
from napari_nucleiseg.merging import alive
from napari_nucleiseg.recovery import clear_recovery, write_recovery
from napari_nucleiseg.sample import Sample
from napari_nucleiseg.sample_files import source_folder
from napari_nucleiseg.state import SampleState, Status, one_at_a_time, read_state, write_state
from napari_nucleiseg.storage import (
    encode_prediction,
    save_labels,
    write_encoded_prediction,
    write_prediction,
)


@dataclass(frozen=True, eq=False)
class Work:
    """Labels on their way to the disk.

    Attributes
    ----------
    sample : Sample
    folder : Path
        Where they go.
    labels : (H, W) int
        A copy that nobody paints on.
    status : Status
    model : str
        Model that the labels began with; "" if none.
    touched : tuple of int
        Ids of the nuclei that a hand has touched, in any order. Those that are gone from the
        labels are left out when it is written: to find them takes long.
    prediction : (H, W) int32, or None
        What the model said of the image, to be kept beside the correction.
    image_sha256, saved_sha256 : str
        As in `Opened`.
    """

    sample: Sample
    folder: Path
    labels: np.ndarray
    status: Status
    model: str = ""
    touched: tuple[int, ...] = ()
    prediction: np.ndarray | None = None
    image_sha256: str = ""
    saved_sha256: str = ""


def _check_there(work: Work) -> None:
    """See that labels go where their image is.

    The folder of a dataset that was moved, or whose drive is gone, would be made anew, and
    hold labels where nobody looks for them.
    """
    image, folder = work.sample.image_path, work.sample.folder
    if work.folder == folder and not os.path.exists(image):
        raise SaveFailed(
            f"{work.sample.id} was not saved because {image} is not there any more: put the "
            "dataset back where it was, or save elsewhere."
        )


def save_work(work: Work) -> SampleState:
    """Save labels, masks and status, then let the recovery file go.

    Raises
    ------
    BadInput
        If the labels are none, or (`SaveFailed`) the disk does not take them, as
        `save_labels` tells. The recovery file stays.
    """
    _check_there(work)
    state = SampleState(work.status, work.model, touched=_touched(work))
    masks = work.sample.layout == "kaggle"
    saved = save_labels(work.folder, work.labels, state, masks=masks)
    # The labels are safe by now: neither of these two may turn that into a failure.
    with suppress(SaveFailed):
        clear_recovery(work.folder)
    if work.prediction is not None:
        with suppress(SaveFailed):
            write_prediction(work.folder, work.prediction, work.model)
    return saved


def save_recovery(work: Work) -> None:
    """Write the recovery file of unsaved labels.

    Raises
    ------
    SaveFailed
        If the disk does not take it.
    """
    _check_there(work)
    touched = _touched(work)
    write_recovery(work.folder, work.labels, work.image_sha256, work.saved_sha256, touched)


def _touched(work: Work) -> tuple[int, ...]:
    return tuple(sorted(alive(work.touched, work.labels)))


def save_prediction(sample: Sample, folder: Path, labels: np.ndarray, model: str) -> SampleState:
    """Keep a prediction; the status of an unlabelled sample becomes `PREDICTED`.

    Returns
    -------
    SampleState
        That of a corrected, approved or annotated sample is left as it was.

    Raises
    ------
    SaveFailed
        If the disk does not take it.
    """
    if folder == sample.folder and not os.path.exists(sample.image_path):
        raise SaveFailed(
            f"The prediction of {sample.id} was not kept because {sample.image_path} is not there "
            "any more: put the dataset back where it was."
        )
    data = encode_prediction(labels, model)
    # A person may save while this is encoded: what counts is what is there when it is written.
    with one_at_a_time:
        state = read_state(source_folder(sample, folder))
        if state.status in (Status.CORRECTED, Status.APPROVED):
            return state
        write_encoded_prediction(folder, data)
        if sample.mask_paths:
            return state
        state = replace(state, status=Status.PREDICTED, model=model)
        write_state(folder, state)
    return state

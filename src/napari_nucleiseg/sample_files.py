"""Reading all that the disk holds of one sample; `sample_saving` writes it.

Every function here blocks and may be called in any thread; none keeps anything.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from os import PathLike
from pathlib import Path

import numpy as np

from napari_nucleiseg.atomic import SaveFailed, keep_copy, make_folder, saving
from napari_nucleiseg.dataset import Dataset, read_dataset, read_labels, read_sample_image
from napari_nucleiseg.images import intensity_range
from napari_nucleiseg.label_files import labels_sha256
from napari_nucleiseg.lock import DatasetLock, FolderLocked
from napari_nucleiseg.numbering import count_nuclei
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.recovery import Recovery, has_unsaved, read_recovery
from napari_nucleiseg.sample import Sample
from napari_nucleiseg.state import LABELS, STATE, SampleState, read_state
from napari_nucleiseg.storage import PREDICTION, read_prediction, repair

_BATCH = 200


class Origin(StrEnum):
    """Where the labels of a sample come from."""

    NOTHING = "nothing"
    PREDICTION = "prediction"
    ANNOTATION = "annotation"
    CORRECTION = "correction"


@dataclass(frozen=True)
class OpenDataset:
    """A dataset and the right to write to it.

    Attributes
    ----------
    dataset : Dataset
    lock : DatasetLock, or None
        None where the dataset is read-only.
    read_only : str
        One sentence that says why; "" where it may be written to.
    """

    dataset: Dataset
    lock: DatasetLock | None = None
    read_only: str = ""


def open_dataset(
    path: str | PathLike[str], *, extract_to: str | PathLike[str] | None = None
) -> OpenDataset:
    """Read a dataset and take its lock; one that cannot be locked opens read-only.

    Raises
    ------
    BadInput
        As `read_dataset`.
    """
    dataset = read_dataset(path, extract_to=extract_to)
    try:
        return OpenDataset(dataset, DatasetLock.acquire(dataset.root))
    except (FolderLocked, SaveFailed) as error:
        return OpenDataset(dataset, None, str(error))


def lock_folder(folder: Path, coming: Iterable[str] = ()) -> DatasetLock:
    """Make a folder for corrections, and take its lock.

    Parameters
    ----------
    folder : Path
    coming : iterable of str
        Ids about to be saved there whose labels did not start from the folder's; a copy of
        the folder's is kept.

    Raises
    ------
    BadInput
        If another program holds it, or it cannot be written to.
    """
    with saving(folder):
        make_folder(folder)
    lock = DatasetLock.acquire(folder)
    try:
        for each in coming:
            keep_copy(folder / each / LABELS)
    except SaveFailed:
        lock.release()
        raise
    return lock


@dataclass(frozen=True, eq=False)
class Opened:
    """All that is shown of a sample.

    Attributes
    ----------
    sample : Sample
    image : (H, W) or (H, W, 3)
    labels : (H, W) int32
        The correction, else the annotation, else the kept prediction, else zeros.
    origin : Origin
        Which of them it is.
    count : int
        Nuclei in `labels`.
    state : SampleState
    image_sha256 : str
    intensity : (low, high)
        Range of the image that is worth seeing.
    folder : Path
        Where its corrections were written when it was opened.
    saved_sha256 : str
        Hash of `labels.tif` in `folder`; "" where there is none.
    prediction : (H, W) int32, or None
        The kept prediction that a correction began with.
    recovery : Recovery, or None
        Unsaved strokes that a crash left.
    """

    sample: Sample
    image: np.ndarray
    labels: np.ndarray
    origin: Origin
    count: int
    state: SampleState
    image_sha256: str
    intensity: tuple[float, float]
    folder: Path
    saved_sha256: str = ""
    prediction: np.ndarray | None = None
    recovery: Recovery | None = None


def open_sample(sample: Sample, folder: Path, *, writable: bool) -> Opened:
    """Read the image, the labels, the status and what a crash left.

    Parameters
    ----------
    sample : Sample
    folder : Path
        Where its corrections are written; `sample.folder`, or one elsewhere for a dataset
        that is read-only. It is read if it has labels, or has a prediction or a status
        while `sample.folder` has no labels; else `sample.folder` is read.
    writable : bool
        Whether this program holds the lock: only then is an interrupted save finished and a
        recovery file looked for.

    Raises
    ------
    BadInput
        If the image or the labels cannot be read.
    """
    if writable:
        repair(folder)
    image = read_sample_image(sample)
    shape = (image.shape[0], image.shape[1])
    image_sha256 = _image_sha256(image)
    source = replace(sample, folder=source_folder(sample, folder))
    state = read_state(source.folder)
    labels, origin, prediction = _read_best_labels(source, state, shape)
    corrected = origin is Origin.CORRECTION and source.folder == folder
    recovery = read_recovery(folder, image_sha256) if writable else None
    if recovery is not None and recovery.labels.shape != shape:
        recovery = None
    return Opened(
        sample,
        image,
        labels,
        origin,
        count_nuclei(labels),
        state,
        image_sha256,
        intensity_range(image),
        folder,
        labels_sha256(labels) if corrected else "",
        prediction,
        recovery,
    )


def read_current_labels(sample: Sample, folder: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """Read the correction of a sample, else its annotation, else the kept prediction.

    Parameters
    ----------
    sample : Sample
    folder : Path
        As for `open_sample`.
    shape : (H, W)
        Size of the image.

    Returns
    -------
    (H, W) int32, or None where there is none of them

    Raises
    ------
    BadInput
        If correction or annotation cannot be read.
    """
    source = replace(sample, folder=source_folder(sample, folder))
    labels, origin, _ = _read_best_labels(source, read_state(source.folder), shape)
    return None if origin is Origin.NOTHING else labels


def source_folder(sample: Sample, folder: Path) -> Path:
    """Choose the folder that labels, prediction and status are read from, all of one."""
    if folder == sample.folder:
        return folder
    if os.path.exists(folder / LABELS):
        return folder
    is_begun = any(os.path.exists(folder / name) for name in (PREDICTION, STATE))
    return folder if is_begun and not os.path.exists(sample.folder / LABELS) else sample.folder


def _image_sha256(image: np.ndarray) -> str:
    digest = hashlib.sha256(f"{image.shape} {image.dtype}".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def _read_best_labels(
    sample: Sample, state: SampleState, shape: tuple[int, int]
) -> tuple[np.ndarray, Origin, np.ndarray | None]:
    kept = read_prediction(sample.folder)
    prediction = kept[0] if kept is not None and kept[0].shape == shape else None
    labels = read_labels(sample, shape)
    if labels is not None:
        corrected = os.path.exists(sample.folder / LABELS)
        origin = Origin.CORRECTION if corrected else Origin.ANNOTATION
        return labels, origin, prediction if state.model else None
    if prediction is not None:
        return prediction, Origin.PREDICTION, prediction
    return np.zeros(shape, np.int32), Origin.NOTHING, None


def read_states(places: Mapping[str, tuple[Sample, Path]]) -> Iterator[Progress]:
    """Read the status of many samples.

    Parameters
    ----------
    places : mapping of str to (Sample, Path)
        For each id the sample and the folder of its corrections.

    Yields
    ------
    Progress
        Kind "states" with "states", a dict of id to `SampleState`, for a batch each.
    """
    batch: dict[str, SampleState] = {}
    for done, (sample_id, (sample, folder)) in enumerate(places.items(), start=1):
        batch[sample_id] = read_state(source_folder(sample, folder))
        if len(batch) == _BATCH or done == len(places):
            yield Progress(done, len(places), "Reading", "states", {"states": batch})
            batch = {}


def find_unsaved(places: Mapping[str, tuple[Sample, Path]]) -> Iterator[Progress]:
    """Look which of many samples have unsaved strokes that a crash left.

    Call it as the holder of the lock. No label file is read but those beside a recovery file.

    Parameters
    ----------
    places : mapping of str to (Sample, Path)
        As for `read_states`.

    Yields
    ------
    Progress
        Kind "unsaved" with "unsaved", a tuple of ids, for a batch each.
    """
    batch: list[str] = []
    for done, (sample_id, (_, folder)) in enumerate(places.items(), start=1):
        if has_unsaved(folder):
            batch.append(sample_id)
        if not done % _BATCH or done == len(places):
            yield Progress(done, len(places), "Reading", "unsaved", {"unsaved": tuple(batch)})
            batch = []

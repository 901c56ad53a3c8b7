"""Corrections that were saved elsewhere, back to the images of their dataset."""

from __future__ import annotations

from pathlib import Path

from napari_nucleiseg.dataset import Sample, read_dataset
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.recovery import RECOVERY
from napari_nucleiseg.storage import LABELS, DatasetLock, read_label_tif, read_state, save_labels


def bring_back(root: Path, folder: Path) -> int:
    """Copy corrections into a dataset; the labels that they replace stay as backups.

    Parameters
    ----------
    root : Path
        Of the dataset, which nobody may have open.
    folder : Path
        Where its corrections were written instead, one folder a sample; left as it is.

    Returns
    -------
    int
        How many samples got labels. Where the dataset has later ones, these stay.

    Raises
    ------
    BadInput
        If the dataset or a label image cannot be read, somebody edits the dataset, there are
        unsaved strokes in the folder, or (`SaveFailed`) the dataset cannot be written to.
    """
    lock = DatasetLock.acquire(root)
    try:
        samples = read_dataset(root).samples
        for each in samples:
            if (folder / each.id / RECOVERY).exists():
                raise BadInput(
                    f"{each.id} has unsaved strokes in {folder}; go to it and save them first."
                )
        return sum(_bring_one(each, folder / each.id) for each in samples)
    finally:
        lock.release()


def _bring_one(sample: Sample, source: Path) -> bool:
    if not (source / LABELS).exists():
        return False
    state = read_state(source)
    if (sample.folder / LABELS).exists() and read_state(sample.folder).saved_at > state.saved_at:
        return False
    labels = read_label_tif(source / LABELS)
    save_labels(sample.folder, labels, state, masks=sample.layout == "kaggle")
    return True

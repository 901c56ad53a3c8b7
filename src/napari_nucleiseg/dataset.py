"""Datasets: samples of a folder, their images and nuclei."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np

from napari_nucleiseg.annotations import check_size, merge_masks, read_merged
from napari_nucleiseg.archive import extract
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.images import read_image, read_image_size
from napari_nucleiseg.label_files import read_label_tif
from napari_nucleiseg.prediction_notes import read_note
from napari_nucleiseg.sample import Found, Sample
from napari_nucleiseg.sample_search import find_samples, single_image
from napari_nucleiseg.sample_table import TABLE, find_table, with_table
from napari_nucleiseg.state import LABELS

_TIFF = (".tif", ".tiff")


@dataclass(frozen=True)
class Dataset:
    """What was found in a folder.

    Attributes
    ----------
    root : Path
        The folder whose layout was recognised, at or below the one that was opened.
    layout : str
        "kaggle", "merged", "labels", "cellpose" or "images".
    samples : tuple of Sample
        In natural order of their ids.
    problems : tuple of str
        One sentence for each thing that was passed over.
    path : Path
        What was opened: the folder, or a single image. An archive's folder, once extracted.
    """

    root: Path
    layout: str
    samples: tuple[Sample, ...]
    problems: tuple[str, ...] = ()
    path: Path = Path()


def read_dataset(
    path: str | PathLike[str],
    *,
    extract_to: str | PathLike[str] | None = None,
    table: str | PathLike[str] | None = None,
    needs_masks: bool = True,
) -> Dataset:
    """Open a folder, a zip archive or a single image as a dataset.

    Only names and the heads of TIFF masks are read, no image; so images that turn out to be
    damaged are spoken of when they are read. A mask that is a prediction is left out.

    Parameters
    ----------
    path : path
        The layout is found (see `layouts` and `sample_search`).
    extract_to : path, optional
        Where a zip archive is extracted: into a folder of the archive's name. An
        archive that was extracted there before is not extracted again.
    table : path, optional
        A csv file with the columns ``id`` and any of ``modality``, ``field`` (or
        ``group``), ``split`` (a name that `split_of` knows) and ``stardist_test`` (1 or
        true for test, 0 or false for train). By default ``samples.csv`` in the folder, in
        its parent, or beside the archive.
    needs_masks : bool
        False where images alone are asked for; then nobody looks into their masks.

    Raises
    ------
    BadInput
        If there is no such path, nothing in a known layout, or the archive or table
        cannot be used.
    """
    path = Path(path)
    # os.path, because pathlib raises where a folder above may not be entered.
    if not os.path.exists(path):
        raise BadInput(f"{path} does not exist or is out of reach; open a folder of images.")
    if path.suffix.lower() == ".zip" and not os.path.isdir(path):
        path = _extracted(path, extract_to)
    found = find_samples(path) if os.path.isdir(path) else single_image(path)
    if needs_masks:
        found = _without_predictions(found)
    given = Path(table) if table is not None else find_table(path, found)
    if given is not None:
        found = with_table(found, given, required=table is not None)
    return Dataset(found.root, found.layout, found.samples, found.problems, path)


def _without_predictions(found: Found) -> Found:
    """Leave out masks that a model made: learned from or judged by, they would be the truth."""
    made = {
        path
        for each in found.samples
        for path in each.mask_paths
        if path.suffix.lower() in _TIFF and read_note(path)
    }
    if not made:
        return found
    samples = tuple(
        replace(each, mask_paths=tuple(path for path in each.mask_paths if path not in made))
        for each in found.samples
    )
    first = min(made, key=str)
    which = f"{first} and {len(made) - 1} more masks are" if len(made) > 1 else f"{first} is"
    text = (
        f"{which} predicted by a model and corrected by nobody, which is no annotation: segment "
        "and correct the images in napari, or correct these files in another program."
    )
    return replace(found, samples=samples, problems=(*found.problems, text))


def _extracted(archive: Path, extract_to: str | PathLike[str] | None) -> Path:
    """Extract an archive, and take the table that lies beside it along."""
    if extract_to is None:
        raise BadInput(f"{archive} is a zip archive: extract it, and name the folder instead.")
    beside = archive.parent / TABLE
    *_, last = extract(archive, Path(extract_to), along=[beside] if os.path.isfile(beside) else [])
    return Path(last.values["folder"])


def read_sample_image(sample: Sample) -> np.ndarray:
    """Read the image of a sample; see `images.read_image`."""
    return read_image(sample.image_path)


def read_labels(sample: Sample, shape: tuple[int, int] | None = None) -> np.ndarray | None:
    """Read the nuclei of a sample: the corrected ones where there are such.

    Parameters
    ----------
    sample : Sample
    shape : (H, W), optional
        Size of the image; read from its header when not given.

    Returns
    -------
    (H, W) int32 or None
        None for an unlabelled sample, which is not the same as one without nuclei.

    Raises
    ------
    BadInput
        If masks cannot be read or are of another size than the image.
    """
    corrected = sample.folder / LABELS
    size = shape or read_image_size(sample.image_path)
    if _is_there(corrected):
        labels = read_label_tif(corrected)
        check_size(corrected, labels.shape, size)
        return labels
    if not sample.mask_paths:
        return None
    if len(sample.mask_paths) > 1:
        return merge_masks(sample.mask_paths, size)
    return read_merged(sample.mask_paths[0], size)


def _is_there(path: Path) -> bool:
    """Tell whether a file is there; where nobody may look is not where nothing is."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read ({error.strerror}); check that you may read it."
        ) from error
    return True

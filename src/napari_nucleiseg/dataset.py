"""Datasets: samples of a folder, their images and nuclei."""

from __future__ import annotations

import os
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from napari_nucleiseg.annotations import check_size, merge_masks, read_merged
from napari_nucleiseg.archive import extract
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.images import read_image, read_image_size
from napari_nucleiseg.label_files import read_label_tif
from napari_nucleiseg.layouts import Sample, find_samples, single_image
from napari_nucleiseg.sample_table import TABLE, find_table, with_table
from napari_nucleiseg.state import LABELS


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
) -> Dataset:
    """Open a folder, a zip archive or a single image as a dataset.

    Only names are read, no image; so images that turn out to be damaged are spoken of
    when they are read.

    Parameters
    ----------
    path : path
        The layout is found (see `layouts`).
    extract_to : path, optional
        Where a zip archive is extracted: into a folder of the archive's name. An
        archive that was extracted there before is not extracted again.
    table : path, optional
        A csv file with the columns ``id`` and any of ``modality``, ``field`` (or
        ``group``), ``split`` (a name that `split_of` knows) and ``stardist_test`` (1 or
        true). By default ``samples.csv`` in the folder, in its parent, or beside the
        archive.

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
    given = Path(table) if table is not None else find_table(path, found)
    if given is not None:
        found = with_table(found, given, required=table is not None)
    return Dataset(found.root, found.layout, found.samples, found.problems, path)


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

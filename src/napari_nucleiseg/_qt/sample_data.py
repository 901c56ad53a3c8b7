"""File > Open Sample: made images, some with masks and some without."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import platformdirs

from napari_nucleiseg.atomic import retry_while_locked, saving
from napari_nucleiseg.synthetic import KINDS, make_dataset

FOLDER_VARIABLE = "NUCLEISEG_SAMPLE"


def sample_folder() -> Path:
    """Where the made images are put."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return Path(named)
    own = Path(platformdirs.user_data_dir("napari-nucleiseg", appauthor=False))
    return own / "datasets" / "made-nuclei"


def write_sample_dataset(folder: Path, count: int = 12) -> Path:
    """Make the dataset, unless it is there: corrections made in it are kept.

    Every other sample of each kind comes without masks: something to segment, and something
    to compare with.

    Raises
    ------
    SaveFailed
        If it cannot be written; what was made of it is gone at the next try.
    """
    if folder.exists():
        return folder
    new = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    with saving(folder):
        make_dataset(new, count=count)
        for kind in KINDS:
            for sample in sorted(new.glob(f"{kind}-*"))[::2]:
                shutil.rmtree(sample / "masks")
        retry_while_locked(os.rename, new, folder)
    return folder

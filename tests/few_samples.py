"""Two samples of two nuclei each, `a` with masks and `b` without, opened and saved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from squares import squares, write_sample

from napari_nucleiseg.sample import Sample
from napari_nucleiseg.sample_files import Opened, open_sample
from napari_nucleiseg.sample_saving import Work
from napari_nucleiseg.state import Status

SHAPE = (64, 64)
LABELS = squares(SHAPE, (5, 5), (30, 30))


def write_few(folder: Path) -> Path:
    """Write both samples."""
    for name in "ab":
        write_sample(folder / name, LABELS, masks=name == "a")
    return folder


def work(sample: Sample, labels: np.ndarray, folder: Path | None = None, **changes) -> Work:
    """Labels on their way to the disk, by default to the sample's own folder."""
    return Work(sample, folder or sample.folder, labels, Status.CORRECTED, **changes)


def opened(sample: Sample, folder: Path | None = None, *, writable: bool = True) -> Opened:
    """Open a sample, by default from its own folder."""
    return open_sample(sample, folder or sample.folder, writable=writable)

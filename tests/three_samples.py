"""Samples `a`, `b` and `c` of a nucleus each, with masks."""

from __future__ import annotations

from pathlib import Path

from squares import squares, write_sample

from napari_nucleiseg.dataset import read_dataset
from napari_nucleiseg.sample import Sample


def three_samples(folder: Path) -> tuple[Sample, ...]:
    """Write and read them."""
    for number, name in enumerate("abc"):
        write_sample(folder / name, squares((64, 64), (5, 5 + number)), masks=True)
    return read_dataset(folder).samples

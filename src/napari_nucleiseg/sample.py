"""A sample: one image of a dataset, and where its files stand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sample:
    """One image of a dataset.

    Attributes
    ----------
    id : str
        Unique in its dataset; fit to be a file name.
    image_path : Path
    mask_paths : tuple of Path
        The annotation as it came: many binary masks, or one merged mask or label
        image. Empty for an unlabelled sample.
    layout : str
        A name of the table in `layouts`.
    folder : Path
        Where ``labels.tif``, ``nucleiseg.json``, ... of this sample stand; it need not
        exist.
    modality, field : str
        Kind of microscopy, and field of view; samples of one field never stand on both
        sides of a split. Empty where unknown.
    split : str
        "train", "test" or "".
    """

    id: str
    image_path: Path
    mask_paths: tuple[Path, ...]
    layout: str
    folder: Path
    modality: str = ""
    field: str = ""
    split: str = ""


@dataclass(frozen=True)
class Found:
    """Samples of a folder, and one sentence for each thing in it that cannot be used."""

    root: Path
    layout: str
    samples: tuple[Sample, ...]
    problems: tuple[str, ...] = ()

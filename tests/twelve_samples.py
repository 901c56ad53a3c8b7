"""Twelve samples whose images have nothing in common, and models with a record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from squares import squares, write_sample
from tiny_models import write_tiny_model

from napari_nucleiseg.dataset import read_dataset
from napari_nucleiseg.models import Model
from napari_nucleiseg.sample import Sample

SHAPE = (64, 64)


def write_cells(folder: Path) -> Path:
    """Write samples with masks, `a` to `l`."""
    rng = np.random.default_rng(0)
    for name in "abcdefghijkl":
        write_sample(folder / name, squares(SHAPE, (5, 5), (40, 40)), masks=True)
        noise = rng.integers(0, 255, SHAPE, dtype=np.uint8)
        Image.fromarray(noise).save(folder / name / "images" / f"{name}.png")
    return folder


def ids(samples: Iterable[Sample]) -> list[str]:
    return [each.id for each in samples]


def samples_of(folder: Path, fields: str = "") -> tuple[Sample, ...]:
    """Read samples; with fields, as many as there are letters."""
    samples = read_dataset(folder).samples
    return tuple(
        replace(each, field=field) for each, field in zip(samples, fields, strict=False)
    ) or tuple(samples)


def base_model(folder: Path, **training: object) -> Model:
    model = write_tiny_model(folder / "base")
    return replace(model, info={**model.info, "training": training})

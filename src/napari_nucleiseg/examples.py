"""The annotated images that a network learns from and is judged by."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleiseg.dataset import read_labels, read_sample_image
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.progress import Progress, problem
from napari_nucleiseg.sample import Sample
from napari_nucleiseg.truth import note_empty

if TYPE_CHECKING:
    from napari_nucleiseg.nn.augment import Example


def read_examples(samples: Sequence[Sample]) -> Generator[Progress, None, list[Example]]:
    """Read annotated samples; returns a list of Example, without the unusable ones."""
    from napari_nucleiseg.nn.augment import example

    examples: list[Example] = []
    for done, sample in enumerate(samples, start=1):
        try:
            image = read_sample_image(sample)
            labels = read_labels(sample, image.shape[:2])
            if labels is not None:
                examples.append(example(sample.id, image, labels, sample.modality))
        except BadInput as error:
            yield problem(sample.id, str(error), done, len(samples))
            continue
        yield Progress(done, len(samples), "Reading images", "read")
    return examples


def note_empty_of(*parts: Iterable[Example]) -> str:
    """Say which examples have no nuclei, as `note_empty` does."""
    every = {each.id: each for part in parts for each in part}
    return note_empty([name for name, each in every.items() if not each.labels.any()])


def typical_diameter(diameters: Iterable[float | None]) -> float:
    """Give the median of the images' diameters [px]; None are those without nuclei."""
    from napari_nucleiseg.nn.augment import NO_NUCLEI

    found = [each for each in diameters if each is not None]
    return float(np.median(found)) if found else NO_NUCLEI

"""What a model has learned from, by its own record: it must not be judged by that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_nucleiseg.dataset import Dataset
from napari_nucleiseg.sample import Sample
from napari_nucleiseg.splits import LEARNED, VALIDATION

if TYPE_CHECKING:
    from napari_nucleiseg.models import Model

_SPOT_CHECKS = 8  # files to look at: the window asks while a person types


def learned_by(model: Model | None) -> dict[str, int | None]:
    """Give what a model, or one that it comes from, learned from.

    Parameters
    ----------
    model : Model, or None

    Returns
    -------
    dict of str to int or None
        By the id of an image, how large its file is [bytes]; None where no record tells.
    """
    training = model.info.get("training", {}) if model else {}
    learned, split, sizes = (training.get(key) for key in ("learned", "split", "image_bytes"))
    if isinstance(learned, dict):
        return learned
    if not isinstance(split, dict):
        return {}
    sizes = sizes if isinstance(sizes, dict) else {}
    return {each: sizes.get(each) for part in LEARNED for each in split.get(part, ())}


def held_out_by(model: Model | None) -> frozenset[str]:
    """Give the ids of what was held out when a model was trained."""
    split = model.info.get("training", {}).get("split") if model else None
    return frozenset(split.get(VALIDATION, ())) if isinstance(split, dict) else frozenset()


def dataset_of(model: Model | None) -> str:
    """Give the name of the dataset that a model was trained on; empty where there is none."""
    return str(model.info.get("training", {}).get("dataset", "")) if model else ""


def known_to(model: Model | None, dataset: str, samples: Iterable[Sample]) -> list[Sample]:
    """Find the samples that a model, or one that it comes from, learned from.

    Parameters
    ----------
    model : Model, or None
        Its record names ids, and how large their files are.
    dataset : str
        Name of the samples' dataset. By it they are told from others of the same ids where
        the sizes are not recorded.
    samples : iterable of Sample

    Returns
    -------
    list of Sample
        In the order of `samples`.
    """
    learned, is_same = learned_by(model), dataset_of(model) == dataset

    def is_known(sample: Sample) -> bool:
        size = learned[sample.id]
        return is_same if size is None else _size_of(sample) == size

    found = [each for each in samples if each.id in learned]
    few = found[:: max(1, len(found) // _SPOT_CHECKS)]
    return found if all(map(is_known, few)) else list(filter(is_known, found))


def _size_of(sample: Sample) -> int | None:
    try:
        return sample.image_path.stat().st_size
    except OSError:
        return None


def seen_by(model: Model, dataset: Dataset, samples: Iterable[Sample]) -> list[Sample]:
    """Find the samples of a dataset that a model was trained on, as `known_to`, or tuned on."""
    samples = tuple(samples)
    seen = {each.id for each in known_to(model, dataset.root.name, samples)}
    # Of what it was tuned on only the ids are recorded.
    if dataset_of(model) in (dataset.root.name, dataset.path.name):
        seen |= held_out_by(model)
    return [each for each in samples if each.id in seen]


def warn_of_known(model: Model, dataset: Path, samples: Sequence[Sample]) -> str:
    """Say how many of the samples that a model is scored on it learned from; empty if none."""
    count = len(known_to(model, dataset.name, samples))
    if not count:
        return ""
    were = "was" if count == 1 else "were"
    images = "image" if len(samples) == 1 else "images"
    return f"{count} of {len(samples)} {images} {were} learned from: these scores promise too much."

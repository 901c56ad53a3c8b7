"""What a training learns from, what it is judged by, and what it must not forget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleiseg.config import TrainConfig
from napari_nucleiseg.dataset import Sample, split_by_field, split_test
from napari_nucleiseg.fields import find_fields
from napari_nucleiseg.state import read_state
from napari_nucleiseg.truth import Truth, truth_of

if TYPE_CHECKING:
    from napari_nucleiseg.models import Model

Split = dict[str, tuple[Sample, ...]]
TRAIN, VALIDATION, ALIKE, OLD = "train", "validation", "alike", "old"
MOST_OLD = 48
"""More images of old add little, and reading their masks takes a while."""
_SPOT_CHECKS = 8  # files to look at: the window asks while a person types
_LEAST = 1e-6  # a share of nothing would leave nothing to choose the best weights by


def with_truth(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Leave out what has no truth: predictions that nobody looked at are none."""
    return tuple(
        each for each in samples if truth_of(each, read_state(each.folder)) is not Truth.NONE
    )


def learned_before(model: Model | None, dataset: Path, samples: Iterable[Sample]) -> list[Sample]:
    """Find the samples at hand that a model learned from.

    Parameters
    ----------
    model : Model, or None
        Its record names a dataset, the ids in it, and how large their files are.
    dataset : Path
        Where the samples are. One of another name is the same one if the files' sizes are.
    samples : iterable of Sample

    Returns
    -------
    list of Sample
        Those with masks, in the order of `samples`.
    """
    training = model.info.get("training", {}) if model else {}
    split = training.get("split", {})
    if not isinstance(split, dict):
        return []
    ids = {*split.get(TRAIN, ()), *split.get(OLD, ())}
    found = [each for each in samples if each.id in ids and each.mask_paths]
    if training.get("dataset") == dataset.name:
        return found
    sizes, few = training.get("image_bytes", {}), found[:: max(1, len(found) // _SPOT_CHECKS)]
    return found if isinstance(sizes, dict) and _have_sizes(few, sizes) else []


def _have_sizes(samples: Sequence[Sample], sizes: dict[str, int]) -> bool:
    try:
        return all(sizes.get(each.id) == each.image_path.stat().st_size for each in samples)
    except OSError:
        return False


def split_samples(samples: Sequence[Sample], old: Sequence[Sample], config: TrainConfig) -> Split:
    """Part samples into what is trained and what is validated on.

    Parameters
    ----------
    samples : sequence of Sample
        With a truth. Test samples, and those of their fields, come into no part.
    old : sequence of Sample
        What the model to start from has learned from, of which some are mixed in.
    config : TrainConfig
        `validation` and `seed` are used.

    Returns
    -------
    dict of str to tuple of Sample
        "train" and "validation", whose fields differ. "alike" instead of "validation" where
        all samples are of one field: held out, but much like what is trained on. "old": at
        most `MOST_OLD` that are trained on too; never of a field that is held out.
    """
    given = {each.id for each in samples}
    # Drawn before their fields are searched for, which reads every image.
    old = _draw([each for each in old if each.id not in given], MOST_OLD, config.seed)
    fields = find_fields([*samples, *old])
    usable, _ = split_test(samples, fields)
    share = max(config.validation, _LEAST)
    train, validation = split_by_field(usable, share, config.seed, fields)
    alike: tuple[Sample, ...] = ()
    if not validation and len(train) > 1:
        count = max(1, round(share * len(train)))
        alike = tuple(_draw(train, count, config.seed))
        train = tuple(each for each in train if each not in alike)
    held = {fields[each.id] for each in samples} - {fields[each.id] for each in train}
    mixed = tuple(each for each in old if fields[each.id] not in held)
    return {TRAIN: train, VALIDATION: validation, ALIKE: alike, OLD: mixed}


def judges(split: Split) -> tuple[Sample, ...]:
    """Choose the samples that the best weights are told by: the least alike that there are."""
    return split[VALIDATION] or split.get(ALIKE, ()) or split[TRAIN]


def notes(split: Split) -> list[str]:
    """Say what a person should know of a split, a sentence or two each."""
    found = []
    if not split[VALIDATION] and split[TRAIN]:
        found.append(_ONE_FIELD if split.get(ALIKE) else _ONE_IMAGE)
    if split.get(OLD):
        count = len(split[OLD])
        images = (
            "1 image that the old model learned from is"
            if count == 1
            else (f"{count} images that the old model learned from are")
        )
        found.append(f"{images} mixed in, so that it does not unlearn.")
    return found


_REMEDY = "correct an image of another field of view to learn whether the new model is better."
_ONE_FIELD = (
    "All images are of one field of view: what is held out of them is much like what is learned "
    f"from, so the curves promise too much; {_REMEDY}"
)
_ONE_IMAGE = (
    f"There is one image to learn from, and none to hold out, so the curves promise too much; "
    f"{_REMEDY}"
)


def _draw(samples: Sequence[Sample], count: int, seed: int) -> list[Sample]:
    """Draw some; the same whatever the order of the samples."""
    ordered = sorted(samples, key=lambda each: each.id)
    chosen = np.random.default_rng(seed).permutation(len(ordered))[:count]
    return [ordered[index] for index in sorted(chosen)]

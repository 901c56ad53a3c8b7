"""What a training learns from, what it is judged by, and what it must not forget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleiseg.config import RecipeConfig, TrainConfig
from napari_nucleiseg.dataset import split_by_field, split_test
from napari_nucleiseg.fields import find_fields
from napari_nucleiseg.layouts import Sample
from napari_nucleiseg.state import read_state
from napari_nucleiseg.truth import Truth, truth_of

if TYPE_CHECKING:
    from napari_nucleiseg.models import Model

Split = dict[str, tuple[Sample, ...]]
TRAIN, VALIDATION, ALIKE, OLD = "train", "validation", "alike", "old"
LEARNED = (TRAIN, OLD, ALIKE)
"""Parts that a model knows: "alike" are held out, but of the field that was learned from."""
MOST_OLD = 48
"""More images of old add little, and reading their masks takes a while."""
_SPOT_CHECKS = 8  # files to look at: the window asks while a person types
_MOST_OF_NEW = 0.5  # of what the start has not seen: the other half is to be learned from
_LEAST = 1e-6  # a share of nothing would leave nothing to choose the best weights by


def with_truth(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Leave out what has no truth: predictions that nobody looked at are none."""
    return tuple(
        each for each in samples if truth_of(each, read_state(each.folder)) is not Truth.NONE
    )


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


def warn_of_known(model: Model, dataset: Path, samples: Sequence[Sample]) -> str:
    """Say how many of the samples that a model is scored on it learned from; empty if none."""
    count = len(known_to(model, dataset.name, samples))
    if not count:
        return ""
    were = "was" if count == 1 else "were"
    images = "image" if len(samples) == 1 else "images"
    return f"{count} of {len(samples)} {images} {were} learned from: these scores promise too much."


def split_samples(
    samples: Sequence[Sample],
    old: Sequence[Sample],
    config: TrainConfig,
    *,
    tests: Sequence[Sample] = (),
    mix_old: bool = True,
    held_before: frozenset[str] = frozenset(),
    fields: Mapping[str, str] | None = None,
) -> Split:
    """Part samples into what is trained and what is validated on.

    Parameters
    ----------
    samples : sequence of Sample
        With a truth. Test samples, and those of their fields, come into no part.
    old : sequence of Sample
        What the model to start from has learned from, of which some are mixed in. Those that
        are among `samples`, and their fields, are trained on: a model is not judged by what
        it started with. They are held out only where there is too little else.
    config : TrainConfig
        `validation` and `seed` are used.
    tests : sequence of Sample
        Other test samples of the dataset, whose fields come into no part either.
    mix_old : bool
        Whether old ones that are not in `samples` are trained on.
    held_before : frozenset of str
        Ids of what was held out when the model to start from was trained. Where there is
        nothing else that it has not learned from, all of it is held out again.
    fields : mapping of str to str, optional
        As in `split_by_field`, for all that is given.

    Returns
    -------
    dict of str to tuple of Sample
        "train" and "validation", whose fields differ. "alike" instead of "validation" where
        all samples are of one field: held out, but much like what is trained on. "old": at
        most `MOST_OLD` that are trained on too; never of a field that is held out.
    """
    given, known = {each.id for each in samples}, {each.id for each in old}
    others = [each for each in old if each.id not in given and each.mask_paths]
    # Drawn before their fields are searched for, which reads every image.
    drawn = _draw(others, MOST_OLD, config.seed)
    every = tuple({each.id: each for each in (*samples, *drawn, *tests)}.values())
    fields = find_fields(every) if fields is None else fields
    free = {each.id for each in split_test(every, fields)[0]}
    usable = tuple(each for each in samples if each.id in free)
    known_fields = {fields[each.id] for each in every if each.id in known}
    new = tuple(each for each in usable if fields[each.id] not in known_fields)
    if new and len(new) < len(usable) and held_before >= {each.id for each in new}:
        train, validation = _without(usable, new), new
    else:
        train, validation = _hold_out(usable, new, fields, config)
    alike: tuple[Sample, ...] = ()
    if not validation and len(train) > 1:
        count = max(1, round(share_held_out(config) * len(train)))
        alike = tuple(_draw(train, count, config.seed))
        train = _without(train, alike)
    held = {fields[each.id] for each in validation}
    mixed = tuple(
        each for each in drawn if mix_old and each.id in free and fields[each.id] not in held
    )
    return {TRAIN: train, VALIDATION: validation, ALIKE: alike, OLD: mixed}


def share_held_out(config: TrainConfig | RecipeConfig) -> float:
    """Give the share that is asked for, or so little that one field is held out."""
    return max(config.validation, _LEAST)


def _hold_out(
    samples: tuple[Sample, ...],
    new: tuple[Sample, ...],
    fields: Mapping[str, str],
    config: TrainConfig,
) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Hold out fields that the start has not learned from, if there are enough samples."""
    share = share_held_out(config)
    most = max(share, _MOST_OF_NEW)
    if len(new) == len(samples) or not new:
        return split_by_field(samples, share, config.seed, fields)
    part = min(share * len(samples) / len(new), most)
    held = split_by_field(new, part, config.seed, fields)[1]
    if not held and len(new) <= most * len(samples):
        held = new  # all of one field
    if not held:
        return split_by_field(samples, share, config.seed, fields)
    return _without(samples, held), held


def _without(samples: Iterable[Sample], others: Iterable[Sample]) -> tuple[Sample, ...]:
    ids = {each.id for each in others}
    return tuple(each for each in samples if each.id not in ids)


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

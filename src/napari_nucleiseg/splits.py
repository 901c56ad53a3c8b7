"""Which samples a training learns from, which it is judged by, and which it must not forget."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from napari_nucleiseg.config import RecipeConfig, TrainConfig
from napari_nucleiseg.fields import find_fields
from napari_nucleiseg.sample import Sample
from napari_nucleiseg.state import read_state
from napari_nucleiseg.truth import Truth, truth_of

Split = dict[str, tuple[Sample, ...]]
TRAIN, VALIDATION, ALIKE, OLD = "train", "validation", "alike", "old"
LEARNED = (TRAIN, OLD, ALIKE)
"""Parts that a model knows: "alike" are held out, but of the field that was learned from."""
MOST_OLD = 48
"""More images of old add little, and reading their masks takes a while."""
_MOST_OF_NEW = 0.5  # of what the start has not seen: the other half is to be learned from
_LEAST = 1e-6  # a share of nothing would leave nothing to choose the best weights by


def with_truth(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Leave out what has no truth: predictions that nobody looked at are none."""
    return tuple(
        each for each in samples if truth_of(each, read_state(each.folder)) is not Truth.NONE
    )


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
    train, validation = _hold_out(usable, new, fields, config, held_before)
    train, alike = (train, ()) if validation else _hold_alike(train, config)
    held = {fields[each.id] for each in validation}
    mixed = tuple(
        each for each in drawn if mix_old and each.id in free and fields[each.id] not in held
    )
    return {TRAIN: train, VALIDATION: validation, ALIKE: alike, OLD: mixed}


def split_by_field(
    samples: Sequence[Sample],
    share: float,
    seed: int,
    fields: Mapping[str, str],
) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Hold out whole fields of view, about the same share of each modality.

    Parameters
    ----------
    samples : sequence of Sample
    share : float
        Share of the samples to hold out, in [0, 1].
    seed : int
        The same seed gives the same split, whatever the order of `samples`.
    fields : mapping of str to str
        Field for each sample's id, from `find_fields`. A table's fields alone may not do: half
        the neighbours in DSB2018 are not in it.

    Returns
    -------
    kept, held_out : tuple of Sample
        Both in the order of `samples`. Where `share` is neither 0 nor 1, none is empty,
        unless all samples are of one field: then `held_out` is.
    """
    members: dict[str, list[Sample]] = defaultdict(list)
    for each in samples:
        members[fields[each.id]].append(each)
    held = _choose_fields(members, share, np.random.default_rng(seed))
    if 0 < share < 1 and len(held) in (0, len(members)) and members:
        smallest = min(sorted(members), key=lambda name: len(members[name]))
        held = held ^ {smallest} if len(members) > 1 else set()
    return (
        tuple(each for each in samples if fields[each.id] not in held),
        tuple(each for each in samples if fields[each.id] in held),
    )


def _choose_fields(
    members: Mapping[str, Sequence[Sample]], share: float, rng: np.random.Generator
) -> set[str]:
    """Draw fields of each modality until their samples are nearest to the share."""
    by_modality: dict[str, list[str]] = defaultdict(list)
    for name in sorted(members):
        by_modality[min(each.modality for each in members[name])].append(name)
    held: set[str] = set()
    for modality in sorted(by_modality):
        names = by_modality[modality]
        wanted = share * sum(len(members[name]) for name in names)
        for name in rng.permutation(names).tolist():
            if len(members[name]) < 2 * wanted:
                held.add(name)
                wanted -= len(members[name])
    return held


def split_test(
    samples: Sequence[Sample], fields: Mapping[str, str]
) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Part the test samples from those that may be trained on.

    Parameters
    ----------
    samples : sequence of Sample
    fields : mapping of str to str
        As in `split_by_field`.

    Returns
    -------
    rest, test : tuple of Sample
        `test` are the samples whose split is "test". `rest` are the others without those
        of a field that has a test sample: these are in neither.
    """
    test = tuple(each for each in samples if each.split == "test")
    seen = {fields[each.id] for each in test}
    return tuple(each for each in samples if fields[each.id] not in seen), test


def share_held_out(config: TrainConfig | RecipeConfig) -> float:
    """Return `config.validation`, but never 0, so that one field at least is held out."""
    return max(config.validation, _LEAST)


def _hold_out(
    samples: tuple[Sample, ...],
    new: tuple[Sample, ...],
    fields: Mapping[str, str],
    config: TrainConfig,
    held_before: frozenset[str],
) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Hold out fields that the start has not learned from, if there are enough samples."""
    if new and len(new) < len(samples) and held_before >= {each.id for each in new}:
        return _without(samples, new), new
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


def _hold_alike(
    samples: tuple[Sample, ...], config: TrainConfig
) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Hold out some of the one field that there is, unless it is a single sample."""
    if len(samples) < 2:
        return samples, ()
    count = max(1, round(share_held_out(config) * len(samples)))
    alike = tuple(_draw(samples, count, config.seed))
    return _without(samples, alike), alike


def _without(samples: Iterable[Sample], others: Iterable[Sample]) -> tuple[Sample, ...]:
    ids = {each.id for each in others}
    return tuple(each for each in samples if each.id not in ids)


def judges(split: Split) -> tuple[Sample, ...]:
    """Give what the best weights are chosen by: validation, else "alike", else training."""
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

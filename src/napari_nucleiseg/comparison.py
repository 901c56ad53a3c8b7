"""Is the new model better? Both on the same images, which neither has learned from."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_nucleiseg.config import PredictConfig, TrainConfig
from napari_nucleiseg.dataset import read_sample_image
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.fields import find_fields
from napari_nucleiseg.jobs import evaluate
from napari_nucleiseg.learned import dataset_of, held_out_by, known_to
from napari_nucleiseg.metrics import AT_50_70_90, Interval, Scores, bootstrap_interval
from napari_nucleiseg.models import Model, check_model_folder
from napari_nucleiseg.overlay import encode_png, middle, overlay
from napari_nucleiseg.predictor import Predictor
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.sample import Sample
from napari_nucleiseg.splits import ALIKE, TRAIN, VALIDATION, split_samples
from napari_nucleiseg.truth import Truths

_EDGE = 384  # px of a picture: two of them stand side by side in a dock
ENOUGH_FIELDS = 5
"""Fewest fields of view for an interval that means anything."""


@dataclass(frozen=True)
class Judged:
    """One image and what both models make of it.

    Attributes
    ----------
    sample : Sample
    new : Scores
    old : Scores, or None
        None where there is no old model.
    new_picture, old_picture : bytes
        PNG files of the middle of the image with the outlines of what they found; empty
        where none was drawn.
    """

    sample: Sample
    new: Scores
    old: Scores | None
    new_picture: bytes = b""
    old_picture: bytes = b""

    @property
    def gain(self) -> float:
        """By how much the mean AP rose."""
        return self.new.mean_ap - (self.old.mean_ap if self.old else 0.0)


@dataclass(frozen=True)
class Comparison:
    """Both models on the same images.

    Attributes
    ----------
    images : tuple of Judged
        What got worse first.
    fields : int
        Fields of view that they come from.
    chosen_by : int
        Of the images, those that the weights of the new model were chosen by: held out, yet
        it was the best of many on them.
    missing : int
        Images that one of the models could not be scored on.
    """

    images: tuple[Judged, ...]
    fields: int
    chosen_by: int = 0
    missing: int = 0

    def means(self) -> dict[str, tuple[float | None, float]]:
        """Give old and new mean over the images of each score, by its name."""
        return {name: self._means_of(read) for name, read in SCORES.items()}

    def _means_of(self, read: Callable[[Scores], float]) -> tuple[float | None, float]:
        new = float(np.mean([read(each.new) for each in self.images]))
        old = [read(each.old) for each in self.images if each.old is not None]
        return (float(np.mean(old)) if old else None), new

    def gain(self) -> Interval | None:
        """Give the mean gain in mean AP and its 95 % interval; None from too few fields."""
        if self.fields < ENOUGH_FIELDS or self.images[0].old is None:
            return None
        gains = [each.gain for each in self.images]
        return bootstrap_interval(gains, groups=[_field(each.sample) for each in self.images])


_AT_50, _AT_70, _AT_90 = AT_50_70_90
SCORES = {
    "AP .5": lambda scores: scores.ap[_AT_50],
    "AP .7": lambda scores: scores.ap[_AT_70],
    "AP .9": lambda scores: scores.ap[_AT_90],
    "Mean AP": lambda scores: scores.mean_ap,
    "F1": lambda scores: scores.f1,
    "Dice": lambda scores: scores.dice,
    "True nuclei": lambda scores: scores.n_true,
    "Found nuclei": lambda scores: scores.n_pred,
}


def held_out(samples: Iterable[Sample], new: Model, old: Model | None) -> tuple[Sample, ...]:
    """Choose the samples that neither model has learned from.

    Parameters
    ----------
    samples : iterable of Sample
        Those with a truth.
    new : Model
        Its `training` names the samples it learned from, and those held out.
    old : Model, or None

    Returns
    -------
    tuple of Sample
        Test images of fields that neither has learned from. Where these are of fewer than
        `ENOUGH_FIELDS`, those held out as well: the weights of the new model were chosen by
        them, which flatters it.
    """
    samples, dataset = tuple(samples), dataset_of(new)
    learned = {each.id for model in (new, old) for each in known_to(model, dataset, samples)}
    return _comparable(samples, learned, held_out_by(new))


def _comparable(
    samples: tuple[Sample, ...], learned: Set[str], held: Set[str]
) -> tuple[Sample, ...]:
    spoiled = {_field(each) for each in samples if each.id in learned}
    clean = tuple(each for each in samples if _field(each) not in spoiled)
    tests = tuple(each for each in clean if each.split == "test")
    if len({_field(each) for each in tests}) >= ENOUGH_FIELDS:
        return tests
    return tuple(each for each in clean if each.id in held or each.split == "test")


def foresee(
    samples: Sequence[Sample],
    truths: Truths,
    config: TrainConfig,
    known: Sequence[Sample] = (),
    known_to_old: Sequence[Sample] = (),
    held_before: frozenset[str] = frozenset(),
) -> tuple[int, int]:
    """Count what a training would hold out, and what its model would be compared by.

    Reads no image: of the fields of view, only those that a table names are known.

    Parameters
    ----------
    samples : sequence of Sample
        What is to be trained on and held out.
    truths : Truths
        All samples of the dataset.
    config : TrainConfig
    known, known_to_old : sequence of Sample
        What the model to start from has learned from, and the one to be compared with.
    held_before : frozenset of str
        As in `split_samples`.

    Returns
    -------
    held_out, compared : int
    """
    tests = [each for each in (*truths.all, *truths.none) if each.split == "test"]
    fields = {each.id: _field(each) for each in (*samples, *known, *tests)}
    split = split_samples(
        samples, known, config, tests=tests, held_before=held_before, fields=fields
    )
    parts = (known, known_to_old, split[TRAIN], split[ALIKE])
    learned = {each.id for part in parts for each in part}
    held = {each.id for each in split[VALIDATION]}
    return len(held) or len(split[ALIKE]), len(_comparable(truths.all, learned, held))


def _field(sample: Sample) -> str:
    return sample.field or sample.id


def compare(
    samples: Sequence[Sample], new: Model, old: Model | None, config: PredictConfig
) -> Generator[Progress]:
    """Score two models on the same samples.

    Yields
    ------
    Progress
        At last one of kind "result" with "comparison", a `Comparison`.

    Raises
    ------
    BadInput
        If there is no sample that both could be scored on; it says why for one of them.
    """
    if not samples:
        raise BadInput(
            "No image was held out that neither model has learned from; correct some more "
            "images, of other fields of view, to see which model is better."
        )
    total = len(samples) * (2 if old else 1)
    problems: list[str] = []
    before = (yield from _scores(samples, old, config, 0, total, problems)) if old else {}
    after = yield from _scores(samples, new, config, total - len(samples), total, problems)
    images = tuple(
        _judged(each, after[each.id], before.get(each.id))
        for each in samples
        if each.id in after and (old is None or each.id in before)
    )
    if not images:
        raise BadInput(f"No image could be scored with both models: {problems[0]}")
    ordered = tuple(sorted(images, key=lambda each: (each.gain, each.sample.id)))
    found = Comparison(
        ordered,
        fields=len({_field(each.sample) for each in images}),
        chosen_by=len({each.sample.id for each in images} & held_out_by(new)),
        missing=len(samples) - len(images),
    )
    values = {"comparison": found}
    yield Progress(total, total, "Compared", "result", values)


def judge(
    folder: Path, old: Model | None, samples: Sequence[Sample], config: PredictConfig
) -> Iterator[Progress]:
    """Check a new model, then compare it with the old one on what neither has learned from.

    Parameters
    ----------
    folder : Path
        Of the new model.
    old : Model, or None
    samples : sequence of Sample
        Those with a truth.
    config : PredictConfig

    Yields
    ------
    Progress
        Kind "model" with "model", the new one; then those of `compare`, or a "problem" with
        what keeps them from being compared.
    """
    new = check_model_folder(folder)
    yield Progress(0, 0, "Comparing", "model", {"model": new})
    # Neighbours that no table tells of count as one field here too, as when it was split.
    fields = find_fields(samples)
    samples = [replace(each, field=fields[each.id]) for each in samples]
    try:
        yield from compare(held_out(samples, new, old), new, old, config)
    except BadInput as error:
        yield Progress(0, 0, str(error), "problem")


def _judged(sample: Sample, new: tuple[Scores, bytes], old: tuple[Scores, bytes] | None) -> Judged:
    if old is None:
        return Judged(sample, new[0], None, new[1])
    return Judged(sample, new[0], old[0], new[1], old[1])


def _scores(
    samples: Sequence[Sample],
    model: Model,
    config: PredictConfig,
    first: int,
    total: int,
    problems: list[str],
) -> Generator[Progress, None, dict[str, tuple[Scores, bytes]]]:
    """Score one model; returns scores and a picture (PNG) by the sample's id.

    Why samples could not be scored is added to `problems`.
    """
    found: dict[str, tuple[Scores, bytes]] = {}
    by_id = {each.id: each for each in samples}
    for step in evaluate(samples, Predictor(model), config, model.decode):
        if step.kind == "sample":
            sample = by_id[step.values["id"]]
            picture = _draw(read_sample_image(sample), step.values["labels_pred"])
            found[sample.id] = step.values["scores"], picture
        elif step.kind == "problem":
            problems.append(step.message)
        yield Progress(first + step.done, total, f"Comparing: {model.name}", "compare")
    return found


def _draw(image: np.ndarray, labels: np.ndarray) -> bytes:
    return encode_png(overlay(image, labels)[middle(labels.shape, _EDGE)])

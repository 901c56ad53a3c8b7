"""The classic recipes as a job: from a dataset to a report and a model folder.

Runs where Keras is, as `train_job` does, and resumes like it. A run's folder holds
``run.json``, ``split.json``, ``curves.csv``, ``tensorboard``, ``pictures`` of a held-out
image, ``report.json`` and ``model``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.config import DecodeConfig, RecipeConfig
from napari_nucleiseg.dataset import Dataset, read_dataset
from napari_nucleiseg.diameter import median_diameter
from napari_nucleiseg.encoders import find_encoder
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.examples import note_empty_of, read_examples, typical_diameter
from napari_nucleiseg.fields import find_fields
from napari_nucleiseg.json_files import write_json
from napari_nucleiseg.labels import labels_from_maps
from napari_nucleiseg.learned import seen_by
from napari_nucleiseg.metrics import AT_50_70_90, scores
from napari_nucleiseg.models import Model, find_model
from napari_nucleiseg.pairing import composed
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.run_checks import note_finished, writing_alone
from napari_nucleiseg.run_folder import REPORT
from napari_nucleiseg.run_record import keep_record
from napari_nucleiseg.run_request import Request
from napari_nucleiseg.sample import Sample
from napari_nucleiseg.splits import Split, share_held_out, split_by_field, split_test, with_truth
from napari_nucleiseg.trained_model import write_trained
from napari_nucleiseg.training_packages import require_packages

if TYPE_CHECKING:
    from napari_nucleiseg.nn.augment import Example
    from napari_nucleiseg.nn.classic import Encoder, Learned


@dataclass(frozen=True)
class RecipeRequest(Request):
    """What to train on by a recipe, and where to; see `Request`.

    Attributes
    ----------
    start : str
        Of this model, only the encoder is taken. When empty, ImageNet's weights are
        downloaded, and where that fails the shipped network's encoder is taken.
    test_ids : tuple of str
        Samples to test on, besides the test samples of the table.
    """

    config: RecipeConfig = field(default_factory=RecipeConfig)
    test_ids: tuple[str, ...] = ()


def train_by_recipe(request: RecipeRequest) -> Generator[Progress]:
    """Train a two-class network on whole resized images, and report before and after.

    Test samples, and those of their fields, are never trained or validated on.

    Parameters
    ----------
    request : RecipeRequest

    Yields
    ------
    Progress
        Kinds "note", "read", "problem", "start", "step" with "loss", "epoch" with a row of
        scores, and "result" with "model", the model's folder, and "report".

    Raises
    ------
    BadInput
        If the dataset, the encoder or the folder cannot be used, another training writes
        to the folder, or the loss is not finite.
    """
    require_packages()
    with writing_alone(Path(request.out)):
        yield from _train(request)


def _train(request: RecipeRequest) -> Generator[Progress]:
    from napari_nucleiseg.nn.classic import train_recipe
    from napari_nucleiseg.nn.pixels import resized

    if request.start and request.config.network == "unet":
        raise BadInput("The plain unet has no encoder to take from a model; start from nothing.")
    out = Path(request.out)
    dataset = read_dataset(request.dataset, table=request.table or None)
    finished = note_finished(out)
    split = _split(request, dataset.samples)
    if finished:
        yield Progress(0, 0, finished, "note")
    examples: dict[str, list[Example]] = {}
    for part in split:
        examples[part] = yield from read_examples(split[part])
    if empty := note_empty_of(*examples.values()):
        yield Progress(0, 0, empty, "note")
    pixels = {part: resized(each, request.config.edge) for part, each in examples.items()}
    encoder = _EncoderSource(request, dataset, split)
    source: Model | None = None
    for step in train_recipe(**pixels, config=request.config, folder=out, encoder=encoder):
        if step.kind != "trained":
            if step.kind == "start" and step.values["model"]:
                # What its encoder has learned from, the new model has learned from, too.
                source = find_model(request.start or step.values["model"])
            yield step
            continue
        learned = step.values["trained"]
        report = {**learned.report, **_instances(learned, examples["test"])}
        yield Progress(step.done, step.total, "Exporting the network", "export")
        model = _write(request, split, examples["train"], learned, report, source)
        write_json(out / REPORT, report)
        values = {"model": str(model), "report": report}
        yield Progress(step.done, step.total, "Trained", "result", values)


def _split(request: RecipeRequest, samples: Sequence[Sample]) -> Split:
    wanted = {composed(each) for each in request.test_ids}
    unknown = wanted - {composed(each.id) for each in samples}
    if unknown:
        raise BadInput(f"The dataset has no sample {min(unknown)}; correct the list of test ids.")

    def split_now() -> Split:
        parted = [
            dataclasses.replace(each, split="test") if composed(each.id) in wanted else each
            for each in samples
        ]
        fields = find_fields(parted)
        usable, test = split_test(with_truth(parted), fields)
        train, validation = split_by_field(
            usable, share_held_out(request.config), request.config.seed, fields
        )
        if train and not validation:
            raise BadInput(
                "All images to train on are of one field of view, so none can be held out to "
                "validate on; annotate images of at least two fields."
            )
        return {"train": train, "validation": validation, "test": test}

    split = keep_record(request, samples, split_now)
    if set(split) != {"train", "validation", "test"}:
        raise BadInput(f"{request.out} holds a run that no recipe began; name another folder.")
    return split


@dataclass(frozen=True)
class _EncoderSource:
    """Finds the encoder's weights when a run begins."""

    request: RecipeRequest
    dataset: Dataset
    split: Split

    def __call__(self) -> Encoder:
        from napari_nucleiseg.nn.classic import Encoder

        if self.request.config.network == "unet":
            return Encoder(None, "none: all weights are trained from scratch")
        weights, model, note = find_encoder(self.request.start)
        if model is None:
            return Encoder(weights, note)
        seen = " images and on ".join(self._seen(model, part) for part in ("test", "validation"))
        note += f"; it was trained or tuned on {seen} images"
        return Encoder(weights, note, model.name)

    def _seen(self, model: Model, part: str) -> str:
        held = self.split[part]
        return f"{len(seen_by(model, self.dataset, held))} of the {len(held)} {part}"


def _instances(learned: Learned, test: Sequence[Example]) -> dict[str, Any]:
    """Score the nuclei that connected foreground gives, at the images' own sizes."""
    groups: dict[str, list[Any]] = {}
    for margin, each in zip(learned.margins, test, strict=True):
        height, width = each.labels.shape
        nucleus = 1 / (1 + np.exp(-cv2.resize(margin, (width, height))))
        maps = np.stack([nucleus, 0 * nucleus, 0 * nucleus], axis=-1).astype(np.float32)
        found = scores(each.labels.astype(np.int32), labels_from_maps(maps, DecodeConfig()))
        for group in dict.fromkeys(("all", each.modality or "all")):
            groups.setdefault(group, []).append([found.ap[index] for index in AT_50_70_90])
    ap = {name: np.mean(rows, axis=0).round(4).tolist() for name, rows in groups.items()}
    return {"test_ap_50_70_90": ap} if ap else {}


def _write(
    request: RecipeRequest,
    split: Split,
    examples: Sequence[Example],
    learned: Learned,
    report: dict[str, Any],
    source: Model | None,
) -> Path:
    from napari_nucleiseg.nn.training import Trained

    # Of the nuclei at the size that is learned from.
    size = (request.config.edge, request.config.edge)
    shrunk = (cv2.resize(each.labels, size, interpolation=cv2.INTER_NEAREST) for each in examples)
    diameter = typical_diameter(map(median_diameter, shrunk))
    trained = Trained(learned.weights, DecodeConfig(), report, learned.steps)
    return write_trained(request, split, trained, diameter, source)

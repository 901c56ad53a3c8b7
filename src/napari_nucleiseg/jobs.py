"""Prediction and evaluation as jobs: generators of `Progress`.

The command line loops over them, the docks run them in a worker, a test calls `list()`
on them. A sample that cannot be used is a "problem", and the others go on. Training is
in `train_job`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from napari_nucleiseg.config import DecodeConfig, PredictConfig
from napari_nucleiseg.dataset import read_labels, read_sample_image
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.labels import labels_from_maps
from napari_nucleiseg.metrics import Scores, scores, summary
from napari_nucleiseg.predictor import Predictor
from napari_nucleiseg.progress import Progress, problem
from napari_nucleiseg.sample import Sample


def predict_samples(
    samples: Sequence[Sample],
    predictor: Predictor,
    config: PredictConfig,
    decode: DecodeConfig,
    is_done: Callable[[Sample], bool] = lambda _: False,
) -> Iterator[Progress]:
    """Segment samples, one after the other.

    Parameters
    ----------
    samples : sequence of Sample
    predictor : Predictor
    config : PredictConfig
    decode : DecodeConfig
        `predictor.model.decode` holds the thresholds tuned for the model.
    is_done : callable
        Asked before each sample, whether it is passed over; `BadInput` makes it a problem.

    Yields
    ------
    Progress
        `done` of `total` samples. Kind "tile" while a sample runs, "sample" with "id",
        "maps" (H, W, 3) uint8, "labels" (H, W) int32 and "seconds" when it is done,
        "kept" with "id" when it was done before, or "problem" with "id" and "error".
    """
    for done, sample in enumerate(samples):
        try:
            if is_done(sample):
                values = {"id": sample.id}
                yield Progress(done + 1, len(samples), sample.id, "kept", values)
                continue
            yield from _predict_sample(sample, predictor, config, decode, done, len(samples))
        except BadInput as error:
            yield problem(sample.id, _named(sample, error), done + 1, len(samples))


def _predict_sample(
    sample: Sample,
    predictor: Predictor,
    config: PredictConfig,
    decode: DecodeConfig,
    done: int,
    total: int,
) -> Iterator[Progress]:
    started = time.perf_counter()
    image = read_sample_image(sample)
    maps = np.empty((0, 0, 3), np.uint8)
    for step in predictor.predict_maps(image, config):
        maps = step.values.get("maps", maps)
        yield Progress(done, total, f"Segmenting {sample.id}", "tile")
    labels = labels_from_maps(maps, decode)
    values = {
        "id": sample.id,
        "maps": maps,
        "labels": labels,
        "seconds": time.perf_counter() - started,
    }
    yield Progress(done + 1, total, sample.id, "sample", values)


def _named(sample: Sample, error: BadInput) -> str:
    """Say which image it is about: the network knows no file."""
    text = str(error)
    return text if str(sample.image_path) in text else f"{sample.image_path}: {text}"


def evaluate(
    samples: Sequence[Sample],
    predictor: Predictor,
    config: PredictConfig,
    decode: DecodeConfig,
) -> Iterator[Progress]:
    """Segment annotated samples and score the labels.

    Parameters
    ----------
    samples : sequence of Sample
        Those without annotation are passed over as problems.
    predictor, config, decode
        As in `predict_samples`.

    Yields
    ------
    Progress
        Kind "sample" with "id", "modality", "scores" (`Scores`), "labels_true" and
        "labels_pred"; "problem"; and at last "result" with "summary" (see
        `metrics.summary`), "by_modality" and "images" (a list of dict, worst first).

    Raises
    ------
    BadInput
        At the end, if none could be scored; it says why for the first of them.
    """
    found: list[tuple[Sample, Scores]] = []
    first_problem = "open a dataset that has masks."
    for step in _score_each(samples, predictor, config, decode):
        if step.kind == "sample":
            found.append((samples[step.done - 1], step.values["scores"]))
        elif step.kind == "problem" and step.done == 1:
            first_problem = step.message
        yield step
    if not found:
        raise BadInput(f"None of the images could be scored: {first_problem}")
    yield Progress(len(samples), len(samples), "Evaluated", "result", evaluation(found))


def _score_each(
    samples: Sequence[Sample],
    predictor: Predictor,
    config: PredictConfig,
    decode: DecodeConfig,
) -> Iterator[Progress]:
    for step in predict_samples(samples, predictor, config, decode):
        if step.kind != "sample":
            yield step
            continue
        sample = samples[step.done - 1]
        try:
            values = _score(sample, step.values["labels"])
        except BadInput as error:
            yield problem(sample.id, str(error), step.done, step.total)
            continue
        yield Progress(step.done, step.total, sample.id, "sample", values)


def _score(sample: Sample, labels_pred: np.ndarray) -> dict[str, Any]:
    labels_true = read_labels(sample, labels_pred.shape)
    if labels_true is None:
        raise BadInput(f"{sample.id} has no masks to compare with; annotate it first.")
    return {
        "id": sample.id,
        "modality": sample.modality,
        "scores": scores(labels_true, labels_pred),
        "labels_true": labels_true,
        "labels_pred": labels_pred,
    }


def evaluation(found: Sequence[tuple[Sample, Scores]]) -> dict[str, Any]:
    """Summarise scored samples.

    Returns
    -------
    dict
        "summary", "by_modality" (a summary each) and "images": one dict a sample, worst
        mean AP first. Plain values, fit for JSON.
    """
    groups: dict[str, list[Scores]] = {}
    for sample, result in found:
        groups.setdefault(sample.modality or "unknown", []).append(result)
    images = [
        {"id": sample.id, "modality": sample.modality, **result.as_dict()}
        for sample, result in found
    ]
    return {
        "summary": summary([result for _, result in found]),
        "by_modality": {name: summary(group) for name, group in groups.items()},
        "images": sorted(images, key=lambda each: (each["mean_ap"], each["id"])),
    }

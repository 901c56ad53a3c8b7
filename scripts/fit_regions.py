"""Fit the weights by which regions are merged and believed, to the maps of a model.

    python scripts/fit_regions.py DATASET --table samples.csv

The model's own training images are used: what is fitted are few numbers, and the maps of
images that it learned from are no better than others. Prints the two tables of weights of
`region_merging.py` and `confidence.py`, and thresholds chosen on its validation images.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from napari_nucleiseg import confidence, region_merging
from napari_nucleiseg.config import DecodeConfig, PredictConfig
from napari_nucleiseg.dataset import read_dataset, read_labels, read_sample_image
from napari_nucleiseg.labels import labels_from_maps
from napari_nucleiseg.models import Model, find_model
from napari_nucleiseg.predictor import Predictor
from napari_nucleiseg.regions import Contacts, Regions, measure_contacts, measure_regions
from napari_nucleiseg.sample import Sample

IOU = np.arange(0.5, 0.91, 0.05)
RISE, MERGE = 0.1, 0.7  # at which regions are made, and merged before their confidence is fitted


class Measured(NamedTuple):
    """What is kept of an image.

    `cover` (n, m) are the pixels [px²] that region i and nucleus j share.
    """

    regions: Regions
    contacts: Contacts
    cover: np.ndarray


def read_maps(
    samples: tuple[Sample, ...], model: Model, part: str
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield maps and annotation of the images of one part of a model's split."""
    split = json.loads((model.folder / "model.json").read_text("utf-8"))["training"]["split"]
    predictor = Predictor(model)
    for sample in samples:
        if sample.id in split[part]:
            image = read_sample_image(sample)
            labels = read_labels(sample, image.shape[:2])
            assert labels is not None, f"{sample.id} has no masks"
            *_, last = predictor.predict_maps(image, PredictConfig())
            yield last.values["maps"], labels


def measure(maps: np.ndarray, truth: np.ndarray, decode: DecodeConfig) -> Measured:
    """Make regions of maps, and compare them with the nuclei."""
    labels = labels_from_maps(maps, decode)
    shape = int(labels.max()) + 1, int(truth.max()) + 1
    flat = labels.ravel().astype(np.int64) * shape[1] + truth.ravel()
    cover = np.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape).astype(float)
    return Measured(measure_regions(labels, maps), measure_contacts(labels, maps), cover)


def best_iou(cover: np.ndarray, nuclei: np.ndarray) -> np.ndarray:
    """Give the IoU of each row of `cover` with the nucleus that it fits best."""
    union = cover.sum(axis=1, keepdims=True) + nuclei - cover
    return np.max((cover / np.maximum(union, 1))[:, 1:], axis=1, initial=0)


def merging_gain(found: Measured) -> np.ndarray:
    """Tell what it is worth to merge each pair: (k,) float64, on average over IoU.

    A nucleus that is met counts 2, and each region costs 1, as in F1.
    """
    nuclei = found.cover.sum(axis=0)
    one, other = (found.cover[side] for side in found.contacts.pairs.T)
    met = [best_iou(each, nuclei)[:, None] > IOU for each in (one, other, one + other)]
    return np.asarray((2.0 * (met[2] * 1 - met[0] - met[1]) + 1).mean(axis=1))


def fit(rows: list[tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]]) -> dict[str, float]:
    """Fit a logistic regression.

    Parameters
    ----------
    rows : list of (features, is_so, weight)
        One an image; arrays of one length each.
    """
    names = list(rows[0][0])
    x = np.concatenate([np.stack([features[name] for name in names], 1) for features, *_ in rows])
    is_so, weight = (np.concatenate([row[index] for row in rows]) for index in (1, 2))
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread[spread == 0] = 1  # of a feature that says nothing
    z = np.column_stack([(x - mean) / spread, np.ones(len(x))])
    weight, sign = weight / weight.mean(), np.where(is_so, 1, -1)

    def loss(b: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (z @ b)
        pull = np.append(b[:-1], 0)  # towards zero, but for the constant
        slope = -weight * sign / (1 + np.exp(margin))
        return float(weight @ np.logaddexp(0, -margin) + pull @ pull / 2), z.T @ slope + pull

    b = minimize(loss, np.zeros(z.shape[1]), jac=True, method="L-BFGS-B").x
    slopes = b[:-1] / spread
    weights = dict(zip(names, slopes, strict=True)) | {"constant": b[-1] - slopes @ mean}
    return {name: float(f"{value:.4g}") for name, value in weights.items()}


def fit_merging(found: list[Measured]) -> dict[str, float]:
    """Fit the weights of `region_merging`; an image counts by the root of its pairs."""
    rows = []
    for each in found:
        if len(each.contacts.pairs):
            gain = merging_gain(each)
            features = region_merging.merge_features(each.regions, each.contacts)
            rows.append((features, gain > 0, np.abs(gain) / np.sqrt(len(gain))))
    return fit(rows)


def fit_confidence(found: list[Measured]) -> dict[str, float]:
    """Fit the weights of `confidence`, after merging; an image counts by the root of its nuclei."""
    rows = []
    for regions, contacts, cover in found:
        table = region_merging.merge_regions(regions, contacts, MERGE)
        merged, together = regions.merged(table), np.zeros_like(cover)
        np.add.at(together, table, cover)
        kept = np.flatnonzero(merged.area[1:]) + 1
        if len(kept):
            is_met = best_iou(together, cover.sum(axis=0))[kept] > IOU[0]
            features = confidence.confidence_features(merged)
            weight = np.full(len(kept), 1 / np.sqrt(len(kept)))
            rows.append(({name: each[kept] for name, each in features.items()}, is_met, weight))
    return fit(rows)


def main() -> None:
    """Fit, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("--table", required=True)
    parser.add_argument("--model", default="nuclei")
    arguments = parser.parse_args()
    # Imports TensorFlow, which the tests of the rest of this file may not.
    from napari_nucleiseg.nn.augment import Example
    from napari_nucleiseg.nn.validation import tune_thresholds

    samples = read_dataset(arguments.dataset, table=arguments.table).samples
    model = find_model(arguments.model)
    apart = dataclasses.replace(model.decode, distance=RISE, merge=1.0, confidence=0.0)
    found = [measure(*each, apart) for each in read_maps(samples, model, "train")]
    region_merging.WEIGHTS = fit_merging(found)
    print("region_merging", json.dumps(region_merging.WEIGHTS, indent=4), flush=True)
    confidence.WEIGHTS = fit_confidence(found)
    print("confidence", json.dumps(confidence.WEIGHTS, indent=4), flush=True)
    maps, truths = zip(*read_maps(samples, model, "validation"), strict=True)
    examples = [
        Example("", each, truth.astype(np.uint16)) for each, truth in zip(maps, truths, strict=True)
    ]
    start = dataclasses.replace(apart, merge=MERGE, confidence=0.4)
    *_, best = tune_thresholds(maps, examples, start)
    print("thresholds", *best)


if __name__ == "__main__":
    main()

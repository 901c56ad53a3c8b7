"""Print how many of a model's wrong nuclei the list of doubtful ones holds, and how early.

    python benchmarks/doubts.py DATASET --table samples.csv --part validation

A nucleus is wrong here whose IoU with every annotated one is at most .5, or .7. Printed are
the share of all nuclei that is listed, the share of the wrong ones that is, how many of the
listed are wrong, and the average precision of the order (1: all wrong ones come first).
"""

from __future__ import annotations

import argparse
import json

import numpy as np

from napari_nucleiseg.config import PredictConfig
from napari_nucleiseg.dataset import read_dataset, read_labels, read_sample_image
from napari_nucleiseg.doubts import find_doubts
from napari_nucleiseg.labels import labels_from_maps
from napari_nucleiseg.matching import overlaps
from napari_nucleiseg.models import find_model
from napari_nucleiseg.predictor import Predictor
from napari_nucleiseg.sample import Sample


def judged(sample: Sample, predictor: Predictor) -> tuple[np.ndarray, np.ndarray]:
    """Give the doubt and the best IoU of each nucleus that is found: (n,) float64 each."""
    image = read_sample_image(sample)
    truth = read_labels(sample, image.shape[:2])
    assert truth is not None, f"{sample.id} has no masks"
    *_, last = predictor.predict_maps(image, PredictConfig())
    maps = last.values["maps"]
    labels = labels_from_maps(maps, predictor.model.decode)
    shared = overlaps(truth, labels)
    scores, best = np.zeros((2, int(labels.max())))
    np.maximum.at(best, shared.ids_pred[shared.columns] - 1, shared.iou)
    for doubt in find_doubts(labels, maps):
        scores[doubt.id - 1] = doubt.score
    return scores, best


def average_precision(scores: np.ndarray, is_wrong: np.ndarray) -> float:
    """Average, over the wrong ones, how many of those listed up to them are wrong."""
    ordered = is_wrong[np.argsort(-scores, kind="stable")]
    return float((np.cumsum(ordered) / np.arange(1, len(ordered) + 1))[ordered].mean())


def main() -> None:
    """Print a line for each IoU."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("--table", required=True)
    parser.add_argument("--part", default="validation", help="of the model's split")
    parser.add_argument("--model", default="nuclei")
    arguments = parser.parse_args()
    model = find_model(arguments.model)
    split = json.loads((model.folder / "model.json").read_text("utf-8"))["training"]["split"]
    samples = read_dataset(arguments.dataset, table=arguments.table).samples
    predictor = Predictor(model)
    rows = [judged(each, predictor) for each in samples if each.id in split[arguments.part]]
    scores, best = (np.concatenate(each) for each in zip(*rows, strict=True))
    listed = scores > 0
    print(f"{len(scores)} nuclei, {listed.mean():.1%} listed")
    for limit in (0.5, 0.7):
        is_wrong = best <= limit
        print(
            f"IoU {limit}: {is_wrong.sum()} wrong, {listed[is_wrong].mean():.0%} of them listed; "
            f"{is_wrong[listed].mean():.0%} of the listed are wrong; "
            f"average precision {average_precision(scores, is_wrong):.3f}"
        )


if __name__ == "__main__":
    main()

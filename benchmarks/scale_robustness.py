"""How much is lost on the same images enlarged or shrunk.

    python benchmarks/scale_robustness.py DATASET [--table samples.csv] [--split test]

Prints AP, mean over images, for each zoom, and the difference to the first.
"""

from __future__ import annotations

import argparse

import numpy as np

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.config import PredictConfig
from napari_nucleiseg.dataset import read_dataset, read_labels, read_sample_image
from napari_nucleiseg.labels import labels_from_maps
from napari_nucleiseg.metrics import Scores, scores
from napari_nucleiseg.models import find_model
from napari_nucleiseg.predictor import Predictor
from napari_nucleiseg.sample import Sample


def score_at(sample: Sample, predictor: Predictor, zoom: float) -> Scores:
    """Zoom image and annotation, segment, and compare at the new size."""
    image = read_sample_image(sample)
    labels = read_labels(sample, image.shape[:2])
    assert labels is not None, f"{sample.id} has no masks"
    size = tuple(max(1, round(edge * zoom)) for edge in image.shape[1::-1])
    *_, last = predictor.predict_maps(resized(image, size), PredictConfig())
    found = labels_from_maps(last.values["maps"], predictor.model.decode)
    return scores(resized_labels(labels, size), found)


def resized(image: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Resize to (width, height) without a shift."""
    mode = cv2.INTER_AREA if size[0] < image.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=mode))


def resized_labels(labels: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Give each pixel the id that covers most of it; the nearest one would shift them."""
    found = np.zeros(size[::-1], np.int32)
    most = np.zeros(size[::-1], np.float32)
    for number in np.unique(labels):
        cover = resized((labels == number).astype(np.float32), size)
        found[cover > most] = number
        most = np.maximum(most, cover)
    return found


def main() -> None:
    """Print a line for each zoom."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("--table")
    parser.add_argument("--split", default="test")
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--zooms", type=float, nargs="+", default=[1.0, 0.5, 1.5, 3.0])
    arguments = parser.parse_args()
    samples = read_dataset(arguments.dataset, table=arguments.table).samples
    samples = tuple(each for each in samples if arguments.split in ("", each.split))
    if not samples:
        parser.error(f"No sample is marked as {arguments.split}; name a table with --table.")
    predictor = Predictor(find_model(arguments.model))
    print(f"{len(samples)} images\nzoom   AP .5   AP .7   AP .9   AP .5 less that of the first")
    first = None
    for zoom in arguments.zooms:
        aps = np.mean([score_at(each, predictor, zoom).ap for each in samples], axis=0)
        first = aps[0] if first is None else first
        difference = aps[0] - first
        print(
            f"{zoom:4.1f}  {aps[0]:.4f}  {aps[4]:.4f}  {aps[8]:.4f}  {difference:+.4f}", flush=True
        )


if __name__ == "__main__":
    main()

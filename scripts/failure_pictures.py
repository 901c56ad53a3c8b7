"""Draw where the shipped network fails on made images, for the model card.

    python scripts/failure_pictures.py [--out docs/failures]

Of `--count` made images of each kind the one with the lowest AP is drawn: the image, and
beside it missed nuclei in red, extra ones in blue, and outlines of split nuclei in yellow
and of merged ones in orange.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from napari_nucleiseg.error_map import Error, error_map
from napari_nucleiseg.labels import labels_from_maps
from napari_nucleiseg.metrics import scores
from napari_nucleiseg.models import find_model
from napari_nucleiseg.overlay import encode_png, overlay
from napari_nucleiseg.predictor import Predictor
from napari_nucleiseg.synthetic import KINDS, make_image

COLOURS = {
    Error.MISSED: (230, 40, 40),
    Error.EXTRA: (60, 120, 255),
    Error.SPLIT: (255, 214, 0),
    Error.MERGED: (255, 120, 0),
}
EDGE = 320


def predict(predictor: Predictor, image: np.ndarray) -> np.ndarray:
    """Segment with the model's own thresholds."""
    *_, last = predictor.predict_maps(image)
    return labels_from_maps(last.values["maps"], predictor.model.decode)


def draw(image: np.ndarray, labels_true: np.ndarray, labels_pred: np.ndarray) -> np.ndarray:
    """Set an image beside its errors."""
    plain = overlay(image, np.zeros_like(labels_true))
    marked, errors = plain.copy(), error_map(labels_true, labels_pred)
    for error, colour in COLOURS.items():
        marked[errors == error] = colour
    return np.hstack([plain, marked])


def main() -> None:
    """Write one picture a kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/failures"))
    parser.add_argument("--count", type=int, default=80)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    predictor = Predictor(find_model("nuclei"))
    for kind in KINDS:
        worst = (2.0, np.empty(0))
        for seed in range(options.count):
            image, labels = make_image(kind, (EDGE, EDGE), seed)
            found = predict(predictor, image)
            ap = float(scores(labels, found).ap[0])
            if ap < worst[0]:
                worst = ap, draw(image, labels, found)
        (options.out / f"{kind}.png").write_bytes(encode_png(worst[1]))
        print(f"{kind}: AP {worst[0]:.2f} at IoU .5")


if __name__ == "__main__":
    main()

"""The network that comes with the program: still as good, as small, and as described."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_nucleiseg import models
from napari_nucleiseg.labels import labels_from_maps
from napari_nucleiseg.metrics import scores
from napari_nucleiseg.models import Model, find_model
from napari_nucleiseg.predictor import Predictor
from napari_nucleiseg.synthetic import make_image

IMAGES = 4
MAX_BYTES = 20_000_000  # of the whole package, on the disk


@pytest.fixture(scope="module")
def model() -> Model:
    return find_model("nuclei")


def mean_ap_50(model: Model, kind: str) -> float:
    predictor = Predictor(model)
    found = []
    for seed in range(IMAGES):
        image, labels = make_image(kind, (256, 256), seed)
        *_, last = predictor.predict_maps(image)
        predicted = labels_from_maps(last.values["maps"], model.decode)
        found.append(scores(labels, predicted).ap[0])
    return float(np.mean(found))


@pytest.mark.parametrize(
    ("kind", "least"), [("fluorescence", 0.92), ("stained", 0.85), ("brightfield-tissue", 0.92)]
)
def test_it_finds_the_nuclei_of_made_images(model: Model, kind: str, least: float) -> None:
    assert mean_ap_50(model, kind) >= least


def test_it_says_what_it_learned_from(model: Model) -> None:
    training = model.info["training"]
    split = training["split"]
    assert training["dataset"] == "stage1_train"
    assert set(training["image_bytes"]) == set(split["train"]), "by these old images are found"
    assert len(training["data_sha256"]) == 64
    assert split["train"]
    assert split["validation"]
    assert not set(split["train"]) & set(split["validation"])
    assert set(model.info["scores"]["validation_ap_50_70_90"]) >= {"all", "fluorescence", "stained"}


def test_the_package_stays_small() -> None:
    package = Path(models.__file__).parent
    files = [each for each in package.rglob("*") if "__pycache__" not in each.parts]
    assert sum(each.stat().st_size for each in files if each.is_file()) < MAX_BYTES

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from squares import EDGE, squares, write_sample
from tiny_models import write_tiny_model

from napari_nucleiseg.config import PredictConfig
from napari_nucleiseg.dataset import read_dataset
from napari_nucleiseg.drawn_errors import PackedErrors, evaluate_drawn
from napari_nucleiseg.error_map import Error
from napari_nucleiseg.jobs import evaluate
from napari_nucleiseg.models import Model
from napari_nucleiseg.predictor import Predictor

SHAPE = (EDGE, EDGE)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return write_tiny_model(tmp_path / "tiny")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`bad` has a nucleus too few in its masks, and `plain` has no masks."""
    root = tmp_path / "data"
    write_sample(root / "good", squares(SHAPE, (10, 10), (50, 50)), masks=True)
    write_sample(root / "bad", squares(SHAPE, (10, 10), (50, 50)), masks=True)
    (root / "bad" / "masks" / "2.png").unlink()
    write_sample(root / "plain", squares(SHAPE, (10, 10)), masks=False)
    return root


def test_the_errors_of_each_image_are_drawn(folder: Path, model: Model) -> None:
    steps = list(evaluate_drawn(model, read_dataset(folder).samples, PredictConfig()))
    packed = {each.values["id"]: each.values["drawn"] for each in steps if each.kind == "sample"}
    assert packed.keys() == {"good", "bad"}
    assert not packed["good"].unpack().any()
    drawn = packed["bad"].unpack()
    assert drawn.shape == SHAPE
    assert set(np.unique(drawn)) == {0, Error.EXTRA}
    assert drawn[60, 60] == Error.EXTRA


def test_all_else_is_as_evaluated_without_drawing(folder: Path, model: Model) -> None:
    samples, config = read_dataset(folder).samples, PredictConfig()
    drawn = list(evaluate_drawn(model, samples, config))
    plain = list(evaluate(samples, Predictor(model), config, model.decode))
    assert [(each.done, each.total, each.kind) for each in drawn] == [
        (each.done, each.total, each.kind) for each in plain
    ]
    assert [each for each in drawn if each.kind != "sample"] == [
        each for each in plain if each.kind != "sample"
    ]


def test_a_map_comes_back_as_it_was_and_takes_little_room_meanwhile() -> None:
    drawn = np.zeros((1000, 700), np.uint8)
    drawn[100:120, 200:220] = Error.MERGED
    packed = PackedErrors(drawn)
    assert len(pickle.dumps(packed)) < drawn.size / 100
    np.testing.assert_array_equal(packed.unpack(), drawn)
    packed.unpack()[:] = Error.MISSED
    np.testing.assert_array_equal(packed.unpack(), drawn)

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from tiny_models import write_tiny_model

from napari_nucleiseg.config import PredictConfig
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.jobs import evaluate, predict_samples
from napari_nucleiseg.prediction_files import read_inputs
from napari_nucleiseg.predictor import Predictor


@pytest.fixture
def predictor(tmp_path: Path) -> Predictor:
    return Predictor(write_tiny_model(tmp_path / "tiny"))


def run(folder: Path, predictor: Predictor) -> list:
    samples = read_inputs([folder]).samples
    return list(predict_samples(samples, predictor, PredictConfig(), predictor.model.decode))


def test_each_sample_gives_labels_of_its_image_size(dsb_folder: Path, predictor: Predictor) -> None:
    found = [step for step in run(dsb_folder, predictor) if step.kind == "sample"]
    assert [step.done for step in found] == [1, 2, 3, 4]
    for step in found:
        assert step.values["labels"].shape == (128, 128)
        assert step.values["maps"].dtype == np.uint8
    assert any(step.values["labels"].max() > 0 for step in found)


def test_a_damaged_image_is_a_problem_and_the_others_go_on(
    dsb_folder: Path, predictor: Predictor
) -> None:
    image = next(dsb_folder.glob("*/images/*.png"))
    image.write_bytes(image.read_bytes()[:300])
    steps = run(dsb_folder, predictor)
    problems = [step for step in steps if step.kind == "problem"]
    assert [step.values["id"] for step in problems] == [image.stem]
    assert image.name in problems[0].message
    assert sum(step.kind == "sample" for step in steps) == 3


def test_what_the_predictor_says_comes_with_the_name_of_the_image(
    dsb_folder: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise BadInput("The network's maps are not finite: use another model.")

    monkeypatch.setattr(predictor, "predict_maps", fail)
    samples = read_inputs([dsb_folder]).samples
    problems = run(dsb_folder, predictor)
    for sample, problem in zip(samples, problems, strict=True):
        assert problem.message.startswith(f"{sample.image_path}: The network")
        assert problem.values == {"id": sample.id, "error": problem.message}


def test_evaluation_lists_the_worst_image_first_and_sums_up(
    dsb_folder: Path, predictor: Predictor
) -> None:
    samples = read_inputs([dsb_folder]).samples
    steps = list(evaluate(samples, predictor, PredictConfig(), predictor.model.decode))
    result = steps[-1].values
    order = [each["mean_ap"] for each in result["images"]]
    assert order == sorted(order)
    assert len(order) == 4
    np.testing.assert_allclose(result["summary"]["mean"]["mean_ap"], np.mean(order))
    assert set(result["by_modality"]) == {each.modality for each in samples}


def test_a_sample_without_masks_is_not_scored(dsb_folder: Path, predictor: Predictor) -> None:
    samples = read_inputs([dsb_folder]).samples
    for mask in samples[0].mask_paths:
        mask.unlink()
    samples = read_inputs([dsb_folder]).samples
    steps = list(evaluate(samples, predictor, PredictConfig(), predictor.model.decode))
    assert [s.values["id"] for s in steps if s.kind == "problem"] == [samples[0].id]
    assert steps[-1].values["summary"]["images"] == 3


def test_where_nothing_can_be_scored_the_first_reason_is_given(
    dsb_folder: Path, predictor: Predictor
) -> None:
    samples = read_inputs([dsb_folder]).samples
    for sample in samples:
        sample.image_path.write_bytes(b"no image")
    with pytest.raises(BadInput, match=re.escape(str(samples[0].image_path))):
        list(evaluate(samples, predictor, PredictConfig(), predictor.model.decode))
    with pytest.raises(BadInput, match="open a dataset that has masks"):
        list(evaluate([], predictor, PredictConfig(), predictor.model.decode))

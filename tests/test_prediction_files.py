from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from forbidden import forbid
from tiny_models import write_tiny_model

from napari_nucleiseg.config import PredictConfig
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.jobs import predict_samples
from napari_nucleiseg.label_files import read_label_tif
from napari_nucleiseg.prediction_files import (
    read_inputs,
    refuse_to_overwrite,
    write_predictions,
)
from napari_nucleiseg.predictor import Predictor


@pytest.fixture
def predictor(tmp_path: Path) -> Predictor:
    return Predictor(write_tiny_model(tmp_path / "tiny"))


def test_two_inputs_of_one_name_are_not_mixed_up(dsb_folder: Path) -> None:
    copy = shutil.copytree(dsb_folder, dsb_folder.with_name("copy"))
    inputs = read_inputs([dsb_folder, copy])
    assert len(inputs.samples) == 4
    assert len(inputs.problems) == 4
    assert "same name" in inputs.problems[0]


def test_an_input_that_is_named_twice_counts_once(dsb_folder: Path) -> None:
    image = next(dsb_folder.glob("*/images/*.png"))
    inputs = read_inputs([dsb_folder, dsb_folder / ".", image])
    assert len(inputs.samples) == 4
    assert inputs.problems == ()


def test_an_input_that_is_missing_is_a_problem(dsb_folder: Path) -> None:
    inputs = read_inputs([dsb_folder / "nowhere", dsb_folder])
    assert len(inputs.samples) == 4
    assert "nowhere" in inputs.problems[0]


def test_labels_are_written_as_they_were_predicted(
    dsb_folder: Path, predictor: Predictor, tmp_path: Path
) -> None:
    samples = read_inputs([dsb_folder]).samples
    steps = list(predict_samples(samples, predictor, PredictConfig(), predictor.model.decode))
    labels = {step.values["id"]: step.values["labels"] for step in steps if step.kind == "sample"}
    written = [
        step.values
        for step in write_predictions(steps, samples, tmp_path / "out", "tiny")
        if step.kind == "sample"
    ]
    assert len(written) == 4
    for values in written:
        np.testing.assert_array_equal(read_label_tif(Path(values["path"])), labels[values["id"]])
        assert values["nuclei"] == labels[values["id"]].max()


def test_a_name_that_is_too_long_for_a_file_is_a_problem_and_the_others_go_on(
    dsb_folder: Path, predictor: Predictor, tmp_path: Path
) -> None:
    """A folder's name may be as long as a file's, which has an ending besides."""
    first = min(dsb_folder.glob("*/images/*.png"))
    first.parent.parent.rename(dsb_folder / ("a" * 255))
    samples = read_inputs([dsb_folder]).samples
    refuse_to_overwrite(samples, tmp_path / "out", [".tif"])
    results = predict_samples(samples, predictor, PredictConfig(), predictor.model.decode)
    steps = list(write_predictions(results, samples, tmp_path / "out", "tiny"))
    (problem,) = [step for step in steps if step.kind == "problem"]
    assert problem.values["id"] == "a" * 255
    assert "name is too long" in problem.message
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_a_folder_that_cannot_be_made_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match="name another"):
        list(write_predictions([], [], tmp_path / "file" / "out", "tiny"))


def test_a_folder_that_may_not_be_entered_holds_nothing_to_overwrite(
    dsb_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it cannot be written to turns out when it is."""
    forbid(monkeypatch, tmp_path / "out")
    refuse_to_overwrite(read_inputs([dsb_folder]).samples, tmp_path / "out", [".tif"])


def test_labels_of_another_image_of_that_name_are_not_replaced(
    dsb_folder: Path, predictor: Predictor, tmp_path: Path
) -> None:
    one, other = sorted(dsb_folder.glob("*/images/*.png"))[:2]
    for number, each in enumerate((one, other)):
        (tmp_path / str(number)).mkdir()
        each.rename(tmp_path / str(number) / "A01.png")
    out = tmp_path / "out"

    def predict(folder: Path) -> list:
        samples = read_inputs([folder]).samples
        config, decode = PredictConfig(), predictor.model.decode
        results = predict_samples(samples, predictor, config, decode)
        return list(write_predictions(results, samples, out, "tiny"))

    assert predict(tmp_path / "0")[-1].kind == "sample"
    before = (out / "A01.tif").read_bytes()
    problem = predict(tmp_path / "1")[-1]
    assert problem.kind == "problem"
    assert "holds the labels of another image" in problem.message
    assert (out / "A01.tif").read_bytes() == before
    (tmp_path / "0").rename(tmp_path / "moved")
    assert predict(tmp_path / "moved")[-1].kind == "sample", "its own it replaces"

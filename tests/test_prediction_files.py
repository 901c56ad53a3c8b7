from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from forbidden import forbid
from tiny_models import coarse_and_fine, write_tiny_model

from napari_nucleiseg import prediction_files
from napari_nucleiseg.cli import main
from napari_nucleiseg.config import PredictConfig
from napari_nucleiseg.dataset import read_dataset
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.jobs import predict_samples
from napari_nucleiseg.label_files import read_label_tif, write_label_image
from napari_nucleiseg.prediction_files import (
    is_predicted,
    note_of,
    read_inputs,
    refuse_to_overwrite,
    write_predictions,
)
from napari_nucleiseg.prediction_notes import PredictionNote, read_note
from napari_nucleiseg.predictor import Predictor
from napari_nucleiseg.sample import Sample


@pytest.fixture
def predictor(tmp_path: Path) -> Predictor:
    return Predictor(write_tiny_model(tmp_path / "tiny"))


@pytest.fixture
def made(predictor: Predictor) -> PredictionNote:
    """What is noted of the predictor's labels."""
    return note_of(predictor.model, PredictConfig(), predictor.model.decode)


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


@pytest.mark.parametrize("overlays", [False, True])
def test_what_was_predicted_is_not_predicted_again(
    dsb_folder: Path, tmp_path: Path, model: str, overlays: bool
) -> None:
    out = tmp_path / "out"
    command = ["predict", str(dsb_folder), "--out", str(out), "--model", model]
    assert main(command + ["--overlays"] * overlays) == 0
    inputs = read_inputs([out, dsb_folder])
    assert {each.image_path.parent.name for each in inputs.samples} == {"images"}
    assert len(inputs.samples) == 4
    assert all("passed over: " in each for each in inputs.problems)


def test_an_input_that_is_missing_is_a_problem(dsb_folder: Path) -> None:
    inputs = read_inputs([dsb_folder / "nowhere", dsb_folder])
    assert len(inputs.samples) == 4
    assert "nowhere" in inputs.problems[0]


def test_labels_are_written_as_they_were_predicted(
    dsb_folder: Path, predictor: Predictor, made: PredictionNote, tmp_path: Path
) -> None:
    samples = read_inputs([dsb_folder]).samples
    steps = list(predict_samples(samples, predictor, PredictConfig(), predictor.model.decode))
    labels = {step.values["id"]: step.values["labels"] for step in steps if step.kind == "sample"}
    written = [
        step.values
        for step in write_predictions(steps, samples, tmp_path / "out", made)
        if step.kind == "sample"
    ]
    assert len(written) == 4
    for values in written:
        np.testing.assert_array_equal(read_label_tif(Path(values["path"])), labels[values["id"]])
        assert values["nuclei"] == labels[values["id"]].max()


def test_a_name_that_is_too_long_for_a_file_is_a_problem_and_the_others_go_on(
    dsb_folder: Path, predictor: Predictor, made: PredictionNote, tmp_path: Path
) -> None:
    """A folder's name may be as long as a file's, which has an ending besides."""
    first = min(dsb_folder.glob("*/images/*.png"))
    first.parent.parent.rename(dsb_folder / ("a" * 255))
    samples = read_inputs([dsb_folder]).samples
    refuse_to_overwrite(samples, tmp_path / "out", [".tif"])
    results = predict_samples(samples, predictor, PredictConfig(), predictor.model.decode)
    steps = list(write_predictions(results, samples, tmp_path / "out", made))
    (problem,) = [step for step in steps if step.kind == "problem"]
    assert problem.values["id"] == "a" * 255
    assert "name is too long" in problem.message
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_a_folder_that_cannot_be_made_is_one_clear_sentence(
    made: PredictionNote, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match="name another"):
        list(write_predictions([], [], tmp_path / "file" / "out", made))


def test_a_folder_that_may_not_be_entered_holds_nothing_to_overwrite(
    dsb_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it cannot be written to turns out when it is."""
    forbid(monkeypatch, tmp_path / "out")
    refuse_to_overwrite(read_inputs([dsb_folder]).samples, tmp_path / "out", [".tif"])


def test_labels_of_another_image_of_that_name_are_not_replaced(
    dsb_folder: Path, predictor: Predictor, made: PredictionNote, tmp_path: Path
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
        return list(write_predictions(results, samples, out, made))

    assert predict(tmp_path / "0")[-1].kind == "sample"
    before = (out / "A01.tif").read_bytes()
    problem = predict(tmp_path / "1")[-1]
    assert problem.kind == "problem"
    assert "holds the labels of another image" in problem.message
    assert (out / "A01.tif").read_bytes() == before
    (tmp_path / "0").rename(tmp_path / "moved")
    assert predict(tmp_path / "moved")[-1].kind == "sample", "its own it replaces"


@pytest.fixture
def predicted(
    dsb_folder: Path, predictor: Predictor, made: PredictionNote, tmp_path: Path
) -> Sample:
    """A sample whose labels are in the folder `out`."""
    sample = read_inputs([dsb_folder]).samples[0]
    results = predict_samples([sample], predictor, PredictConfig(), predictor.model.decode)
    list(write_predictions(results, [sample], tmp_path / "out", made))
    return sample


def test_labels_of_the_same_image_model_and_settings_are_done(
    predicted: Sample, made: PredictionNote, tmp_path: Path
) -> None:
    assert is_predicted(predicted, tmp_path / "out", made)
    assert not is_predicted(predicted, tmp_path / "elsewhere", made)


@pytest.mark.parametrize(
    "change",
    [
        {"foreground": 0.6},
        {"distance": 0.4},
        {"border": 0.6},
        {"merge": 0.6},
        {"confidence": 0.6},
        {"min_area": 30},
    ],
    ids=lambda change: next(iter(change)),
)
def test_labels_of_other_thresholds_are_not_done(
    change: dict[str, float], predicted: Sample, predictor: Predictor, tmp_path: Path
) -> None:
    decode = replace(predictor.model.decode, **change)
    other = note_of(predictor.model, PredictConfig(), decode)
    assert not is_predicted(predicted, tmp_path / "out", other)


@pytest.mark.parametrize(
    "change",
    [{"diameter": 20.0}, {"detail": True}, {"tile": 256}],
    ids=lambda each: next(iter(each)),
)
def test_labels_of_an_image_that_was_looked_at_otherwise_are_not_done(
    change: dict[str, float], predicted: Sample, predictor: Predictor, tmp_path: Path
) -> None:
    other = note_of(predictor.model, PredictConfig(**change), predictor.model.decode)
    assert not is_predicted(predicted, tmp_path / "out", other)


def test_labels_of_a_model_that_was_changed_are_not_done(
    predicted: Sample, predictor: Predictor, tmp_path: Path
) -> None:
    """Under the same name, it has other weights, knows other nuclei, or is used otherwise."""
    before, out = predictor.model, tmp_path / "out"
    trained = write_tiny_model(tmp_path / "trained", coarse_and_fine(), name=before.name)
    grown = write_tiny_model(tmp_path / "grown", diameter=30.0, name=before.name)
    tuned = replace(before, decode=replace(before.decode, foreground=0.6))
    info = {**before.info, "input": {**before.info["input"], "multiple": 8}}
    for model in (trained, grown, tuned, replace(before, info=info)):
        assert model.name == before.name
        assert not is_predicted(predicted, out, note_of(model, PredictConfig(), before.decode))
    copied = write_tiny_model(tmp_path / "copied", name=before.name)
    assert is_predicted(predicted, out, note_of(copied, PredictConfig(), before.decode))


def test_labels_of_another_version_are_not_done(
    predicted: Sample, predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_files, "__version__", "0.0.1")
    other = note_of(predictor.model, PredictConfig(), predictor.model.decode)
    assert not is_predicted(predicted, tmp_path / "out", other)


def test_labels_from_before_settings_were_noted_are_predicted_and_not_done(
    predicted: Sample, made: PredictionNote, tmp_path: Path
) -> None:
    path = tmp_path / "out" / f"{predicted.id}.tif"
    note = read_note(path)
    assert note is not None
    before = json.dumps({"model": note.model, "image_sha256": note.image_sha256})
    write_label_image(path, read_label_tif(path), description=before)
    assert not is_predicted(predicted, tmp_path / "out", made)
    refuse_to_overwrite([predicted], tmp_path / "out", [".tif"])  # it may be made anew
    beside = tmp_path / "set"
    (beside / "images").mkdir(parents=True)
    shutil.copy(predicted.image_path, beside / "images" / "a.png")
    (beside / "masks").mkdir()
    shutil.copy(path, beside / "masks" / "a.tif")
    dataset = read_dataset(beside)
    assert dataset.samples[0].mask_paths == (), "nobody has drawn it"
    assert "predicted by a model" in dataset.problems[0]


def test_an_image_is_hashed_once_when_its_labels_are_replaced(
    predicted: Sample,
    predictor: Predictor,
    made: PredictionNote,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hashed: list[Path] = []
    digest = hashlib.file_digest

    def counted(file: BinaryIO, name: str) -> Any:
        hashed.append(Path(file.name))
        return digest(file, name)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    results = predict_samples([predicted], predictor, PredictConfig(), predictor.model.decode)
    steps = list(write_predictions(results, [predicted], tmp_path / "out", made))
    assert steps[-1].kind == "sample"
    assert hashed == [predicted.image_path]

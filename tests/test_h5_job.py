from __future__ import annotations

import hashlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from napari_nucleiseg.cli import main
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.h5_job import check_h5_place, import_h5, save_h5
from napari_nucleiseg.models import check_model_folder, find_model, read_weights, user_models_folder

pytestmark = pytest.mark.tensorflow


def contents(folder: Path) -> dict[str, str]:
    return {
        str(each.relative_to(folder)): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in sorted(folder.rglob("*"))
        if each.is_file()
    }


def test_a_model_goes_out_as_h5_and_comes_back(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    file = tmp_path / "ours.h5"
    save_h5("nuclei", file)
    assert main(["import", str(file), "--name", "mine", "--diameter", "31"]) == 0
    assert "network nuclei" in capsys.readouterr().out
    model = check_model_folder(find_model("mine").folder)
    assert (model.network, model.diameter) == ("nuclei", 31)
    assert model.info["training"]["imported"] == "ours.h5"
    before, after = read_weights(find_model("nuclei")), read_weights(model)
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)

    had = contents(user_models_folder())
    file.write_bytes(file.read_bytes()[:5000])
    assert main(["import", str(file), "--name", "other"]) == 1
    assert "ours.h5" in capsys.readouterr().err
    with pytest.raises(BadInput, match="mine already"):
        next(import_h5(file, "mine"))
    assert contents(user_models_folder()) == had


@pytest.mark.parametrize(
    ("name", "diameter", "message"),
    [
        ("../away", 20.0, "no name"),
        ("", 20.0, "no name"),
        ("fine", float("nan"), "diameter"),
        ("fine", 0.5, "diameter"),
    ],
)
def test_a_name_or_size_that_makes_no_sense_is_refused(
    tmp_path: Path, name: str, diameter: float, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        next(import_h5(tmp_path / "any.h5", name, diameter=diameter))


def test_a_folder_that_is_no_model_here_is_not_replaced(tmp_path: Path) -> None:
    theirs = user_models_folder() / "cells"
    theirs.mkdir(parents=True)
    (theirs / "model.json").write_text('{"format": 2}')
    with pytest.raises(BadInput, match="cells already"):
        next(import_h5(tmp_path / "any.h5", "cells"))
    assert (theirs / "model.json").read_text() == '{"format": 2}'


def test_only_a_file_of_keras_is_replaced(tmp_path: Path) -> None:
    ours, data, image = (tmp_path / name for name in ("ours.h5", "data.h5", "image.png"))
    check_h5_place(ours)
    with h5py.File(ours, "w") as file:
        file.attrs["keras_version"] = "3"
    with h5py.File(data, "w") as file:
        file["measured"] = [1, 2]
    image.write_bytes(b"\x89PNG")
    check_h5_place(ours)
    for each in (data, image, tmp_path):
        with pytest.raises(BadInput, match="no model of Keras"):
            check_h5_place(each)


def test_training_writes_a_keras_file_beside_the_model(dsb_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "trained.h5"
    command = ["train", str(dsb_folder), "--recipe", "unet", "--out", str(tmp_path / "run")]
    command += ["--epochs", "1", "--batch", "2", "--edge", "64", "--validation", "0.3"]
    assert main([*command, "--save-h5", str(tmp_path / "nowhere" / "x.h5")]) == 1
    assert not (tmp_path / "run").exists()
    assert main([*command, "--save-h5", str(file)]) == 0
    steps = list(import_h5(file, "again"))
    assert steps[-1].values["network"] == "unet"
    one = read_weights(find_model("again"))
    other = read_weights(find_model(tmp_path / "run" / "model"))
    assert all((one[name] == other[name]).all() for name in other)

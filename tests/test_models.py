from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from tiny_models import bright_blobs, graph_of, write_tiny_model

from napari_nucleiseg import models
from napari_nucleiseg.config import DecodeConfig
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.models import (
    check_model_folder,
    find_model,
    list_models,
    model_problems,
    read_graph,
    read_model,
    read_weights,
    user_models_folder,
    write_model,
)

FILES = {"model.json", "weights.npz", "network.onnx"}


@pytest.fixture
def mine() -> Path:
    """The folder of the person's own models (see `_own_folders`)."""
    return user_models_folder()


def names_in(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def written(folder: Path, weight: float = 0.5) -> None:
    write_model(
        folder,
        network="unet",
        weights={"a": np.full(3, weight, np.float32)},
        graph=bright_blobs().SerializeToString(),
        decode=DecodeConfig(foreground=0.6, min_area=33),
        diameter=17.5,
    )


def test_a_written_model_comes_back(tmp_path: Path) -> None:
    model = write_model(
        tmp_path / "deep" / "mine",
        network="mobilenetv2-unet",
        weights={"a/kernel": np.eye(3, dtype=np.float16)},
        graph=bright_blobs().SerializeToString(),
        decode=DecodeConfig(foreground=0.6, min_area=33),
        diameter=17.5,
        training={"steps": 7},
        scores={"ap50": 0.8},
        versions={"keras": "3"},
    )
    assert names_in(model.folder) == FILES
    back = read_model(tmp_path / "deep" / "mine")
    assert back == model
    assert (back.name, back.network, back.diameter) == ("mine", "mobilenetv2-unet", 17.5)
    assert back.decode == DecodeConfig(foreground=0.6, min_area=33)
    assert back.info["training"] == {"steps": 7}
    assert back.info["scores"] == {"ap50": 0.8}
    assert back.info["versions"] == {"keras": "3"}
    np.testing.assert_array_equal(read_weights(back)["a/kernel"], np.eye(3))
    assert read_graph(back) == bright_blobs().SerializeToString()
    assert check_model_folder(back.folder) == back


def test_a_model_replaces_one_of_the_same_name(tmp_path: Path) -> None:
    written(tmp_path / "m", 1.0)
    written(tmp_path / "m", 2.0)
    assert read_weights(read_model(tmp_path / "m"))["a"].tolist() == [2.0, 2.0, 2.0]
    assert names_in(tmp_path) == {"m"}


@pytest.mark.parametrize(
    "change",
    [
        {"weights": {"a": np.array([np.nan], np.float32)}},
        {"weights": {"a": np.array([1], np.int64)}},
        {"weights": {"../a": np.ones(1, np.float32)}},
        {"graph": b"nothing"},
        {"graph": graph_of([]).SerializeToString()},
        {"diameter": float("nan")},
        {"diameter": 0.0},
        {"network": "resnet"},
        {"name": "../elsewhere"},
        {"scores": {"ap50": float("nan")}},
    ],
)
def test_a_model_that_is_no_good_leaves_the_old_one(tmp_path: Path, change: dict) -> None:
    written(tmp_path / "m", 1.0)
    arguments = {
        "network": "unet",
        "weights": {"a": np.ones(3, np.float32)},
        "graph": bright_blobs().SerializeToString(),
        "decode": DecodeConfig(),
        "diameter": 20.0,
    }
    with pytest.raises(ValueError, match=r"."):
        write_model(tmp_path / "m", **(arguments | change))
    assert names_in(tmp_path) == {"m"}
    assert read_weights(check_model_folder(tmp_path / "m"))["a"].tolist() == [1.0, 1.0, 1.0]


def test_a_disk_that_fills_up_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "m", 1.0)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        written(tmp_path / "m", 2.0)
    assert names_in(tmp_path) == {"m"}
    assert read_weights(read_model(tmp_path / "m"))["a"][0] == 1.0


@pytest.mark.parametrize("renames", [0, 1])
def test_a_rename_that_fails_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    written(tmp_path / "m", 1.0)
    real, done = os.rename, []

    def fails_once(source: Path, target: Path) -> None:
        done.append(target)
        if len(done) == renames + 1:
            raise OSError(5, "Input/output error")
        real(source, target)

    monkeypatch.setattr(os, "rename", fails_once)
    with pytest.raises(OSError, match="Input/output"):
        written(tmp_path / "m", 2.0)
    assert names_in(tmp_path) == {"m"}
    assert read_weights(read_model(tmp_path / "m"))["a"][0] == 1.0


def test_a_crash_between_the_two_renames_loses_nothing(mine: Path) -> None:
    written(mine / "m", 1.0)
    (mine / "m").rename(mine / ".m.previous")
    assert find_model("m").name == "m"
    (mine / "m").rename(mine / ".m.previous")
    assert find_model(mine / "m").name == "m"
    assert names_in(mine) == {"m"}


def test_what_a_crash_left_is_cleared_by_the_next_write(tmp_path: Path) -> None:
    written(tmp_path / "m", 1.0)
    shutil.copytree(tmp_path / "m", tmp_path / ".m.previous")
    written(tmp_path / "m", 2.0)
    assert names_in(tmp_path) == {"m"}


def test_models_are_found_by_name_and_by_path(mine: Path, tmp_path: Path) -> None:
    model = write_tiny_model(mine / "one")
    elsewhere = write_tiny_model(tmp_path / "runs" / "model", name="my run 3")
    assert find_model("one") == model
    assert find_model(mine / "one") == model
    assert find_model(str(tmp_path / "runs" / "model")) == elsewhere
    assert elsewhere.name == "my run 3"


def test_the_folder_of_a_run_leads_to_its_model(mine: Path, tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "run" / "model")
    with pytest.raises(BadInput, match=r"did you mean .*run.model\?"):
        find_model(tmp_path / "run")


def test_a_name_goes_before_a_folder_of_that_name(
    mine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_tiny_model(mine / "one")
    (tmp_path / "one").mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_model("one") == model


def test_no_such_model_lists_those_that_there_are(mine: Path) -> None:
    write_tiny_model(mine / "first")
    write_tiny_model(mine / "second")
    with pytest.raises(BadInput, match=r"no model 'third'.*first, second"):
        find_model("third")


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "nul\x00", "x" * 5000])
def test_odd_names_are_not_found(name: str) -> None:
    with pytest.raises(BadInput):
        find_model(name)


def test_a_damaged_model_is_named_when_it_is_asked_for(mine: Path) -> None:
    model = write_tiny_model(mine / "broken")
    (model.folder / "model.json").write_text("{")
    with pytest.raises(BadInput, match=r"broken.model\.json does not describe"):
        find_model("broken")


def test_damaged_models_are_not_listed_but_told_of(mine: Path) -> None:
    good = write_tiny_model(mine / "good")
    (mine / "empty").mkdir()
    (mine / "a file").write_text("x")
    (mine / ".hidden").mkdir()
    assert [each for each in list_models() if each.folder.parent == mine] == [good]
    (problem,) = model_problems(mine)
    assert "empty" in problem


def test_no_folder_of_models_is_an_empty_one(tmp_path: Path) -> None:
    assert list_models(tmp_path / "nowhere") == []


def test_own_models_stand_where_the_variable_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUCLEISEG_MODELS", str(tmp_path / "x"))
    assert user_models_folder() == tmp_path / "x"
    monkeypatch.delenv("NUCLEISEG_MODELS")
    assert user_models_folder().name == "models"


def test_shipped_models_are_sound() -> None:
    for model in list_models(models.shipped_models_folder()):
        assert check_model_folder(model.folder) == model
    assert model_problems(models.shipped_models_folder()) == []


def test_a_model_may_be_read_only(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "m")
    for name in FILES:
        (model.folder / name).chmod(0o444)
    model.folder.chmod(0o555)
    try:
        assert check_model_folder(model.folder) == model
    finally:
        model.folder.chmod(0o755)


def test_what_else_stands_in_the_folder_does_not_matter(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "m")
    (model.folder / "curves.csv").write_text("step,loss\n")
    info = json.loads((model.folder / "model.json").read_text())
    info["made by"] = {"a later": "version"}
    (model.folder / "model.json").write_text(json.dumps(info))
    assert check_model_folder(model.folder).name == "m"


@pytest.mark.parametrize("name", ["", "~nobody-of-this-name/m"])
def test_a_name_that_cannot_be_is_no_model(name: str) -> None:
    with pytest.raises(BadInput, match="name"):
        find_model(name)


def test_a_models_folder_of_nobody_counts_as_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUCLEISEG_MODELS", "~nobody-of-this-name/m")
    assert "nuclei" in [each.name for each in list_models()]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("closed", ["", "colleague"])
def test_a_folder_without_permission_keeps_no_other_model_away(closed: str) -> None:
    own = models.user_models_folder()
    write_tiny_model(own / "colleague")
    (own / closed).chmod(0)
    try:
        assert "nuclei" in [each.name for each in list_models()]
        assert any("cannot be read" in each for each in model_problems())
        assert find_model("nuclei").name == "nuclei"
    finally:
        (own / closed).chmod(0o755)

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from napari_nucleiseg.cli import main
from napari_nucleiseg.config import PredictConfig, RecipeConfig
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.label_files import write_label_image
from napari_nucleiseg.learned import learned_by
from napari_nucleiseg.models import check_model_folder, find_model
from napari_nucleiseg.nn.checkpoints import read_checkpoint
from napari_nucleiseg.predictor import Predictor
from napari_nucleiseg.recipe_job import RecipeRequest, train_by_recipe
from napari_nucleiseg.synthetic import make_image

pytestmark = pytest.mark.tensorflow

CONFIG = RecipeConfig(network="unet", epochs=1, batch=2, edge=64, patience=0, validation=0.3)


def write_table(folder: Path) -> list[str]:
    """Two samples of one field and two alone; the first is a test sample."""
    ids = sorted(each.name for each in folder.iterdir() if each.is_dir())
    rows = [f"{each},m,{'a' if i < 2 else each},{int(i == 0)}" for i, each in enumerate(ids)]
    (folder / "samples.csv").write_text("\n".join(["id,modality,field,stardist_test", *rows]))
    return ids


def test_a_dataset_becomes_a_report_and_a_model_that_predicts(
    dsb_folder: Path, tmp_path: Path
) -> None:
    ids = write_table(dsb_folder)
    out = tmp_path / "run"
    steps = list(train_by_recipe(RecipeRequest(str(dsb_folder), str(out), CONFIG, name="plain")))
    split = json.loads((out / "split.json").read_text())
    assert split["test"] == ids[:1]
    assert sorted(split["train"] + split["validation"]) == ids[2:]

    report = json.loads((out / "report.json").read_text())
    assert report == steps[-1].values["report"]
    assert report["before"].keys() == report["after"].keys() == {"validation", "test"}
    assert report["encoder"].startswith("none")
    assert len(report["test_ap_50_70_90"]["all"]) == 3

    model = check_model_folder(Path(steps[-1].values["model"]))
    assert (model.name, model.network) == ("plain", "unet")
    assert model.info["scores"] == report
    assert model.info["training"]["split"] == split
    assert str(tmp_path) not in json.dumps(model.info)
    image, _ = make_image("fluorescence", (70, 90), 0)
    maps = list(Predictor(model).predict_maps(image, PredictConfig()))[-1].values["maps"]
    assert maps.shape == (70, 90, 3)


def test_named_test_samples_and_their_fields_are_kept_out(dsb_folder: Path, tmp_path: Path) -> None:
    one = sorted(each for each in dsb_folder.iterdir() if each.is_dir())[1]
    one.rename(one.with_name(unicodedata.normalize("NFD", f"{one.name}-größer")))
    ids = write_table(dsb_folder)
    (dsb_folder / "samples.csv").write_text(
        (dsb_folder / "samples.csv").read_text().replace(",1\n", ",0\n")
    )
    named = unicodedata.normalize("NFC", ids[1])
    request = RecipeRequest(str(dsb_folder), str(tmp_path / "run"), CONFIG, test_ids=(named,))
    job = train_by_recipe(request)
    next(job)
    job.close()
    split = json.loads((tmp_path / "run" / "split.json").read_text())
    assert split["test"] == [ids[1]]
    assert sorted(split["train"] + split["validation"]) == ids[2:]


def test_where_nothing_shall_be_held_out_one_field_is_all_the_same(
    dsb_folder: Path, tmp_path: Path
) -> None:
    config = dataclasses.replace(CONFIG, validation=0.0)
    job = train_by_recipe(RecipeRequest(str(dsb_folder), str(tmp_path / "run"), config))
    next(job)
    job.close()
    split = json.loads((tmp_path / "run" / "split.json").read_text())
    assert (len(split["train"]), len(split["validation"])) == (3, 1)


def test_images_without_masks_are_nothing_to_train_or_judge_by(
    dsb_folder: Path, tmp_path: Path
) -> None:
    ids = sorted(each.name for each in dsb_folder.iterdir() if each.is_dir())
    for each in ids[1::2]:
        shutil.rmtree(dsb_folder / each / "masks")
    job = train_by_recipe(RecipeRequest(str(dsb_folder), str(tmp_path / "run"), CONFIG))
    next(job)
    job.close()
    split = json.loads((tmp_path / "run" / "split.json").read_text())
    assert sorted(split["train"] + split["validation"]) == ids[::2]


def test_an_image_without_nuclei_is_named(dsb_folder: Path, tmp_path: Path) -> None:
    ids = sorted(each.name for each in dsb_folder.iterdir() if each.is_dir())
    write_label_image(dsb_folder / ids[0] / "labels.tif", np.zeros((128, 128), np.int32))
    job = train_by_recipe(RecipeRequest(str(dsb_folder), str(tmp_path / "run"), CONFIG))
    note = next(step.message for step in job if step.kind == "note")
    job.close()
    assert note == f"1 image has no nuclei in its masks ({ids[0]}): it counts as empty."


@pytest.mark.parametrize(
    ("options", "message"),
    [({"test_ids": ("nobody",)}, "no sample nobody"), ({"start": "nuclei"}, "no encoder")],
)
def test_a_request_that_makes_no_sense_is_refused(
    dsb_folder: Path, tmp_path: Path, options: dict, message: str
) -> None:
    request = RecipeRequest(str(dsb_folder), str(tmp_path / "run"), CONFIG, **options)
    with pytest.raises(BadInput, match=message):
        next(train_by_recipe(request))


def test_without_a_network_the_shipped_encoder_is_taken_and_said(
    dsb_folder: Path, tmp_path: Path
) -> None:
    write_table(dsb_folder)
    command = [sys.executable, "-m", "napari_nucleiseg.cli", "train", str(dsb_folder)]
    command += ["--recipe", "classic", "--out", str(tmp_path / "run"), "--epochs", "2"]
    command += ["--batch", "2", "--edge", "64", "--validation", "0.3"]
    nowhere = {"https_proxy": "http://127.0.0.1:9", "KERAS_HOME": str(tmp_path / "keras")}
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **nowhere})
    assert done.returncode == 0, done.stderr
    said = next(line for line in done.stdout.splitlines() if line.startswith("Encoder: "))
    assert "the model nuclei, because ImageNet's weights could not be downloaded" in said
    assert "tuned on 0 of the 1 test images" in said
    epochs = [line for line in done.stdout.splitlines() if line.startswith("epoch ")]
    assert [line.split()[1] for line in epochs] == ["1/2", "2/2"]
    assert all("loss 0." in line and "min left" in line for line in epochs)
    assert "after, test, all (1)" in done.stdout
    info = check_model_folder(tmp_path / "run" / "model").info
    assert info["scores"]["encoder"] == said.removeprefix("Encoder: ")
    known = set(learned_by(find_model("nuclei")))
    assert known
    assert known < set(info["training"]["learned"]), "what its encoder has learned from counts"


def test_a_killed_run_goes_on_with_the_same_command(dsb_folder: Path, tmp_path: Path) -> None:
    write_table(dsb_folder)
    out = tmp_path / "run"
    command = [sys.executable, "-m", "napari_nucleiseg.cli", "train", str(dsb_folder)]
    command += ["--recipe", "unet", "--out", str(out), "--epochs", "12", "--batch", "2"]
    command += ["--edge", "64", "--validation", "0.3"]
    lost = []
    for wait in (0.0, 0.2):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("epoch "))
        before = int(line.split()[1].partition("/")[0])
        time.sleep(wait)
        process.kill()
        process.stdout.close()
        process.wait()
        found = read_checkpoint(out / "checkpoints")
        assert found is not None
        lost.append(found[0] - before)
    assert min(lost) >= 0, "an epoch that was reported is gone"
    request = RecipeRequest(str(dsb_folder), str(out), dataclasses.replace(CONFIG, epochs=12))
    steps = list(train_by_recipe(request))
    epochs = [each.values["epoch"] for each in steps if each.kind == "epoch"]
    assert epochs == list(range(found[0] + 1, 13))
    assert steps[-1].values["report"]["epochs"] == 12
    assert "is finished: nothing was trained" in next(train_by_recipe(request)).message


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--recipe", "classic", "--crop", "64"], 2, "--crop has no meaning for the recipe"),
        (["--edge", "64"], 2, "--edge needs --recipe"),
        (["--recipe", "unet", "--test-ids", "nowhere.txt"], 1, "nowhere.txt is no readable list"),
        (["--recipe", "unet", "--batch", "0"], 2, "--batch is 0"),
    ],
)
def test_flags_that_do_not_fit_a_recipe_are_refused(
    dsb_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture,
    flags: list[str], code: int, message: str,
) -> None:  # fmt: skip
    assert main(["train", str(dsb_folder), "--out", str(tmp_path / "run"), *flags]) == code
    assert message in capsys.readouterr().err


def test_images_of_one_field_leave_nothing_behind(dsb_folder: Path, tmp_path: Path) -> None:
    ids = write_table(dsb_folder)
    rows = "".join(f"{each},one\n" for each in ids)
    (dsb_folder / "samples.csv").write_text(f"id,field\n{rows}")
    out = tmp_path / "run"
    with pytest.raises(BadInput, match="of one field of view"):
        list(train_by_recipe(RecipeRequest(str(dsb_folder), str(out), CONFIG)))
    assert not out.exists()

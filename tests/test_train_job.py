from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_nucleiseg.config import PredictConfig, TrainConfig
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.label_files import write_label_image
from napari_nucleiseg.models import check_model_folder
from napari_nucleiseg.nn.checkpoints import read_checkpoint
from napari_nucleiseg.predictor import Predictor
from napari_nucleiseg.synthetic import make_image
from napari_nucleiseg.train_job import TrainRequest, train

pytestmark = pytest.mark.tensorflow

CONFIG = TrainConfig(steps=2, epoch_steps=2, batch=2, crop=64, validation=0.3)


def test_a_dataset_becomes_a_model_that_predicts(dsb_folder: Path, tmp_path: Path) -> None:
    damaged = next(dsb_folder.glob("*/images/*.png"))
    damaged.write_bytes(damaged.read_bytes()[:200])
    spoiled = next(each for each in dsb_folder.glob("*/images/*.png") if each != damaged)
    values = np.full((128, 128), np.nan, np.float32)
    tifffile.imwrite(spoiled.with_suffix(".tif"), values)
    spoiled.unlink()
    request = TrainRequest(str(dsb_folder), str(tmp_path / "run"), CONFIG, name="mine")
    steps = list(train(request))
    problems = {each.values["id"]: each.message for each in steps if each.kind == "problem"}
    assert problems.keys() == {damaged.stem, spoiled.stem}
    assert "NaN" in problems[spoiled.stem]

    model = check_model_folder(Path(steps[-1].values["model"]))
    assert (model.name, model.network) == ("mine", "nuclei")
    split = json.loads((tmp_path / "run" / "split.json").read_text())
    assert split["train"]
    assert split["validation"]
    assert not set(split["train"]) & set(split["validation"])
    assert model.info["training"]["split"] == split
    assert str(tmp_path) not in json.dumps(model.info)

    job = train(request)
    assert next(job).message.startswith(f"{request.out} is finished: nothing was trained; give")
    job.close()

    image, _ = make_image("fluorescence", (70, 90), 0)
    maps = list(Predictor(model).predict_maps(image, PredictConfig()))[-1].values["maps"]
    assert maps.shape == (70, 90, 3)

    learned = split["train"][:1]
    only = tuple(sorted({each.stem for each in dsb_folder.glob("*/images/*")} - set(learned)))
    again = TrainRequest(
        str(dsb_folder), str(tmp_path / "tuned"), CONFIG, start=str(model.folder), only=only
    )
    steps = list(train(again))
    assert any("1 image that the old model learned from is mixed in" in s.message for s in steps)
    tuned = check_model_folder(Path(steps[-1].values["model"]))
    assert tuned.info["training"]["split"]["old"] == learned
    assert set(tuned.info["training"]["split"]["validation"]) <= set(split["validation"])
    used = {*split["train"], *tuned.info["training"]["split"]["train"], *learned}
    assert set(tuned.info["training"]["learned"]) == used, "what it started from learned counts"
    assert tuned.decode == model.decode, "tuned on so few, they would suit no others"


def test_a_training_without_new_images_holds_out_what_its_start_held_out(tmp_path: Path) -> None:
    from tiny_models import write_tiny_model
    from twelve_samples import write_cells

    write_cells(tmp_path / "cells")
    record = write_tiny_model(tmp_path / "old").folder / "model.json"
    info = json.loads(record.read_text())
    split = {"train": list("abcdefg"), "validation": list("hijkl")}
    record.write_text(json.dumps({**info, "training": {"dataset": "cells", "split": split}}))
    folders = str(tmp_path / "cells"), str(tmp_path / "run")
    job = train(TrainRequest(*folders, CONFIG, start=str(record.parent)))
    next(job)
    job.close()
    held = json.loads((tmp_path / "run" / "split.json").read_text())["validation"]
    assert sorted(held) == list("hijkl")


def test_a_test_sample_and_its_field_are_never_learned_from(
    dsb_folder: Path, tmp_path: Path
) -> None:
    table = dsb_folder / "samples.csv"
    ids = sorted(each.name for each in dsb_folder.iterdir() if each.is_dir())
    rows = [f"{each},m,{'a' if i < 2 else each},0,{int(i == 0)}" for i, each in enumerate(ids)]
    table.write_text("\n".join(["id,modality,field,fold,stardist_test", *rows]))
    job = train(TrainRequest(str(dsb_folder), str(tmp_path / "run"), CONFIG))
    next(job)
    job.close()
    split = json.loads((tmp_path / "run" / "split.json").read_text())
    assert sorted(split["train"] + split["validation"]) == ids[2:]

    asked = TrainRequest(str(dsb_folder), str(tmp_path / "asked"), CONFIG, only=tuple(ids[1:]))
    job = train(asked)
    next(job)
    job.close()
    split = json.loads((tmp_path / "asked" / "split.json").read_text())
    assert sorted(split["train"] + split["validation"]) == ids[2:], "nor where it is not asked for"


def test_a_run_that_goes_on_says_what_it_was_begun_without(
    dsb_folder: Path, tmp_path: Path
) -> None:
    away = next(each for each in dsb_folder.iterdir() if each.is_dir())
    away.rename(tmp_path / away.name)
    request = TrainRequest(str(dsb_folder), str(tmp_path / "run"), CONFIG)

    def said() -> str:
        job = train(request)
        step = next(job)
        job.close()
        return step.message

    assert "not part of this run" not in said()
    (tmp_path / away.name).rename(away)
    assert "1 image that has labels is not part of this run" in said()


def test_an_approved_image_without_nuclei_is_named_before_it_is_learned_from(
    dsb_folder: Path, tmp_path: Path
) -> None:
    one = sorted(each for each in dsb_folder.iterdir() if each.is_dir())[0]
    write_label_image(one / "labels.tif", np.zeros((128, 128), np.int32))
    job = train(TrainRequest(str(dsb_folder), str(tmp_path / "run"), CONFIG))
    steps = list(itertools.takewhile(lambda step: step.kind != "start", job))
    job.close()
    words = f"1 image has no nuclei in its masks ({one.name}): it counts as empty."
    assert words in [each.message for each in steps if each.kind == "note"]


def test_a_second_training_of_a_run_is_refused_until_the_first_lets_go(
    dsb_folder: Path, tmp_path: Path
) -> None:
    request = TrainRequest(str(dsb_folder), str(tmp_path / "run"), CONFIG)
    first = train(request)
    next(first)
    with pytest.raises(BadInput, match="is being trained by"):
        next(train(request))
    first.close()
    second = train(request)
    next(second)
    second.close()


def test_a_model_of_another_network_is_no_start(dsb_folder: Path, tmp_path: Path) -> None:
    from tiny_models import write_tiny_model

    model = write_tiny_model(tmp_path / "tiny")
    request = TrainRequest(
        str(dsb_folder), str(tmp_path / "run"), TrainConfig(network="unet"), start=str(model.folder)
    )
    with pytest.raises(BadInput, match="choose the network nuclei"):
        next(train(request))


@pytest.mark.parametrize(
    ("config", "start", "match"),
    [
        (TrainConfig(freeze_encoder=True), "", "its weights are random"),
        (TrainConfig(share_of_new=0.5), "", "no model whose weights"),
        (TrainConfig(share_of_new=0.5), "imagenet", "no model whose weights"),
    ],
    ids=["a frozen encoder", "a mean with nothing", "a mean with an encoder"],
)
def test_random_weights_are_neither_kept_nor_averaged(
    config: TrainConfig, start: str, match: str, dsb_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=match):
        next(train(TrainRequest(str(dsb_folder), str(tmp_path / "run"), config, start=start)))


def test_an_interrupt_makes_a_model_of_the_best_and_the_same_command_goes_on(
    dsb_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    command = [sys.executable, "-m", "napari_nucleiseg.cli", "train", str(dsb_folder)]
    command += ["--out", str(out), "--steps", "24", "--epoch-steps", "2", "--batch", "2"]
    # The plain network is traced and exported in a third of the time.
    command += ["--crop", "64", "--validation", "0.3", "--network", "unet"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # What a shell has put into the background ignores interrupts, and so do its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 240
    while not (out / "checkpoints" / "CURRENT").exists():
        assert process.poll() is None, "the run ended before its first checkpoint"
        assert time.monotonic() < deadline, "no checkpoint in four minutes"
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert f"Model: {out / 'model'}" in said
    alarms = [each for each in said.splitlines() if each.startswith("E0") or "FutureW" in each]
    assert not alarms, "there is nothing to be afraid of"
    before, _, _ = read_checkpoint(out / "checkpoints")
    assert check_model_folder(out / "model").info["training"]["steps"] == before
    assert 2 <= before < 24
    assert (out / "stopped").exists()

    request = TrainRequest(
        str(dsb_folder),
        str(out),
        TrainConfig(network="unet", steps=24, epoch_steps=2, batch=2, crop=64, validation=0.3),
    )
    steps = list(train(request))
    assert next(each.done for each in steps if each.kind == "step") == before + 1
    assert steps[-1].kind == "result"
    assert check_model_folder(out / "model").info["training"]["steps"] == 24
    assert not (out / "stopped").exists()

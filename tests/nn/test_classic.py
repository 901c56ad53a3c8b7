from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from napari_nucleiseg.config import RecipeConfig
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.models import find_model, read_weights
from napari_nucleiseg.nn.augment import example
from napari_nucleiseg.nn.checkpoints import read_checkpoint, write_checkpoint
from napari_nucleiseg.nn.classic import Encoder, Learned, encoder_part, train_recipe
from napari_nucleiseg.nn.networks import build_network
from napari_nucleiseg.nn.pixels import Pixels, resized
from napari_nucleiseg.nn.weights import weights_of
from napari_nucleiseg.synthetic import make_image

CONFIG = RecipeConfig(network="unet", epochs=3, batch=2, edge=64, patience=0)


@pytest.fixture(scope="module")
def parts() -> dict[str, Pixels]:
    made = [example(str(i), *make_image("fluorescence", (64, 64), i), "made") for i in range(8)]
    cut = {"train": made[:5], "validation": made[5:7], "test": made[7:]}
    return {name: resized(each, 64) for name, each in cut.items()}


def job(parts: dict[str, Pixels], folder: Path, config: RecipeConfig = CONFIG, weights=None):
    encoder = Encoder(weights, "made", "mine")
    return train_recipe(**parts, config=config, folder=folder, encoder=lambda: encoder)


def learned(steps: list) -> Learned:
    assert steps[-1].kind == "trained"
    return steps[-1].values["trained"]


def rows(steps: list) -> list[dict]:
    return [each.values for each in steps if each.kind == "epoch"]


@pytest.fixture(scope="module")
def whole(parts: dict[str, Pixels], tmp_path_factory: pytest.TempPathFactory) -> tuple[list, Path]:
    folder = tmp_path_factory.mktemp("whole")
    return list(job(parts, folder)), folder


def test_a_run_reports_epochs_and_scores_before_and_after(whole: tuple[list, Path]) -> None:
    steps, folder = whole
    assert [each.done for each in steps if each.kind == "step"] == list(range(1, 10))
    assert [each["epoch"] for each in rows(steps)] == [1, 2, 3]
    assert (folder / "curves.csv").read_text().count("\n") == 4
    pictures = sorted(each.name for each in (folder / "pictures").iterdir())
    assert pictures == [f"epoch-{epoch:03d}.png" for epoch in range(4)]
    assert len(list((folder / "tensorboard").iterdir())) == 3
    report = learned(steps).report
    assert report["images"] == {"train": 5, "validation": 2, "test": 1}
    for when in ("before", "after"):
        for part in ("validation", "test"):
            assert report[when][part]["all"].keys() == {"images", "loss", "accuracy", "iou", "dice"}
    best = min(rows(steps), key=lambda row: row["val_loss"])
    assert report["best_epoch"] == best["epoch"]
    assert report["after"]["validation"]["all"]["loss"] == pytest.approx(best["val_loss"], abs=1e-4)


@pytest.mark.parametrize("stop", [("step", 1), ("step", 5), ("epoch", 6)])
def test_a_killed_run_goes_on_to_the_same_end(
    whole: tuple[list, Path], parts: dict[str, Pixels], tmp_path: Path, stop: tuple[str, int]
) -> None:
    killed = job(parts, tmp_path)
    for step in killed:
        if (step.kind, step.done) == stop:
            break
    killed.close()
    resumed = list(job(parts, tmp_path))
    start = next(each.values for each in resumed if each.kind == "start")
    assert (start["encoder"], start["model"]) == ("made", "mine")
    first = next(each.done for each in resumed if each.kind == "step")
    assert stop[1] - first < 3, "more than one epoch was lost"
    one, other = learned(whole[0]), learned(resumed)
    assert one.weights.keys() == other.weights.keys()
    for name in one.weights:
        np.testing.assert_allclose(
            one.weights[name], other.weights[name], rtol=1e-4, atol=1e-5, err_msg=name
        )
    assert other.report["before"]["test"]["all"]["loss"] == pytest.approx(
        one.report["before"]["test"]["all"]["loss"], abs=1e-4
    )


def test_a_run_of_an_older_version_names_the_model_of_its_encoder_in_words(
    parts: dict[str, Pixels], tmp_path: Path
) -> None:
    list(job(parts, tmp_path, dataclasses.replace(CONFIG, epochs=1)))
    step, state, weights = read_checkpoint(tmp_path / "checkpoints")
    del state["model"]
    for note, name in (("of the model cells 2, because; it was", "cells 2"), ("ImageNet, as", "")):
        write_checkpoint(tmp_path / "checkpoints", step, {**state, "encoder": note}, weights)
        start = next(job(parts, tmp_path, dataclasses.replace(CONFIG, epochs=1)))
        assert start.values == {"encoder": note, "model": name, "epoch": 1}


def test_a_run_is_not_resumed_with_another_config(
    whole: tuple[list, Path], parts: dict[str, Pixels]
) -> None:
    with pytest.raises(BadInput, match="another learning_rate"):
        list(job(parts, whole[1], dataclasses.replace(CONFIG, learning_rate=1e-5)))


def test_training_lowers_the_loss_and_improves_the_masks(
    parts: dict[str, Pixels], tmp_path: Path
) -> None:
    config = dataclasses.replace(CONFIG, epochs=15, learning_rate=3e-3)
    steps = list(job({**parts, "validation": parts["train"]}, tmp_path, config))
    assert rows(steps)[-1]["loss"] < 0.5 * rows(steps)[0]["loss"]
    before, after = (learned(steps).report[when]["test"]["all"] for when in ("before", "after"))
    assert after["loss"] < 0.6 * before["loss"]
    assert after["dice"] > max(before["dice"], 0.7)


def test_training_stops_without_improvement_and_keeps_the_best(
    parts: dict[str, Pixels], tmp_path: Path
) -> None:
    # Nothing that is learned of inverted masks helps with the true ones.
    wrong = dataclasses.replace(parts["train"], masks=1 - parts["train"].masks)
    config = dataclasses.replace(CONFIG, epochs=40, patience=3, learning_rate=1e-2)
    steps = list(job({**parts, "train": wrong}, tmp_path, config))
    done = rows(steps)
    report = learned(steps).report
    assert len(done) == report["epochs"] == report["best_epoch"] + 3 < 40
    losses = [row["val_loss"] for row in done]
    assert report["best_epoch"] == 1 + int(np.argmin(losses))
    assert report["after"]["validation"]["all"]["loss"] == pytest.approx(min(losses), abs=1e-4)


def test_the_encoder_is_the_given_one_and_stays_frozen(
    parts: dict[str, Pixels], tmp_path: Path
) -> None:
    given = encoder_part(read_weights(find_model("nuclei")))
    config = RecipeConfig(epochs=1, batch=4, edge=64)
    small = {name: dataclasses.replace(each) for name, each in parts.items()}
    steps = list(job(small, tmp_path, config, given))
    after = learned(steps).weights
    for name, value in given.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)
    decoder = [name for name in after if name not in given]
    fresh = weights_of(build_network("mobilenetv2-unet"))
    assert sum(fresh[name].size for name in given) == 1_841_984
    assert decoder
    assert learned(steps).report["encoder"] == "made"
    with pytest.raises(BadInput, match="no MobileNetV2 encoder"):
        encoder_part({name: after[name] for name in decoder})


def test_a_loss_that_is_not_finite_stops_the_run_before_its_checkpoint(
    parts: dict[str, Pixels], tmp_path: Path
) -> None:
    done = list(job(parts, tmp_path, dataclasses.replace(CONFIG, epochs=1)))
    huge = {
        name: value + np.float32(1e38) if name.startswith("head_") else value
        for name, value in learned(done).weights.items()
    }
    with pytest.raises(BadInput, match=r"loss became .* in epoch 1"):
        list(job(parts, tmp_path / "wild", weights=huge))
    assert not (tmp_path / "wild" / "checkpoints").exists()


def test_training_without_held_out_images_is_refused(
    parts: dict[str, Pixels], tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="0 to validate"):
        list(job({**parts, "validation": resized([], 64)}, tmp_path))

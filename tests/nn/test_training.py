from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from napari_nucleiseg.config import TrainConfig
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.models import find_model, read_weights
from napari_nucleiseg.nn.augment import Example, example
from napari_nucleiseg.nn.checkpoints import read_checkpoint
from napari_nucleiseg.nn.networks import build_network
from napari_nucleiseg.nn.training import train_network
from napari_nucleiseg.nn.validation import predict_example
from napari_nucleiseg.nn.weights import set_weights
from napari_nucleiseg.run_folder import CHECKPOINTS
from napari_nucleiseg.synthetic import make_image

CONFIG = TrainConfig(steps=6, epoch_steps=3, batch=2, crop=64, warmup_steps=2)


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return [example(str(i), *make_image("fluorescence", (96, 96), i), "made") for i in range(4)]


def run(examples: list[Example], folder: Path, config: TrainConfig = CONFIG, **options) -> list:
    return list(train_network(examples[:3], examples[3:], config, folder, **options))


def trained(steps: list):
    assert steps[-1].kind == "trained"
    return steps[-1].values["trained"]


def test_a_run_reports_and_can_be_killed_and_resumed_to_the_same_weights(
    examples: list[Example], tmp_path: Path
) -> None:
    whole = run(examples, tmp_path / "whole")
    assert sum(each.kind == "step" for each in whole) == 6
    epochs = [each.values for each in whole if each.kind == "epoch"]
    assert [each["step"] for each in epochs] == [3, 6]
    assert (tmp_path / "whole" / "curves.csv").read_text().splitlines()[0].startswith("step,loss")

    job = train_network(examples[:3], examples[3:], CONFIG, tmp_path / "killed")
    for step in job:
        if step.kind == "step" and step.done == 5:
            break
    job.close()
    resumed = run(examples, tmp_path / "killed")
    assert [each.done for each in resumed if each.kind == "step"] == [4, 5, 6]
    one, other = trained(whole).weights, trained(resumed).weights
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_a_run_is_not_resumed_with_another_config(examples: list[Example], tmp_path: Path) -> None:
    run(examples, tmp_path)
    with pytest.raises(BadInput, match="learning_rate"):
        run(examples, tmp_path, dataclasses.replace(CONFIG, learning_rate=1e-5))


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(
    examples: list[Example], tmp_path: Path
) -> None:
    run(examples, tmp_path / "good")
    wild = dataclasses.replace(CONFIG, learning_rate=1.0)
    weights = {
        name: value * np.float32(np.nan) if name.endswith("head_maps/bias") else value
        for name, value in trained(run(examples, tmp_path / "good")).weights.items()
    }
    with pytest.raises(BadInput, match="not finite"):
        run(examples, tmp_path / "wild", wild, start=weights)


def test_training_without_images_is_refused(examples: list[Example], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="0 to validate"):
        list(train_network(examples, [], CONFIG, tmp_path))


def test_training_lowers_the_loss_and_finds_nuclei(examples: list[Example], tmp_path: Path) -> None:
    """The whole loop learns: a network that has lost its head finds nuclei again."""
    start = {
        name: value * 0 if name.startswith("head_") else value
        for name, value in read_weights(find_model("nuclei")).items()
    }
    config = TrainConfig(
        steps=60, epoch_steps=60, batch=4, crop=64, learning_rate=1e-3, warmup_steps=5, ema=0.9
    )
    steps = list(train_network(examples, examples, config, tmp_path, start))
    losses = [each.values["loss"] for each in steps if each.kind == "step"]
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:5])
    model = build_network("nuclei")
    set_weights(model, start)
    before = dice(model, examples)
    set_weights(model, trained(steps).weights)
    assert before < 0.5
    assert dice(model, examples) > 0.7


def dice(model, examples: list[Example]) -> float:
    found = [predict_example(model, each)[..., 0] > 127 for each in examples]
    both = sum((mask & (each.labels > 0)).sum() for mask, each in zip(found, examples, strict=True))
    size = sum(mask.sum() + (e.labels > 0).sum() for mask, e in zip(found, examples, strict=True))
    return float(2 * both / size)


def test_beside_old_images_the_best_lies_part_of_the_way_from_the_start(
    examples: list[Example], tmp_path: Path
) -> None:
    start = dict(read_weights(find_model("nuclei")))
    bias = next(name for name in start if name.endswith("head_maps/bias"))
    start[bias] = start[bias] - np.float32([3, 0, 0])  # so that it finds nothing, and can learn
    config = dataclasses.replace(
        CONFIG, steps=30, epoch_steps=30, learning_rate=5e-3, freeze_encoder=True, freeze_norm=True
    )
    options = {"start": start, "old": examples[:2]}
    weights = trained(run(examples, tmp_path, config, **options)).weights
    _, _, parts = read_checkpoint(tmp_path / CHECKPOINTS)
    moved = {name: parts["average"][name] - start[name] for name in start}
    ways = {
        name: np.vdot(weights[name] - start[name], each) / np.vdot(each, each)
        for name, each in moved.items()
        if name.endswith("kernel") and np.abs(each).max() > 1e-3
    }
    assert ways
    assert list(ways.values()) == pytest.approx([2 / 3] * len(ways), rel=1e-2)

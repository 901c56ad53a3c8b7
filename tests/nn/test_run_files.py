from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tiny_training import tiny_network

from napari_nucleiseg.config import RecipeConfig, TrainConfig
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.nn.checkpoints import write_checkpoint
from napari_nucleiseg.nn.run_files import restore_state, write_curves, write_state
from napari_nucleiseg.nn.weights import weights_of
from napari_nucleiseg.run_folder import CHECKPOINTS, CURVES

CONFIG = TrainConfig(steps=10)


def compiled(seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    model = tiny_network()
    model.compile(optimizer=keras.optimizers.Adam(1e-2), loss="mse")
    model.optimizer.build(model.trainable_variables)
    return model


def learn(model: keras.Model) -> None:
    rng = np.random.default_rng(0)
    images = rng.random((2, 8, 8, 3), np.float32)
    model.train_on_batch(images, 1 - images)


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


def test_a_restored_network_learns_on_as_the_one_that_was_written(tmp_path: Path) -> None:
    written, restored = compiled(1), compiled(2)
    best = weights_of(written)
    learn(written)
    write_state(tmp_path, 7, written, CONFIG, {"rows": [1, 2]}, {"best": best})
    step, state, weights = restore_state(tmp_path, restored, CONFIG)
    assert (step, state["rows"]) == (7, [1, 2])
    assert same(weights["best"], best)
    for model in (written, restored):
        learn(model)
    assert same(weights_of(restored), weights_of(written))


def test_a_run_that_trained_other_layers_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    write_state(tmp_path, 7, compiled(1), CONFIG, {}, {})
    model = tiny_network()
    model.layers[-1].trainable = False
    model.compile(optimizer=keras.optimizers.Adam(1e-2), loss="mse")
    model.optimizer.build(model.trainable_variables)
    before = weights_of(model)
    with pytest.raises(BadInput, match="of another version of this program"):
        restore_state(tmp_path, model, CONFIG)
    assert same(weights_of(model), before)


def test_where_nothing_was_written_nothing_is_restored(tmp_path: Path) -> None:
    assert restore_state(tmp_path, compiled(1), CONFIG) is None


@pytest.mark.parametrize(
    ("config", "changed"),
    [(CONFIG, {"crop": 64}), (RecipeConfig(), {"edge": 64}), (RecipeConfig(), {"batch": 3})],
)
def test_another_config_is_refused_by_name(tmp_path: Path, config: Any, changed: Any) -> None:
    model = compiled(1)
    write_state(tmp_path, 1, compiled(2), config, {}, {})
    before = weights_of(model)
    with pytest.raises(BadInput, match=f"another {next(iter(changed))};"):
        restore_state(tmp_path, model, dataclasses.replace(config, **changed))
    assert same(weights_of(model), before)


def test_a_parameter_that_a_run_does_not_know_had_its_default(tmp_path: Path) -> None:
    model = compiled(1)
    write_state(tmp_path, 1, model, CONFIG, {}, {})
    _, state, parts = restore_state(tmp_path, model, CONFIG)
    del state["config"]["border_weight"]
    write_checkpoint(tmp_path / CHECKPOINTS, 2, state, parts)
    assert restore_state(tmp_path, model, CONFIG)[0] == 2
    other = dataclasses.replace(CONFIG, border_weight=CONFIG.border_weight + 1)
    with pytest.raises(BadInput, match="another border_weight;"):
        restore_state(tmp_path, model, other)


def test_curves_are_written_anew(tmp_path: Path) -> None:
    rows = [{"step": 3, "loss": 0.5}, {"step": 6, "loss": 0.25}]
    for count in (1, 2):
        write_curves(tmp_path, ("step", "loss"), rows[:count], 3 * count, {"train/loss": 0.5})
    assert (tmp_path / CURVES).read_text() == "step,loss\n3,0.5\n6,0.25\n"
    assert len(list((tmp_path / "tensorboard").iterdir())) == 2

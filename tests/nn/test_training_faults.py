"""Trainings that are killed, cancelled, stopped, or run out of disk. See `tiny_training`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny_training import config, hash_of, live, losses_of, tiny_network

from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.nn import training
from napari_nucleiseg.nn.augment import Example, example
from napari_nucleiseg.nn.checkpoints import read_checkpoint
from napari_nucleiseg.nn.training import train_network
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.synthetic import make_image

STEPS = 6


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "build_network", lambda name: tiny_network())


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return [example(str(i), *make_image("fluorescence", (96, 96), i), "made") for i in range(4)]


def job(examples: list[Example], folder: Path, **options) -> Iterator[Progress]:
    return train_network(examples[:3], examples[3:], config(STEPS), folder, **options)


def outcome(steps: Iterator[Progress]) -> tuple[str, int]:
    *_, last = steps
    assert last.kind == "trained"
    return hash_of(last.values["trained"].weights), last.values["trained"].steps


# --- killed


@pytest.mark.skipif(os.name != "posix", reason="kills with signals")
def test_a_killed_training_goes_on_to_the_weights_of_one_that_was_not(tmp_path: Path) -> None:
    """In mid-epoch, in the writing of a file of a checkpoint, and before its last rename."""
    killed = tmp_path / "killed"
    lives = []
    for way in ({"kill_after": 5}, {"die_at": 8}, {"die_at": 21}):
        lives.append(live(killed, **way))
        assert lives[-1].code == -9
        assert losses_of(killed, lives) == []
    last, whole = live(killed), live(tmp_path / "whole")
    assert last.last("start") > 0, "it went on"
    assert last.code == whole.code == 0
    assert last.said[-1]["trained"] == whole.said[-1]["trained"]


# --- cancelled


@pytest.mark.parametrize(
    ("kind", "done"), [("start", 0), ("step", 1), ("step", 4), ("validate", 3), ("epoch", 3)]
)
def test_a_cancelled_training_goes_on(
    examples: list[Example], tmp_path: Path, kind: str, done: int
) -> None:
    whole = outcome(job(examples, tmp_path / "whole"))
    cancelled = job(examples, tmp_path / "cancelled")
    next(step for step in cancelled if (step.kind, step.done) == (kind, done))
    cancelled.close()
    assert outcome(job(examples, tmp_path / "cancelled")) == whole


def test_a_stopped_training_gives_its_best_and_can_go_on(
    examples: list[Example], tmp_path: Path
) -> None:
    whole = outcome(job(examples, tmp_path / "whole"))
    stopped = job(examples, tmp_path / "stopped")
    next(step for step in stopped if step.done == 4)
    stopped.close()
    _, _, parts = read_checkpoint(tmp_path / "stopped" / "checkpoints")
    finished = outcome(job(examples, tmp_path / "stopped", finish_now=True))
    assert finished == (hash_of(parts["best"]), 3)
    assert outcome(job(examples, tmp_path / "stopped")) == whole


def test_what_has_not_been_validated_cannot_be_finished(
    examples: list[Example], tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="before its first validation"):
        list(job(examples, tmp_path, finish_now=True))


# --- out of disk, out of numbers


def test_a_full_disk_is_said_and_the_training_goes_on_when_there_is_room(
    examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = outcome(job(examples, tmp_path / "whole"))
    steps = job(examples, tmp_path / "full")
    next(step for step in steps if step.done == 4)
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(BadInput, match="full"):
            list(steps)
    assert read_checkpoint(tmp_path / "full" / "checkpoints")[0] == 3
    assert outcome(job(examples, tmp_path / "full")) == whole


def test_weights_that_are_not_finite_are_never_kept(
    examples: list[Example], tmp_path: Path
) -> None:
    steps = job(examples, tmp_path)
    for step in steps:
        if step.done == 5:
            break
    run = steps.gi_frame.f_locals["run"]
    name = next(iter(run.average))
    run.average[name] = run.average[name] * float("nan")
    with pytest.raises(BadInput, match="not finite after step 6"):
        list(steps)
    done, state, parts = read_checkpoint(tmp_path / "checkpoints")
    assert done == state["best_step"] == 3
    assert hash_of(parts["best"]) == hash_of(parts["average"])


# --- what is learned


def test_the_start_is_the_first_best_and_stays_it_where_nothing_is_better(
    examples: list[Example], tmp_path: Path
) -> None:
    start = training.weights_of(tiny_network())
    slow = dataclasses.replace(config(STEPS), learning_rate=1e-7)
    steps = list(train_network(examples[:3], examples[3:], slow, tmp_path, start=start))
    first, *_ = (step for step in steps if step.kind == "epoch")
    assert first.done == 0
    assert Path(first.values["picture"]).is_file()
    trained = steps[-1].values["trained"]
    assert trained.scores["best_step"] == 0, "so small steps find no nuclei"
    assert hash_of(trained.weights) == hash_of(start)


def test_the_average_that_is_scored_knows_the_last_step(
    examples: list[Example], tmp_path: Path
) -> None:
    """Three steps: fewer than pass between two updates of the average."""
    start = training.weights_of(tiny_network())
    assert training.EMA_EVERY > 3
    list(train_network(examples[:3], examples[3:], config(3), tmp_path, start=start))
    _, _, parts = read_checkpoint(tmp_path / "checkpoints")
    assert hash_of(parts["average"]) != hash_of(start)


def test_a_validation_changes_nothing_of_what_is_learned_next(
    examples: list[Example], tmp_path: Path
) -> None:
    """What is scored lies near the start, far from the weights that go on."""
    start, losses = training.weights_of(tiny_network()), []
    for epoch in (3, STEPS):
        settings = dataclasses.replace(config(STEPS), epoch_steps=epoch, share_of_new=0.1)
        steps = train_network(examples[:3], examples[3:], settings, tmp_path / str(epoch), start)
        losses.append([step.values["loss"] for step in steps if step.kind == "step"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize(("patience", "done"), [(0, STEPS), (1, 3)])
def test_it_stops_when_nothing_gets_better_for_too_long(
    examples: list[Example], tmp_path: Path, patience: int, done: int
) -> None:
    """So small steps find no nuclei."""
    slow = dataclasses.replace(config(STEPS), learning_rate=1e-7, patience=patience)
    start = training.weights_of(tiny_network())
    assert outcome(train_network(examples[:3], examples[3:], slow, tmp_path, start))[1] == done


def test_kernels_alone_decay(examples: list[Example], tmp_path: Path) -> None:
    """A step takes a tenth of a weight that decays, and moves others by a tenth."""
    settings = dataclasses.replace(config(STEPS), learning_rate=0.1, weight_decay=1.0)
    start = {
        name: np.full_like(each, 10) for name, each in training.weights_of(tiny_network()).items()
    }
    list(train_network(examples[:3], examples[3:], settings, tmp_path, start))
    _, _, parts = read_checkpoint(tmp_path / "checkpoints")
    moved = {name: np.abs(each - 10).max() for name, each in parts["average"].items()}
    for name in ("bias", "gamma", "beta", "kernel"):
        found = [each for key, each in moved.items() if key.endswith(name)]
        assert found
        assert all((each > 2) == (name == "kernel") for each in found), moved


def test_every_epoch_leaves_a_picture_and_scores_of_what_is_trained_on(
    examples: list[Example], tmp_path: Path
) -> None:
    epochs = [step.values for step in job(examples, tmp_path) if step.kind == "epoch"]
    assert [Path(each["picture"]).name for each in epochs] == [
        "step-00000003.png",
        "step-00000006.png",
    ]
    assert (tmp_path / "pictures" / "step-00000000.png").is_file(), "before training"
    header, *rows = (tmp_path / "curves.csv").read_text().splitlines()
    assert header.endswith("train_mean_ap,train_ap_50,old_mean_ap")
    assert [float(row.split(",")[6]) for row in rows] == [each["train_mean_ap"] for each in epochs]

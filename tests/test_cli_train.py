from __future__ import annotations

import io
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from squares import squares, write_sample
from tiny_models import write_tiny_model

from napari_nucleiseg import dataset, train_job
from napari_nucleiseg.cli import main
from napari_nucleiseg.presets import Preset, preset_config
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.run_checks import writing_alone
from napari_nucleiseg.state import SampleState, Status, write_state
from napari_nucleiseg.time_left import TimeLeft
from napari_nucleiseg.train_job import TrainRequest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three samples with masks; `b` is approved."""
    for name in "abc":
        write_sample(tmp_path / "cells" / name, squares((64, 64), (5, 5)), masks=True)
    write_state(tmp_path / "cells" / "b", SampleState(Status.APPROVED))
    return tmp_path / "cells"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[TrainRequest]:
    """What was asked of the training; it is interrupted the first time."""
    requests: list[TrainRequest] = []

    def train(request: TrainRequest) -> Iterator[Progress]:
        requests.append(request)
        yield Progress(0, 0, "A thing to know.", "note")
        if not request.finish_now:
            raise KeyboardInterrupt
        yield Progress(1, 1, kind="result", values={"model": "the model", "scores": {}})

    monkeypatch.setattr(train_job, "train", train)
    return requests


def test_a_preset_and_the_corrected_images_are_asked_for(
    folder: Path, asked: list[TrainRequest], tmp_path: Path
) -> None:
    start = str(write_tiny_model(tmp_path / "start").folder)
    out = str(tmp_path / "run")
    command = ["train", str(folder), "--out", out, "--from", start, "--corrected"]
    assert main([*command, "--preset", "quick", "--steps", "7"]) == 0
    request = asked[0]
    assert (request.only, request.start) == (("b",), start)
    quick = preset_config(Preset.QUICK, "nuclei", freeze_encoder=True)
    assert request.config.steps == 7
    assert request.config.learning_rate == quick.learning_rate
    assert request.config.freeze_encoder
    assert main([*command, "--preset", "thorough", "--network", "unet"]) == 0
    assert asked[-1].config == preset_config(Preset.THOROUGH, "unet", freeze_encoder=False)


def test_the_command_reads_the_dataset_once(
    folder: Path, asked: list[TrainRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []

    def counted(path: str, **others: Any) -> dataset.Dataset:
        reads.append(path)
        return read(path, **others)

    read = dataset.read_dataset
    monkeypatch.setattr(dataset, "read_dataset", counted)
    assert main(["train", str(folder), "--out", str(tmp_path / "run"), "--corrected"]) == 0
    assert asked[0].only == ("b",)
    assert reads == [str(folder)]


def test_the_classic_preset_starts_from_an_encoder_that_knows_something(
    folder: Path, asked: list[TrainRequest], tmp_path: Path
) -> None:
    command = ["train", str(folder), "--out", str(tmp_path / "run"), "--preset", "classic"]
    main(command)
    assert (asked[-1].start, asked[-1].config.freeze_encoder) == ("imagenet", True)
    main([*command, "--no-freeze-encoder"])
    assert not asked[-1].config.freeze_encoder


def test_ctrl_c_makes_a_model_of_the_best(
    folder: Path, asked: list[TrainRequest], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["train", str(folder), "--out", str(tmp_path / "run")]) == 0
    assert [each.finish_now for each in asked] == [False, True]
    said = capsys.readouterr().out
    assert "A thing to know." in said
    assert "the best weights so far become a model" in said
    assert "Model: the model" in said


def test_ctrl_c_anywhere_lets_go_of_the_run_before_it_is_gone_on_with(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(request: TrainRequest) -> Iterator[Progress]:
        with writing_alone(tmp_path / "run"):
            yield Progress(0, 0, "A thing to know.", "note")
            assert request.finish_now
            yield Progress(1, 1, kind="result", values={"model": "the model", "scores": {}})

    def interrupted(line: str) -> None:
        said.append(line)
        if len(said) == 1:
            raise KeyboardInterrupt

    said: list[str] = []
    monkeypatch.setattr(train_job, "train", train)
    monkeypatch.setattr("napari_nucleiseg.cli_train.say", interrupted)
    assert main(["train", str(folder), "--out", str(tmp_path / "run")]) == 0
    assert len(said) == 3


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("place", [Terminal(), io.StringIO()], ids=["terminal", "log"])
def test_a_terminal_shows_step_loss_and_time_left_between_validations(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    place: io.StringIO,
) -> None:
    def train(request: TrainRequest) -> Iterator[Progress]:
        yield Progress(3, 3, "Reading images", "read")
        yield Progress(0, 4000, "Preparing the network", "start")
        yield Progress(1000, 4000, "Going on", "start")
        now[0] = 1000.0
        for step in range(1001, 1101):
            now[0] += 2
            yield Progress(step, 4000, values={"loss": 1 / step})
        yield Progress(1100, 4000, "Validating", "validate")
        yield Progress(4000, 4000, kind="result", values={"model": "m", "scores": {}})

    now = [0.0]
    monkeypatch.setattr(train_job, "train", train)
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    monkeypatch.setattr(sys, "stderr", place)
    assert main(["train", str(folder), "--out", str(tmp_path / "run")]) == 0
    shown = place.getvalue()
    if not place.isatty():
        assert shown == ""
        return
    last = next(part for part in shown.split("\r") if "1100/4000" in part)
    assert "loss 0.0009" in last
    assert "1:36:40" in last, "2900 steps of 2 s"
    assert any("Validating" in part for part in shown.split("\r"))


def test_before_the_first_step_there_is_no_loss(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def train(request: TrainRequest) -> Iterator[Progress]:
        for step, loss in ((0, math.nan), (40, 0.25)):
            values = {"step": step, "loss": loss, "ap": {"all": (0.5, 0.4, 0.1)}}
            yield Progress(step, 80, kind="epoch", values=values)
        yield Progress(80, 80, kind="result", values={"model": "m", "scores": {}})

    monkeypatch.setattr(train_job, "train", train)
    assert main(["train", str(folder), "--out", str(tmp_path / "run")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "step 0  loss -  AP .5/.7/.9: all 0.500/0.400/0.100"
    assert lines[2] == "step 40  loss 0.2500  AP .5/.7/.9: all 0.500/0.400/0.100"


def test_each_validation_tells_the_time_left_and_the_first_what_ap_is(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def train(request: TrainRequest) -> Iterator[Progress]:
        for step in range(101, 201):
            now[0] += 2
            yield Progress(step, 300, values={"loss": 0.5})
            if step % 50 == 0:
                values = {"step": step, "loss": 0.25, "ap": {"all": (0.5, 0.4, 0.1)}}
                now[0] += 49
                yield Progress(step, 300, kind="epoch", values=values)
        yield Progress(300, 300, kind="result", values={"model": "m", "scores": {}})

    now = [0.0]
    monkeypatch.setattr(train_job, "train", train)
    monkeypatch.setattr("napari_nucleiseg.cli_train.TimeLeft", lambda: TimeLeft(lambda: now[0]))
    assert main(["train", str(folder), "--out", str(tmp_path / "run")]) == 0
    printed = capsys.readouterr().out
    first, *epochs = printed.splitlines()[:3]
    assert "by an IoU of .5, .7 or .9 at least" in first
    assert epochs[0].endswith("0.100  8 min left at most"), "3 s a step with its validation"
    assert epochs[1].endswith("0.100  5 min left at most")
    assert printed.count("an IoU of") == 1


def test_nothing_corrected_is_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    write_state(folder / "b", SampleState(Status.PREDICTED))
    assert main(["train", str(folder), "--out", str(tmp_path / "run"), "--corrected"]) == 1
    assert "correct some" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--preset", "quick"], ["--corrected"]])
def test_a_recipe_takes_no_preset(
    folder: Path, tmp_path: Path, flags: list[str], capsys: pytest.CaptureFixture
) -> None:
    command = ["train", str(folder), "--out", str(tmp_path / "run"), "--recipe", "unet", *flags]
    assert main(command) == 2
    assert "no meaning for a recipe" in capsys.readouterr().err


ADVICE = "Correct more images of the kind that fails, and train again"
ALONE = "; --corrected trains on corrected images alone"


@pytest.mark.parametrize(
    ("best", "flags", "says"),
    [
        (0, [], f"this model is the same as nuclei. {ADVICE}{ALONE}.\n"),
        (0, ["--corrected"], f"this model is the same as nuclei. {ADVICE}.\n"),
        (40, [], ""),
    ],
)
def test_a_model_that_is_no_better_than_its_start_is_called_so_with_what_to_do(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture,
    best: int, flags: list[str], says: str,
) -> None:  # fmt: skip
    def train(request: TrainRequest) -> Iterator[Progress]:
        values = {"model": "m", "scores": {"best_step": best}}
        yield Progress(80, 80, kind="result", values=values)

    monkeypatch.setattr(train_job, "train", train)
    main(["train", str(folder), "--out", str(tmp_path / "run"), "--from", "nuclei", *flags])
    printed = capsys.readouterr().out
    assert says in printed
    assert ("the same as" in printed) is bool(says)


def test_a_recipe_from_imagenet_is_one_that_names_no_model(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def train_by_recipe(request: Any) -> Iterator[Progress]:
        asked.append(request.start)
        yield Progress(1, 1)

    monkeypatch.setattr("napari_nucleiseg.recipe_job.train_by_recipe", train_by_recipe)
    command = ["train", str(folder), "--out", str(tmp_path / "run"), "--recipe", "classic"]
    for start in ("imagenet", "mine"):
        main([*command, "--from", start])
    assert asked == ["", "mine"]


def test_a_recipe_that_is_stopped_says_how_to_go_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def train_by_recipe(request: object) -> Iterator[Progress]:
        yield Progress(0, 1, kind="start", values={"encoder": "none"})
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_nucleiseg.recipe_job.train_by_recipe", train_by_recipe)
    command = ["train", str(folder), "--out", str(tmp_path / "run"), "--recipe", "unet"]
    assert main([*command, "--save-h5", str(tmp_path / "w.h5")]) == 130
    assert "the same command goes on" in capsys.readouterr().out

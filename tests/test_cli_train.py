from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from squares import squares, write_sample
from tiny_models import write_tiny_model

from napari_nucleiseg import train_job
from napari_nucleiseg.cli import main
from napari_nucleiseg.presets import Preset, preset_config
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.state import write_state
from napari_nucleiseg.storage import SampleState, Status
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


def test_ctrl_c_makes_a_model_of_the_best(
    folder: Path, asked: list[TrainRequest], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["train", str(folder), "--out", str(tmp_path / "run")]) == 0
    assert [each.finish_now for each in asked] == [False, True]
    said = capsys.readouterr().out
    assert "A thing to know." in said
    assert "the best weights so far become a model" in said
    assert "Model: the model" in said


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
    assert main(command) == 1
    assert "no meaning for a recipe" in capsys.readouterr().err

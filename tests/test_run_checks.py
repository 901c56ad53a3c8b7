from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from napari_nucleiseg.config import TrainConfig
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.run_checks import (
    check_new,
    check_same_dataset,
    check_same_run,
    note_finished,
    writing_alone,
)
from napari_nucleiseg.run_description import describe
from napari_nucleiseg.run_folder import RUN
from napari_nucleiseg.run_request import Request


def test_one_training_at_a_time_writes_to_a_run(tmp_path: Path) -> None:
    out = tmp_path / "runs" / "one"
    with (
        writing_alone(out),
        pytest.raises(BadInput, match="one is being trained by"),
        writing_alone(out),
    ):
        pytest.fail("two trainings write")
    assert not out.exists(), "nothing was written"
    out.mkdir()
    with writing_alone(out):
        pass
    assert out.is_dir()


def test_a_file_is_no_folder_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(BadInput, match="name another path"), writing_alone(tmp_path / "run"):
        pytest.fail("it was trained")
    assert (tmp_path / "run").read_text() == "mine"


@pytest.mark.parametrize(
    "name",
    ["run.json", "report.json", "curves.csv", "checkpoints", "model", "a.tif", "images"],
)
def test_a_folder_where_no_run_was_begun_is_not_written_over(tmp_path: Path, name: str) -> None:
    if "." in name:
        (tmp_path / name).write_text("mine")
    else:
        (tmp_path / name).mkdir()
    with pytest.raises(BadInput, match=f"holds {name} but no split.json.*name another"):
        check_new(tmp_path)


def test_a_run_may_begin_beside_its_log(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("begun by the scheduler")
    check_new(tmp_path)


def test_what_was_learned_is_not_gone_on_with_from_another_start_or_config(
    tmp_path: Path,
) -> None:
    begun = Request("cells", str(tmp_path), TrainConfig(steps=5), start="/models/older")
    told = describe(begun, {"train": ()})
    (tmp_path / RUN).write_text(json.dumps(told))

    def go_on(**changes: Any) -> None:
        check_same_run(dataclasses.replace(begun, **changes))

    go_on(start="/models/old")  # nothing was learned yet
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "CURRENT").write_text("step-00000005")
    with pytest.raises(BadInput, match=r"other values of: start \(older, now old\);"):
        go_on(start="/models/old")
    with pytest.raises(BadInput, match=r"steps \(5, now 6\), start \(older, now nothing\);"):
        go_on(config=TrainConfig(steps=6), start="")
    go_on(start="/elsewhere/older")

    del told["config"]["share_of_new"]
    (tmp_path / RUN).write_text(json.dumps(told))
    go_on()  # a parameter that was not there yet had its default
    (tmp_path / RUN).write_text("[]")
    go_on()


def test_what_was_begun_on_a_dataset_is_not_gone_on_with_on_another(tmp_path: Path) -> None:
    told = {"dataset": "cells", "image_bytes": {"a": 5, "b": 6}}
    check_same_dataset(tmp_path, told)  # nothing is known of it
    (tmp_path / RUN).write_text(json.dumps(told))
    check_same_dataset(tmp_path, told)
    check_same_dataset(tmp_path, {**told, "dataset": "nuclei"})  # it was renamed
    check_same_dataset(tmp_path, {**told, "image_bytes": {"a": 5, "b": 7}})  # b was repaired
    with pytest.raises(BadInput, match=r"dataset cells, and none .* same in nuclei.*\(--out\)"):
        check_same_dataset(tmp_path, {"dataset": "nuclei", "image_bytes": {"a": 6, "b": 7}})
    for old in ({"dataset": ""}, {"dataset": "cells"}, []):
        (tmp_path / RUN).write_text(json.dumps(old))
        check_same_dataset(tmp_path, told)


def test_a_run_is_finished_once_it_has_a_model_and_was_not_stopped(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert note_finished(tmp_path) == "", "without a checkpoint it is begun anew"
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "CURRENT").write_text("step-00000005")
    assert note_finished(tmp_path).startswith(f"{tmp_path} is finished: nothing was trained")
    (tmp_path / "stopped").touch()
    assert note_finished(tmp_path) == "", "it can be trained on"

from __future__ import annotations

import math
import os
from collections import Counter
from pathlib import Path

import pytest
from tiny_models import write_tiny_model

from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.lock import LOCK, RunLock
from napari_nucleiseg.model_check import is_name
from napari_nucleiseg.models import find_model, list_models, user_models_folder
from napari_nucleiseg.runs import (
    begin_run,
    free_name,
    keep_model,
    note_decision,
    plain_name,
    read_curves,
    unfinished_run,
)


def request(dataset: Path, name: str = "cells") -> dict:
    return {"dataset": str(dataset), "name": name, "only": ["a"]}


def test_a_run_is_over_when_its_model_was_decided_on(tmp_path: Path) -> None:
    run = begin_run(request(tmp_path))
    assert run.request["out"] == str(run.folder)
    assert unfinished_run(tmp_path) == run
    assert unfinished_run(tmp_path / "other") is None
    assert not run.is_trained
    (run.folder / "model").mkdir()
    assert unfinished_run(tmp_path) == run, "napari was closed before anybody decided"
    assert run.is_trained
    note_decision(run.folder / "model")
    assert unfinished_run(tmp_path) is None


def test_a_run_that_was_stopped_by_hand_can_be_gone_on_with(tmp_path: Path) -> None:
    run = begin_run(request(tmp_path))
    assert not run.has_best
    (run.folder / "checkpoints").mkdir()
    (run.folder / "checkpoints" / "CURRENT").write_text("step-00000005")
    assert run.has_best
    (run.folder / "model").mkdir()
    (run.folder / "stopped").touch()
    note_decision(run.folder / "model")
    assert unfinished_run(tmp_path) == run
    (run.folder / "stopped").unlink()
    assert unfinished_run(tmp_path) is None


def test_a_run_that_is_trained_just_now_is_not_offered(tmp_path: Path) -> None:
    run = begin_run(request(tmp_path))
    with RunLock.acquire(run.folder):
        assert unfinished_run(tmp_path) is None
    (run.folder / LOCK).write_text("left by a process that was killed")
    assert unfinished_run(tmp_path) == run


def test_pictures_stand_in_the_order_of_steps(tmp_path: Path) -> None:
    run = begin_run(request(tmp_path))
    assert run.pictures() == []
    (run.folder / "pictures").mkdir()
    for step in (200, 0, 1000):
        (run.folder / "pictures" / f"step-{step:08d}.png").touch()
    assert [int(each.stem[5:]) for each in run.pictures()] == [0, 200, 1000]
    assert run.tensorboard_command == f'tensorboard --logdir "{run.folder / "tensorboard"}"'


def test_the_last_of_several_runs_counts(tmp_path: Path) -> None:
    first = begin_run(request(tmp_path))
    second = begin_run(request(tmp_path, free_name("cells")))
    os.utime(first.folder / "request.json", (1, 1))
    assert second.name == "cells-2"
    assert unfinished_run(tmp_path) == second


def test_a_torn_request_is_passed_over(tmp_path: Path) -> None:
    run = begin_run(request(tmp_path))
    (run.folder / "request.json").write_text('{"data')
    assert unfinished_run(tmp_path) is None


REQUESTS = ["[" * 100_000, '{"dataset": "DATASET", "name": 5, "out": "o"}', "[]", '{"dataset": 1}']


@pytest.mark.parametrize("content", REQUESTS, ids=range(len(REQUESTS)))
def test_a_strange_request_is_passed_over(tmp_path: Path, content: str) -> None:
    first, second = begin_run(request(tmp_path)), begin_run(request(tmp_path, "other"))
    (second.folder / "request.json").write_text(content.replace("DATASET", str(tmp_path)))
    assert unfinished_run(tmp_path) == first


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        (b"\xff\xfe", []),
        (b"a,b\n1,2\n", []),
        (b"step,loss\nabc,1\n", []),
        (b"step,loss\n5,0.5\n10,0.\0\n", [5]),
        (b"loss,step\n0.5,5\n0.4\n", [5]),
    ],
)
def test_curves_end_where_they_are_torn(tmp_path: Path, text: bytes, steps: list[int]) -> None:
    (tmp_path / "curves.csv").write_bytes(text)
    assert [each.step for each in read_curves(tmp_path)] == steps


def test_a_name_that_is_taken_is_said(tmp_path: Path) -> None:
    begin_run(request(tmp_path))
    with pytest.raises(BadInput, match=r"cells.*another name"):
        begin_run(request(tmp_path))


def test_free_names_look_at_models_too() -> None:
    assert free_name("mine") == "mine"
    write_tiny_model(user_models_folder() / "mine")
    assert free_name("mine") == "mine-2"
    (user_models_folder() / "of-a-newer-version").mkdir()
    assert free_name("of-a-newer-version") == "of-a-newer-version-2"


def test_names_that_differ_in_capitals_are_not_free(tmp_path: Path) -> None:
    trained = write_tiny_model(tmp_path / "run" / "model", name="cells")
    keep_model(trained.folder, "cells")
    assert free_name("Cells") == "Cells-2"
    assert keep_model(trained.folder, "Cells").folder.name == "Cells-2"
    begin_run(request(tmp_path, "Lungs"))
    assert free_name("lungs") == "lungs-2"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_folders_without_permission_are_passed_over(tmp_path: Path) -> None:
    run = begin_run(request(tmp_path))
    other = begin_run(request(tmp_path, "other"))
    for closed in (other.folder, run.folder.parent, user_models_folder()):
        closed.mkdir(exist_ok=True)
        closed.chmod(0)
        try:
            assert free_name("mine") == "mine"
            unfinished_run(tmp_path)
        finally:
            closed.chmod(0o755)


def test_curves_of_a_run(tmp_path: Path) -> None:
    assert read_curves(tmp_path) == []
    (tmp_path / "curves.csv").write_text(
        "step,loss,mean_ap,ap_50,ap_70,ap_90\n5,0.5,0.1,0.2,0.1,0\n10,nan,0.3,0.4,0.3,0\n"
    )
    first, second = read_curves(tmp_path)
    assert (first.step, first.loss, first.mean_ap, first.ap_50) == (5, 0.5, 0.1, 0.2)
    assert math.isnan(first.train_ap_50), "it was written before that was measured"
    assert (second.mean_ap, second.ap_50) == (0.3, 0.4)
    (tmp_path / "curves.csv").write_text("step,loss,mean_ap,ap_50,train_ap_50\n0,nan,0.1,0.2,0.6\n")
    (point,) = read_curves(tmp_path)
    assert math.isnan(point.loss)
    assert point.train_ap_50 == 0.6


def test_a_model_is_copied_and_the_run_stays_as_it_is(tmp_path: Path) -> None:
    trained = write_tiny_model(tmp_path / "run" / "model", name="cells")
    kept = keep_model(trained.folder, "cells")
    assert kept.folder == user_models_folder() / "cells"
    assert find_model("cells").folder == kept.folder
    assert trained.folder.is_dir()
    assert keep_model(trained.folder, "cells").folder.name == "cells-2"


def test_a_virus_scanner_does_not_keep_a_model_from_its_place(
    tmp_path: Path, virus_scanner: Counter[str]
) -> None:
    trained = write_tiny_model(tmp_path / "run" / "model", name="cells")
    virus_scanner.clear()
    assert keep_model(trained.folder, "cells").folder == user_models_folder() / "cells"
    assert virus_scanner


def test_a_damaged_model_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    trained = write_tiny_model(tmp_path / "run" / "model", name="cells")
    (trained.folder / "network.onnx").write_bytes(b"torn")
    with pytest.raises(BadInput, match=r"network\.onnx"):
        keep_model(trained.folder, "cells")
    assert not any(user_models_folder().iterdir())


def test_a_models_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    trained = write_tiny_model(tmp_path / "run" / "model", name="cells")
    user_models_folder().write_text("a file stands in the way")
    with pytest.raises(BadInput, match="cannot be written"):
        keep_model(trained.folder, "cells")
    assert "cells" not in [each.name for each in list_models()]


@pytest.mark.parametrize(
    "typed", ["_cells", "__x", "-a", "9" * 80, "Zellkörper", " my cells ", "", "é"]
)
def test_a_plain_name_is_one_that_a_model_may_have(typed: str) -> None:
    name = plain_name(typed)
    assert is_name(name)
    assert is_name(f"{name}-1234")

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from squares import squares, write_sample

from napari_nucleiseg.config import TrainConfig
from napari_nucleiseg.dataset import read_dataset
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.layouts import Sample
from napari_nucleiseg.nn.augment import NO_NUCLEI
from napari_nucleiseg.run_folder import RUN, SPLIT
from napari_nucleiseg.run_record import (
    Request,
    keep_record,
    note_newcomers,
    typical_diameter,
    writing_alone,
)


@pytest.fixture
def samples(tmp_path: Path) -> tuple[Sample, ...]:
    for number, name in enumerate("abc"):
        write_sample(tmp_path / "cells" / name, squares((64, 64), (5, 5 + number)), masks=True)
    return read_dataset(tmp_path / "cells").samples


@pytest.fixture
def request_to_train(tmp_path: Path) -> Request:
    return Request(str(tmp_path / "cells"), str(tmp_path / "runs" / "one"), TrainConfig(steps=5))


def record(request: Request, name: str) -> dict:
    return json.loads((Path(request.out) / name).read_text())


def test_a_run_is_split_once(samples: tuple[Sample, ...], request_to_train: Request) -> None:
    a, b, c = samples
    first = {"train": (c, a), "validation": (b,), "test": ()}
    assert keep_record(request_to_train, samples, lambda: first) == first
    assert record(request_to_train, SPLIT) == {"train": ["c", "a"], "validation": ["b"], "test": []}
    again = keep_record(request_to_train, samples, lambda: pytest.fail("it was split before"))
    assert again == first


def test_the_record_tells_how_and_on_what_without_paths(
    samples: tuple[Sample, ...], request_to_train: Request, tmp_path: Path
) -> None:
    split = {"train": samples[:2], "validation": samples[2:]}
    keep_record(dataclasses.replace(request_to_train, start="/models/old"), samples, lambda: split)
    told = record(request_to_train, RUN)
    assert (told["dataset"], told["start"]) == ("cells", "old")
    assert told["config"]["steps"] == 5
    assert told["split"] == {"train": ["a", "b"], "validation": ["c"]}
    sizes = {each.id: each.image_path.stat().st_size for each in samples[:2]}
    assert told["image_bytes"] == sizes, "by these what it learned from is found again"
    assert "numpy" in told["versions"]
    assert str(tmp_path) not in json.dumps(told)


def test_the_record_tells_whether_the_images_are_the_same(
    samples: tuple[Sample, ...], request_to_train: Request
) -> None:
    def hash_now() -> str:
        keep_record(request_to_train, samples, lambda: {"train": samples, "validation": ()})
        return record(request_to_train, RUN)["data_sha256"]

    before = hash_now()
    assert hash_now() == before
    mask = samples[0].mask_paths[0]
    mask.write_bytes(mask.read_bytes() + b" ")
    assert hash_now() != before


def test_images_without_nuclei_say_nothing_of_the_diameter() -> None:
    assert typical_diameter([40.0, None, 10.0, None, 20.0]) == 20.0
    assert typical_diameter([None]) == typical_diameter([]) == NO_NUCLEI


def test_a_run_of_another_dataset_is_refused(
    samples: tuple[Sample, ...], request_to_train: Request
) -> None:
    keep_record(request_to_train, samples, lambda: {"train": samples, "validation": ()})
    before = record(request_to_train, RUN)
    with pytest.raises(BadInput, match="names c, which is not in the dataset"):
        keep_record(request_to_train, samples[:2], lambda: pytest.fail("it was split before"))
    assert record(request_to_train, RUN) == before


def test_a_name_that_no_model_can_have_is_refused_before_anything_is_trained(
    samples: tuple[Sample, ...], request_to_train: Request, tmp_path: Path
) -> None:
    for bad in (
        dataclasses.replace(request_to_train, name="Zellkörper"),
        dataclasses.replace(request_to_train, out=str(tmp_path / "_x")),
    ):
        with pytest.raises(BadInput, match="is no name for a model"):
            keep_record(bad, samples, lambda: pytest.fail("it was split"))


def test_a_folder_of_somebody_else_in_the_models_place_is_refused_before_anything_is_trained(
    samples: tuple[Sample, ...], request_to_train: Request
) -> None:
    theirs = Path(request_to_train.out) / "model"
    theirs.mkdir(parents=True)
    (theirs / "thesis.txt").write_text("mine")
    with pytest.raises(BadInput, match=r"thesis\.txt.*move it away"):
        keep_record(request_to_train, samples, lambda: pytest.fail("it was split"))
    assert [each.name for each in theirs.parent.iterdir()] == ["model"]


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
def test_a_folder_where_no_run_was_begun_is_not_written_over(
    samples: tuple[Sample, ...], request_to_train: Request, name: str
) -> None:
    out = Path(request_to_train.out)
    out.mkdir(parents=True)
    if "." in name:
        (out / name).write_text("mine")
    else:
        (out / name).mkdir()
    with pytest.raises(BadInput, match=f"holds {name} but no split.json.*name another"):
        keep_record(request_to_train, samples, lambda: pytest.fail("it was split"))
    assert [each.name for each in out.iterdir()] == [name]


def test_a_run_may_begin_beside_its_log(
    samples: tuple[Sample, ...], request_to_train: Request
) -> None:
    out = Path(request_to_train.out)
    out.mkdir(parents=True)
    (out / "log.txt").write_text("begun by the scheduler")
    keep_record(request_to_train, samples, lambda: {"train": samples, "validation": ()})
    assert (out / SPLIT).exists()


def test_images_that_came_since_a_run_was_begun_are_counted(
    samples: tuple[Sample, ...], tmp_path: Path
) -> None:
    split = {"train": samples[:1]}
    assert note_newcomers(tmp_path, samples[:1], split) == "", "it is begun"
    assert note_newcomers(tmp_path, samples[:1], split) == ""
    found = note_newcomers(tmp_path, samples[:2], split)
    assert found.startswith("1 image that has labels is not part")
    for _ in range(2):
        found = note_newcomers(tmp_path, samples, split)
        assert found.startswith("2 images that have labels are not part of this run")
    mixed_in = {**split, "old": samples[1:2]}
    assert note_newcomers(tmp_path, samples[:2], mixed_in) == "", "it is learned from"
    for_testing = [dataclasses.replace(each, split="test") for each in samples]
    assert note_newcomers(tmp_path, for_testing, split) == ""


SPLITS = [
    b"{",
    b'["a"]',
    b'{"train": 5, "validation": []}',
    b'{"train": [["a"]], "validation": []}',
    b'{"train": ["a"]}',
    b"[" * 100_000,
    "{}".encode("utf-16"),
]


@pytest.mark.parametrize("content", SPLITS, ids=range(len(SPLITS)))
def test_a_split_that_is_none_is_refused(
    samples: tuple[Sample, ...], request_to_train: Request, content: bytes
) -> None:
    out = Path(request_to_train.out)
    out.mkdir(parents=True)
    (out / SPLIT).write_bytes(content)
    with pytest.raises(BadInput, match=r"split\.json does not tell.*another folder"):
        keep_record(request_to_train, samples, lambda: pytest.fail("it was split before"))


def test_what_was_learned_is_not_gone_on_with_from_another_start_or_config(
    samples: tuple[Sample, ...], request_to_train: Request
) -> None:
    def keep(**changes: Any) -> None:
        changed = dataclasses.replace(request_to_train, **changes)
        keep_record(changed, samples, lambda: {"train": samples, "validation": ()})

    keep(start="/models/old")
    keep(start="/models/older")  # nothing was learned yet
    checkpoints = Path(request_to_train.out) / "checkpoints"
    checkpoints.mkdir()
    (checkpoints / "CURRENT").write_text("step-00000005")
    before = record(request_to_train, RUN)
    with pytest.raises(BadInput, match=r"other values of: start \(older, now old\);"):
        keep(start="/models/old")
    with pytest.raises(BadInput, match=r"steps \(5, now 6\), start \(older, now nothing\);"):
        keep(config=TrainConfig(steps=6))
    assert record(request_to_train, RUN) == before
    keep(start="/elsewhere/older")

    del before["config"]["share_of_new"]
    (Path(request_to_train.out) / RUN).write_text(json.dumps(before))
    keep(start="older")  # a parameter that was not there yet had its default
    (Path(request_to_train.out) / RUN).write_text("[]")
    keep(start="older")
    assert record(request_to_train, RUN)["start"] == "older"


def test_nothing_to_train_on_is_refused_before_anything_is_written(
    samples: tuple[Sample, ...], request_to_train: Request
) -> None:
    with (
        writing_alone(Path(request_to_train.out)),
        pytest.raises(BadInput, match="no image to train on"),
    ):
        keep_record(request_to_train, samples, lambda: {"train": (), "validation": ()})
    assert not Path(request_to_train.out).exists()

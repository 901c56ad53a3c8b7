from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from three_samples import three_samples

from napari_nucleiseg.config import TrainConfig
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.run_checks import writing_alone
from napari_nucleiseg.run_folder import RUN, SPLIT
from napari_nucleiseg.run_record import keep_record, note_newcomers
from napari_nucleiseg.run_request import Request
from napari_nucleiseg.sample import Sample


@pytest.fixture
def samples(tmp_path: Path) -> tuple[Sample, ...]:
    return three_samples(tmp_path / "cells")


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


def test_a_run_of_another_dataset_is_refused(
    samples: tuple[Sample, ...], request_to_train: Request
) -> None:
    keep_record(request_to_train, samples, lambda: {"train": samples, "validation": ()})
    before = record(request_to_train, RUN)
    with pytest.raises(BadInput, match="names c, which is not in the dataset"):
        keep_record(request_to_train, samples[:2], lambda: pytest.fail("it was split before"))
    assert record(request_to_train, RUN) == before


def test_a_run_of_another_dataset_with_the_same_ids_is_refused(
    samples: tuple[Sample, ...], request_to_train: Request, tmp_path: Path
) -> None:
    keep_record(request_to_train, samples, lambda: {"train": samples, "validation": ()})
    other = dataclasses.replace(request_to_train, dataset=str(tmp_path / "other"))
    keep_record(other, samples, lambda: pytest.fail("it was split before"))  # it was renamed
    for each in samples:
        each.image_path.write_bytes(each.image_path.read_bytes() + bytes(8))
    before = record(request_to_train, RUN)
    with pytest.raises(BadInput, match="none of its images is the same"):
        keep_record(request_to_train, samples, lambda: pytest.fail("it was split before"))
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


def test_a_folder_where_no_run_was_begun_stays_as_it_is(
    samples: tuple[Sample, ...], request_to_train: Request
) -> None:
    out = Path(request_to_train.out)
    out.mkdir(parents=True)
    (out / RUN).write_text("mine")
    with pytest.raises(BadInput, match=r"no run was begun there"):
        keep_record(request_to_train, samples, lambda: pytest.fail("it was split"))
    assert [each.name for each in out.iterdir()] == [RUN]
    assert (out / RUN).read_text() == "mine"


def test_how_a_run_was_begun_stays_written_once_something_was_learned(
    samples: tuple[Sample, ...], request_to_train: Request
) -> None:
    def keep(**changes: str) -> str:
        changed = dataclasses.replace(request_to_train, **changes)
        keep_record(changed, samples, lambda: {"train": samples, "validation": ()})
        return record(request_to_train, RUN)["start"]

    assert keep(start="/models/old") == "old"
    assert keep(start="/models/older") == "older", "nothing was learned yet"
    checkpoints = Path(request_to_train.out) / "checkpoints"
    checkpoints.mkdir()
    (checkpoints / "CURRENT").write_text("step-00000005")
    with pytest.raises(BadInput, match="begun with other values of: start"):
        keep(start="/models/old")
    assert keep(start="/elsewhere/older") == "older"
    (Path(request_to_train.out) / RUN).write_text("[]")
    assert keep(start="older") == "older", "what is damaged is written anew"


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


def test_nothing_to_train_on_is_refused_before_anything_is_written(
    samples: tuple[Sample, ...], request_to_train: Request
) -> None:
    with (
        writing_alone(Path(request_to_train.out)),
        pytest.raises(BadInput, match="no image to train on"),
    ):
        keep_record(request_to_train, samples, lambda: {"train": (), "validation": ()})
    assert not Path(request_to_train.out).exists()

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from three_samples import three_samples

from napari_nucleiseg.config import TrainConfig
from napari_nucleiseg.run_description import describe
from napari_nucleiseg.run_request import Request
from napari_nucleiseg.sample import Sample


@pytest.fixture
def samples(tmp_path: Path) -> tuple[Sample, ...]:
    return three_samples(tmp_path / "cells")


@pytest.fixture
def asked(tmp_path: Path) -> Request:
    folders = str(tmp_path / "cells"), str(tmp_path / "runs" / "one")
    return Request(*folders, TrainConfig(steps=5), start="/models/old")


def test_it_tells_how_and_on_what_without_paths(
    samples: tuple[Sample, ...], asked: Request, tmp_path: Path
) -> None:
    told = describe(asked, {"train": samples[:2], "validation": samples[2:]})
    assert (told["dataset"], told["start"]) == ("cells", "old")
    assert told["config"]["steps"] == 5
    assert told["split"] == {"train": ["a", "b"], "validation": ["c"]}
    sizes = {each.id: each.image_path.stat().st_size for each in samples[:2]}
    assert told["image_bytes"] == sizes, "by these what it learned from is found again"
    assert "numpy" in told["versions"]
    assert str(tmp_path) not in json.dumps(told)


def test_the_folder_that_one_stands_in_has_a_name_too(
    samples: tuple[Sample, ...], asked: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(samples[0].folder)
    for path in ("..", "../", "../../cells"):
        told = describe(dataclasses.replace(asked, dataset=path), {"train": samples})
        assert told["dataset"] == "cells"


def test_it_tells_whether_the_images_are_the_same(
    samples: tuple[Sample, ...], asked: Request
) -> None:
    def hash_now() -> str:
        return describe(asked, {"train": samples, "validation": ()})["data_sha256"]

    before = hash_now()
    assert hash_now() == before
    mask = samples[0].mask_paths[0]
    mask.write_bytes(mask.read_bytes() + b" ")
    assert hash_now() != before

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from twelve_samples import base_model, ids, samples_of, write_cells

from napari_nucleiseg.dataset import read_dataset
from napari_nucleiseg.learned import (
    known_to,
    seen_by,
    warn_of_known,
)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_cells(tmp_path / "cells")


def test_what_a_model_learned_from_is_found_by_dataset_and_id(
    dataset: Path, tmp_path: Path
) -> None:
    samples = samples_of(dataset)
    split = {"train": ["a", "b", "gone"], "validation": ["c"], "old": ["d"]}
    model = base_model(tmp_path, dataset="cells", split=split)
    assert ids(known_to(model, dataset.name, samples)) == ["a", "b", "d"]
    elsewhere = base_model(tmp_path, dataset="others", split=split)
    assert known_to(elsewhere, dataset.name, samples) == []
    assert known_to(None, dataset.name, samples) == []
    assert known_to(base_model(tmp_path), dataset.name, samples) == []


def test_what_a_model_learned_from_is_found_in_a_renamed_copy_by_the_files_sizes(
    dataset: Path, tmp_path: Path
) -> None:
    """But not in a folder that uses the same ids for other images."""
    samples = samples_of(dataset)
    sizes = {each.id: each.image_path.stat().st_size for each in samples[:4]}
    split = {"train": ["a", "b"], "old": ["d"]}
    model = base_model(tmp_path, dataset="before", split=split, image_bytes=sizes)
    assert ids(known_to(model, dataset.name, samples)) == ["a", "b", "d"]
    samples[1].image_path.write_bytes(b"another image")
    assert ids(known_to(model, dataset.name, samples)) == ["a", "d"]
    samples[1].image_path.unlink()
    assert ids(known_to(model, dataset.name, samples)) == ["a", "d"]


def test_what_was_held_out_of_the_field_that_was_learned_from_counts_as_learned(
    dataset: Path, tmp_path: Path
) -> None:
    split = {"train": ["a"], "validation": [], "alike": ["b"]}
    model = base_model(tmp_path, dataset="cells", split=split)
    assert ids(known_to(model, "cells", samples_of(dataset))) == ["a", "b"]


def test_other_images_in_a_folder_of_the_same_name_are_not_taken_for_those(
    dataset: Path, tmp_path: Path
) -> None:
    others = dict.fromkeys("abcdefghijkl", 1)
    split = {"train": list("abcdefghijkl")}
    model = base_model(tmp_path, dataset="cells", split=split, image_bytes=others)
    assert known_to(model, dataset.name, samples_of(dataset)) == []


def test_what_the_models_before_it_learned_from_is_known_to_a_model(
    dataset: Path, tmp_path: Path
) -> None:
    samples = samples_of(dataset)
    sizes = {each.id: each.image_path.stat().st_size for each in samples[:2]}
    learned = {**sizes, "c": None, "d": 1}
    model = base_model(tmp_path, dataset="cells", split={"train": ["b"]}, learned=learned)
    assert ids(known_to(model, "cells", samples)) == ["a", "b", "c"]
    assert ids(known_to(model, "elsewhere", samples)) == ["a", "b"], "of c no size is recorded"


def test_what_a_model_was_tuned_on_it_has_seen_and_what_the_models_before_it_learned_from(
    dataset: Path, tmp_path: Path
) -> None:
    """But not other images that have the same ids."""
    opened = read_dataset(dataset)
    learned = {"a": opened.samples[0].image_path.stat().st_size, "b": 1}
    split = {"train": ["gone"], "validation": ["c"]}
    model = base_model(tmp_path, dataset="cells", split=split, learned=learned)
    assert ids(seen_by(model, opened, opened.samples)) == ["a", "c"]
    above = base_model(tmp_path, dataset=tmp_path.name, split=split, learned=learned)
    found = replace(opened, path=tmp_path)
    assert ids(seen_by(above, found, opened.samples)) == ["a", "c"], "it was opened from above"
    elsewhere = base_model(tmp_path, dataset="others", split=split, image_bytes={"gone": 1})
    assert seen_by(elsewhere, opened, opened.samples) == []


def test_it_is_said_how_many_images_a_model_learned_from(dataset: Path, tmp_path: Path) -> None:
    samples = samples_of(dataset)
    model = base_model(tmp_path, dataset="cells", split={"train": ["a", "b"]})
    assert warn_of_known(model, dataset, samples).startswith("2 of 12 images were learned from")
    assert warn_of_known(model, dataset, samples[1:]).startswith("1 of 11 images was learned from")
    assert warn_of_known(model, dataset, samples[2:]) == ""

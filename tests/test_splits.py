from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from squares import squares, write_sample
from twelve_samples import SHAPE, base_model, ids, samples_of, write_cells

from napari_nucleiseg.config import TrainConfig
from napari_nucleiseg.dataset import read_dataset
from napari_nucleiseg.fields import find_fields
from napari_nucleiseg.learned import held_out_by
from napari_nucleiseg.sample import Sample
from napari_nucleiseg.splits import (
    MOST_OLD,
    judges,
    notes,
    split_by_field,
    split_samples,
    split_test,
    with_truth,
)
from napari_nucleiseg.state import SampleState, Status, write_state
from napari_nucleiseg.storage import save_labels, write_prediction

CONFIG = TrainConfig(validation=0.2)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_cells(tmp_path / "cells")


# --- what has a truth


def test_predictions_that_nobody_looked_at_have_no_truth(tmp_path: Path) -> None:
    labels = squares(SHAPE, (5, 5))
    for name in ("corrected", "forgotten", "masks", "predicted", "unlabelled"):
        write_sample(tmp_path / "d" / name, labels, masks=name == "masks")
    write_prediction(tmp_path / "d" / "predicted", labels, "nuclei")
    write_state(tmp_path / "d" / "predicted", SampleState(Status.PREDICTED, "nuclei"))
    write_prediction(tmp_path / "d" / "forgotten", labels, "nuclei")
    save_labels(tmp_path / "d" / "corrected", labels, SampleState(Status.CORRECTED), masks=False)
    assert ids(with_truth(read_dataset(tmp_path / "d").samples)) == ["corrected", "masks"]


# --- what is held out


def test_whole_fields_are_held_out(dataset: Path) -> None:
    split = split_samples(samples_of(dataset, "aaabbbcccddd"), [], CONFIG)
    assert split["train"]
    assert {each.field for each in split["train"]}.isdisjoint(
        each.field for each in split["validation"]
    )
    assert len(split["train"]) + len(split["validation"]) == 12
    assert judges(split) == split["validation"]
    assert notes(split) == []


def test_ten_images_of_one_field_can_be_learned_from_and_it_is_said(dataset: Path) -> None:
    split = split_samples(samples_of(dataset, "aaaaaaaaaa"), [], CONFIG)
    assert (len(split["train"]), len(split["alike"]), split["validation"]) == (8, 2, ())
    assert judges(split) == split["alike"]
    (note,) = notes(split)
    assert "one field of view" in note
    assert "correct an image of another field" in note


def test_one_image_can_be_learned_from_and_it_is_said(dataset: Path) -> None:
    split = split_samples(samples_of(dataset)[:1], [], CONFIG)
    assert judges(split) == split["train"] == samples_of(dataset)[:1]
    assert "one image" in notes(split)[0]


def test_nothing_to_hold_out_by_the_config_holds_out_a_field_all_the_same(dataset: Path) -> None:
    split = split_samples(samples_of(dataset), [], TrainConfig(validation=0.0))
    assert (len(split["train"]), len(split["validation"])) == (11, 1)


# --- fields


def made_samples(fields: Sequence[tuple[str, str, int]]) -> tuple[Sample, ...]:
    """Samples of (field, modality, number), with no image behind them."""
    return tuple(
        Sample(f"{field}.{k}", Path("none.png"), (), "kaggle", Path(), modality, field)
        for field, modality, number in fields
        for k in range(number)
    )


MIXED = made_samples(
    [(f"f{k}", "fluorescence", 1 + 3 * (k % 3 == 0)) for k in range(60)]
    + [(f"s{k}", "stained", 4) for k in range(10)]
)
FIELDS = {each.id: each.field for each in MIXED}


@pytest.mark.parametrize("seed", range(5))
def test_no_field_stands_on_both_sides_and_modalities_keep_their_share(seed: int) -> None:
    kept, held = split_by_field(MIXED, 0.2, seed, FIELDS)
    assert set(kept) | set(held) == set(MIXED)
    assert not {each.field for each in kept} & {each.field for each in held}
    for modality, total in (("fluorescence", 120), ("stained", 40)):
        assert sum(each.modality == modality for each in held) == pytest.approx(0.2 * total, abs=2)


def test_a_seed_decides_and_the_order_does_not() -> None:
    held = split_by_field(MIXED, 0.2, 1, FIELDS)[1]
    assert held == split_by_field(MIXED, 0.2, 1, FIELDS)[1]
    assert set(held) == set(split_by_field(MIXED[::-1], 0.2, 1, FIELDS)[1])
    assert held != split_by_field(MIXED, 0.2, 2, FIELDS)[1]


@pytest.mark.parametrize(("share", "number"), [(0.0, 0), (0.01, 1), (0.99, 2), (1.0, 3)])
def test_neither_side_is_empty_by_rounding(share: float, number: int) -> None:
    samples = made_samples([("a", "", 1), ("b", "", 1), ("c", "", 1)])
    assert len(split_by_field(samples, share, 0, find_fields(samples))[1]) == number


def test_a_single_field_is_kept() -> None:
    samples = made_samples([("a", "", 4)])
    assert split_by_field(samples, 0.5, 0, find_fields(samples)) == (samples, ())


def test_nothing_splits_into_nothing() -> None:
    assert split_by_field((), 0.5, 0, {}) == ((), ())
    assert split_test((), {}) == ((), ())


def test_crops_without_a_table_stay_together(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(6):
        whole = cv2.GaussianBlur(rng.normal(128, 500, (128, 128)), (0, 0), 3).clip(0, 255)
        halves = np.split(whole.astype(np.uint8), 2, axis=1)
        for side, half in zip("lr", halves, strict=True):
            Image.fromarray(half).save(tmp_path / f"{side}{number}.png")
    samples = read_dataset(tmp_path).samples
    fields = find_fields(samples)
    for seed in range(3):
        _, held = split_by_field(samples, 0.5, seed, fields)
        assert len(held) == 6
        assert len({each.id[1:] for each in held}) == 3


def test_fields_may_be_given() -> None:
    samples = made_samples([("a", "", 2), ("b", "", 2)])
    together = {each.id: each.id[-1] for each in samples}
    _, held = split_by_field(samples, 0.5, 0, together)
    assert len({each.id[-1] for each in held}) == 1


def test_test_samples_take_their_fields_along() -> None:
    samples = made_samples([("a", "", 3), ("b", "", 2)])
    samples = (replace(samples[0], split="test"), *samples[1:])
    rest, test = split_test(samples, find_fields(samples))
    assert test == samples[:1]
    assert rest == samples[3:]


# --- what the old model has learned from


@pytest.mark.parametrize(
    ("known", "fields"),
    [("abcdefgh", "abcdefghijkl"), ("aceg", "aabbccddefgh"), ("abcdefghijk", "abcdefghijkl")],
    ids=["its images", "images of its fields", "all but one"],
)
def test_what_the_start_knows_is_not_held_out_while_there_is_something_new(
    dataset: Path, known: str, fields: str
) -> None:
    samples = samples_of(dataset, fields)
    known_fields = {each.field for each in samples if each.id in known}
    for seed in range(8):
        config = replace(CONFIG, seed=seed)
        split = split_samples(samples, [each for each in samples if each.id in known], config)
        assert split["validation"]
        assert known_fields.isdisjoint(each.field for each in split["validation"])
        assert len(split["train"]) + len(split["validation"]) == 12


def test_a_training_that_goes_on_without_new_images_holds_out_the_same(dataset: Path) -> None:
    samples = samples_of(dataset)
    first = split_samples(samples, [], CONFIG)
    model = base_model(dataset, dataset="cells", split={k: ids(v) for k, v in first.items()})
    again = split_samples(samples, first["train"], CONFIG, held_before=held_out_by(model))
    assert again["validation"] == first["validation"]
    assert again["train"] == first["train"]
    assert held_out_by(None) == frozenset()


def test_new_images_are_learned_from_although_others_were_held_out_before(dataset: Path) -> None:
    samples = samples_of(dataset)
    first = split_samples(samples[:8], [], CONFIG)
    model = base_model(dataset, dataset="cells", split={k: ids(v) for k, v in first.items()})
    split = split_samples(samples, first["train"], CONFIG, held_before=held_out_by(model))
    assert set(ids(samples[8:])) & set(ids(split["train"]))
    assert split["validation"]


def test_the_share_held_out_is_of_all_images_and_of_one_field_one_at_least(dataset: Path) -> None:
    samples = samples_of(dataset)
    assert len(split_samples(samples, samples[:6], CONFIG)["validation"]) == 2, "of 12, not of 6"
    split = split_samples(samples_of(dataset, "zz"), [], CONFIG)
    assert (len(split["train"]), len(split["alike"])) == (1, 1)


def test_of_what_the_start_does_not_know_half_at_least_is_learned_from(dataset: Path) -> None:
    samples = samples_of(dataset)
    split = split_samples(samples, samples[:8], replace(CONFIG, validation=0.4))
    assert len(split["validation"]) == 2, "0.4 of 12 would be all four"
    one_field = samples_of(dataset, "abcdzzzzzzzz")
    split = split_samples(one_field, one_field[:4], CONFIG)
    assert {each.field for each in split["train"]} & {"z"}, "eight new images are to be learned"


def test_fields_of_test_images_that_were_not_asked_for_stay_out(dataset: Path) -> None:
    samples = samples_of(dataset, "ppqqrrssttuu")
    test = replace(samples[1], split="test")
    split = split_samples(samples[:9:2], samples[3:], CONFIG, tests=[test])
    used = [each for part in split.values() for each in part]
    assert {each.field for each in used} == set("qrstu")
    old_test = replace(samples[11], split="test")
    split = split_samples(samples[:9:2], samples[3:], CONFIG, tests=[old_test])
    assert "u" not in {each.field for part in split.values() for each in part}


def test_old_images_that_shall_not_be_mixed_in_keep_their_field_from_being_held_out(
    dataset: Path,
) -> None:
    samples = samples_of(dataset, "ppqqrrssttuu")
    for seed in range(8):
        split = split_samples(
            samples[::2], samples[1:7:2], replace(CONFIG, seed=seed), mix_old=False
        )
        assert split["old"] == ()
        assert {each.field for each in split["validation"]} <= set("stu")


def test_old_images_are_mixed_in_and_never_held_out(dataset: Path) -> None:
    samples = samples_of(dataset, "abcdefghijkl")
    new, old = samples[:5], samples[3:]
    split = split_samples(new, old, CONFIG)
    assert ids(split["old"]) == list("fghijkl"), "d and e are trained or validated on anyway"
    assert set(ids(split["train"] + split["validation"])) == set("abcde")
    assert "7 images that the old model learned from are mixed in" in notes(split)[0]


def test_old_images_of_a_field_that_is_held_out_or_tested_stay_out(dataset: Path) -> None:
    samples = samples_of(dataset, "ppqqrrssttuu")
    new = tuple(
        replace(each, split="test") if each.id == "i" else each
        for each in (*samples[0:8:2], samples[8])
    )
    split = split_samples(new, samples[1::2], CONFIG)
    held = {each.field for each in split["validation"]} | {"t"}
    assert "i" not in json.dumps([ids(part) for part in split.values()])
    assert {each.field for each in split["old"]} == set("pqrsu") - held


def test_not_too_many_old_ones_are_drawn_whatever_their_order(dataset: Path) -> None:
    one = samples_of(dataset)[0]
    many = [replace(one, id=f"old {number}", field=f"f{number}") for number in range(100)]
    split = split_samples(samples_of(dataset)[1:3], many, CONFIG)
    assert len(split["old"]) == MOST_OLD
    assert split_samples(samples_of(dataset)[1:3], many[::-1], CONFIG) == split

from __future__ import annotations

import csv
import os
import shutil
import unicodedata
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import tifffile
from forbidden import forbid
from PIL import Image
from squares import squares, write_sample

from napari_nucleiseg.dataset import (
    Dataset,
    read_dataset,
    read_labels,
    read_sample_image,
)
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.fields import find_fields
from napari_nucleiseg.label_files import write_label_image
from napari_nucleiseg.sample import Sample

SHAPE = (24, 32)
IMAGE = np.random.default_rng(0).integers(0, 200, SHAPE, dtype=np.uint8)
LABELS = np.zeros(SHAPE, np.int32)
LABELS[2:9, 2:9], LABELS[2:9, 12:20], LABELS[14:20, 4:12] = 1, 2, 3


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def kaggle(root: Path, *ids: str) -> Path:
    for name in ids:
        save(root / name / "images" / f"{name}.png", IMAGE)
        for number in (1, 2, 3):
            mask = (number == LABELS).astype(np.uint8) * 255
            save(root / name / "masks" / f"{number}.png", mask)
    return root


def only(dataset: Dataset) -> Sample:
    (sample,) = dataset.samples
    return sample


# --- one test a layout, up to the pixels


def test_kaggle(tmp_path: Path) -> None:
    dataset = read_dataset(kaggle(tmp_path / "data", "a", "b"))
    assert (dataset.layout, dataset.root) == ("kaggle", tmp_path / "data")
    for sample in dataset.samples:
        np.testing.assert_array_equal(read_sample_image(sample), IMAGE)
        np.testing.assert_array_equal(read_labels(sample), LABELS)


def test_merged_masks(tmp_path: Path) -> None:
    save(tmp_path / "train/inputs/1.png", IMAGE)
    save(tmp_path / "train/masks/1.png", (LABELS > 0).astype(np.uint8) * 255)
    sample = only(read_dataset(tmp_path))
    assert sample.layout == "merged"
    labels = read_labels(sample)
    assert labels is not None
    assert labels.max() == 3
    np.testing.assert_array_equal(labels > 0, LABELS > 0)


def test_label_images(tmp_path: Path) -> None:
    save(tmp_path / "images/1.png", IMAGE)
    (tmp_path / "masks").mkdir()
    tifffile.imwrite(tmp_path / "masks/1.tif", (LABELS * 100).astype(np.uint16))
    np.testing.assert_array_equal(read_labels(only(read_dataset(tmp_path))), LABELS * 100)


def test_cellpose(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "1.tif", IMAGE)
    save(tmp_path / "1_masks.png", LABELS.astype(np.uint16))
    np.testing.assert_array_equal(read_labels(only(read_dataset(tmp_path))), LABELS)


def test_a_folder_of_images_and_a_single_image(tmp_path: Path) -> None:
    save(tmp_path / "1.png", IMAGE)
    for path in (tmp_path, tmp_path / "1.png"):
        dataset = read_dataset(path)
        assert dataset.layout == "images"
        assert read_labels(only(dataset)) is None
        np.testing.assert_array_equal(read_sample_image(only(dataset)), IMAGE)


def test_zip(tmp_path: Path) -> None:
    kaggle(tmp_path / "data", "a", "b")
    archive = Path(shutil.make_archive(str(tmp_path / "cells"), "zip", tmp_path / "data"))
    (tmp_path / "samples.csv").write_text("id,field\na,F1\nb,F2\n")
    dataset = read_dataset(archive, extract_to=tmp_path / "out")
    assert dataset.root == tmp_path / "out" / "cells"
    assert [each.field for each in dataset.samples] == ["F1", "F2"]
    np.testing.assert_array_equal(read_labels(dataset.samples[0]), LABELS)
    assert read_dataset(archive, extract_to=tmp_path / "out") == dataset
    assert read_dataset(tmp_path / "out").samples == dataset.samples, "its table came along"


def test_a_zip_asks_for_a_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        opened.writestr("a.png", b"")
    with pytest.raises(BadInput, match=r"a\.zip is a zip archive: extract it"):
        read_dataset(tmp_path / "a.zip")


def test_the_made_dataset_of_the_other_tests(dsb_folder: Path) -> None:
    dataset = read_dataset(dsb_folder)
    assert (dataset.layout, len(dataset.samples), dataset.problems) == ("kaggle", 4, ())
    for sample in dataset.samples:
        labels = read_labels(sample)
        assert labels is not None
        assert labels.shape == read_sample_image(sample).shape[:2]
        assert labels.max() == len(sample.mask_paths) > 0


def test_there_must_be_something(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nowhere does not exist"):
        read_dataset(tmp_path / "nowhere")


# --- labels


def test_an_empty_masks_folder_is_unlabelled(tmp_path: Path) -> None:
    kaggle(tmp_path, "a", "b")
    for mask in (tmp_path / "a/masks").iterdir():
        mask.unlink()
    unlabelled, labelled = read_dataset(tmp_path).samples
    assert read_labels(unlabelled) is None
    assert read_labels(labelled) is not None


@pytest.mark.parametrize("mask", [(LABELS > 0) * 255, LABELS])
def test_a_single_mask_of_all_nuclei_in_the_kaggle_layout(tmp_path: Path, mask: np.ndarray) -> None:
    save(tmp_path / "a/images/a.png", IMAGE)
    save(tmp_path / "a/masks/all.png", mask.astype(np.uint8))
    assert read_labels(only(read_dataset(tmp_path))).max() == 3


def test_a_single_nucleus_in_the_kaggle_layout(tmp_path: Path) -> None:
    save(tmp_path / "a/images/a.png", IMAGE)
    save(tmp_path / "a/masks/1.png", (LABELS == 2).astype(np.uint8) * 255)
    np.testing.assert_array_equal(read_labels(only(read_dataset(tmp_path))), LABELS == 2)


def test_corrected_labels_are_the_truth(tmp_path: Path) -> None:
    sample = only(read_dataset(kaggle(tmp_path, "a")))
    write_label_image(sample.folder / "labels.tif", LABELS * 5)
    np.testing.assert_array_equal(read_labels(sample), LABELS * 5)


def test_unreadable_corrections_are_an_error_and_not_the_old_masks(tmp_path: Path) -> None:
    sample = only(read_dataset(kaggle(tmp_path, "a")))
    for spoil in (lambda path: path.write_bytes(b""), lambda path: path.symlink_to("gone")):
        spoil(sample.folder / "labels.tif")
        with pytest.raises(BadInput, match=r"labels\.tif"):
            read_labels(sample)
        (sample.folder / "labels.tif").unlink()


def test_corrections_that_may_not_be_read_are_an_error_and_not_the_old_masks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "images/1.png", IMAGE)
    save(tmp_path / "masks/1.png", LABELS.astype(np.uint8))
    sample = only(read_dataset(tmp_path))
    sample.folder.mkdir(parents=True)
    forbid(monkeypatch, sample.folder)
    with pytest.raises(BadInput, match=r"labels\.tif cannot be read"):
        read_labels(sample)


def test_corrections_of_another_size_are_refused(tmp_path: Path) -> None:
    sample = only(read_dataset(kaggle(tmp_path, "a")))
    write_label_image(sample.folder / "labels.tif", LABELS[:10])
    with pytest.raises(BadInput, match=r"labels\.tif has 10 x 32 pixels.*24 x 32"):
        read_labels(sample)


def test_a_mask_of_another_size_spoils_its_own_sample_alone(tmp_path: Path) -> None:
    kaggle(tmp_path, "a", "b")
    save(tmp_path / "a/masks/2.png", np.zeros((9, 9), np.uint8))
    bad, good = read_dataset(tmp_path).samples
    with pytest.raises(BadInput, match=r"a.masks.2\.png has 9 x 9 pixels.*24 x 32"):
        read_labels(bad)
    np.testing.assert_array_equal(read_labels(good), LABELS)


def test_the_shape_may_be_given(tmp_path: Path) -> None:
    sample = only(read_dataset(kaggle(tmp_path, "a")))
    np.testing.assert_array_equal(read_labels(sample, SHAPE), LABELS)
    with pytest.raises(BadInput, match="30 x 30"):
        read_labels(sample, (30, 30))


def test_a_pipe_and_a_broken_image_spoil_nothing_but_themselves(tmp_path: Path) -> None:
    save(tmp_path / "good.png", IMAGE)
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:-20])
    os.mkfifo(tmp_path / "pipe.png")
    cut, good, pipe = read_dataset(tmp_path).samples
    np.testing.assert_array_equal(read_sample_image(good), IMAGE)
    for bad in (cut, pipe):
        with pytest.raises(BadInput, match=bad.id):
            read_sample_image(bad)
    with pytest.raises(BadInput, match=r"pipe\.png is not a regular file"):
        read_labels(replace(good, mask_paths=(pipe.image_path,)))


# --- the table


@pytest.mark.parametrize("place", ["data", "."])
def test_the_table_in_the_folder_or_beside_it(tmp_path: Path, place: str) -> None:
    kaggle(tmp_path / "data", "a", "b")
    (tmp_path / place / "samples.csv").write_text(
        "\ufeffid,modality,field,fold,stardist_test,note\na,stained,2-1,3,1,x\nb,fluo,1-7,,0\n",
        encoding="utf-8",
    )
    dataset = read_dataset(tmp_path / "data")
    rows = [(s.modality, s.field, s.split) for s in dataset.samples]
    assert rows == [("stained", "2-1", "test"), ("fluo", "1-7", "train")]
    assert dataset.problems == ()


def test_a_table_by_name_with_a_group_column(tmp_path: Path) -> None:
    kaggle(tmp_path / "data", "a", "b")
    table = tmp_path / "mine.csv"
    table.write_text("id,group,split\na,G,test\nb,G,train\n")
    dataset = read_dataset(tmp_path / "data", table=table)
    assert [(each.field, each.split) for each in dataset.samples] == [("G", "test"), ("G", "train")]


def test_samples_without_a_row_are_spoken_of(tmp_path: Path) -> None:
    kaggle(tmp_path, "a", "b", "c")
    (tmp_path / "samples.csv").write_text("id,fold\na,first\nb,2\n")  # what is not read may be odd
    dataset = read_dataset(tmp_path)
    (problem,) = dataset.problems
    assert "no row for 1 of 3" in problem


def test_a_table_may_be_written_by_hand_or_by_other_programs(tmp_path: Path) -> None:
    kaggle(tmp_path, "a", "b", "c", "d")
    table = tmp_path / "samples.csv"
    table.write_text("ID, Split ,Field\na, Test,F\nb,TRAIN,G\nc,val,\nd,,\n")
    dataset = read_dataset(tmp_path)
    assert [each.split for each in dataset.samples] == ["test", "train", "train", ""]
    assert [each.field for each in dataset.samples] == ["F", "G", "", ""]
    assert dataset.problems == ()


@pytest.mark.parametrize(("named", "listed"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_table_knows_images_named_on_another_system(
    tmp_path: Path, named: Literal["NFC", "NFD"], listed: Literal["NFC", "NFD"]
) -> None:
    kaggle(tmp_path, unicodedata.normalize(named, "Größe"), "b")
    rows = unicodedata.normalize(listed, "Größe,f1,fluo,test\nb,f2,fluo,train\n")
    (tmp_path / "samples.csv").write_text(f"id,field,modality,split\n{rows}", encoding="utf-8")
    dataset = read_dataset(tmp_path)
    fields = {(each.field, each.modality, each.split) for each in dataset.samples}
    assert fields == {("f1", "fluo", "test"), ("f2", "fluo", "train")}
    assert dataset.problems == ()


@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("1.0", "0.0"), ("True", "False")])
def test_test_samples_may_be_marked_in_several_ways(tmp_path: Path, yes: str, no: str) -> None:
    kaggle(tmp_path, "a", "b", "c", "d")
    rows = f"a,{yes},\nb,{no},\nc,,\nd,{no},test\n"
    (tmp_path / "samples.csv").write_text(f"id,stardist_test,split\n{rows}")
    assert [s.split for s in read_dataset(tmp_path).samples] == ["test", "train", "", "test"]


def test_a_table_that_says_what_cannot_be_used_is_spoken_of_once(tmp_path: Path) -> None:
    kaggle(tmp_path, "a", "b", "c")
    rows = "a,later\nb,never\nc,test\nc,train\n"
    (tmp_path / "samples.csv").write_text(f"id,split\n{rows}")
    dataset = read_dataset(tmp_path)
    assert [each.split for each in dataset.samples] == ["", "", "train"]
    several, split = dataset.problems
    assert "several rows for c; the last one counts" in several
    assert "gives a and 1 more the split 'later'; expected train or test" in split


def test_a_table_of_other_samples_is_passed_over_unless_it_was_named(tmp_path: Path) -> None:
    kaggle(tmp_path / "data", "a")
    table = tmp_path / "samples.csv"
    table.write_text("id,field\nother,F\n")
    assert read_dataset(tmp_path / "data").problems == ()
    with pytest.raises(BadInput, match="names none of the 1 samples"):
        read_dataset(tmp_path / "data", table=table)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"name,field\na,F\n", "expected one named id"), (b"id\n\xff\xfe\n", "no readable csv")],
)
def test_a_table_that_is_none(tmp_path: Path, content: bytes, said: str) -> None:
    kaggle(tmp_path, "a")
    table = tmp_path / "samples.csv"
    table.write_bytes(content)
    with pytest.raises(BadInput, match=said):
        read_dataset(tmp_path, table=table)
    dataset = read_dataset(tmp_path)
    assert len(dataset.samples) == 1, "a table that happens to lie there stops nobody"
    assert said in dataset.problems[0]


def test_a_table_that_may_not_be_read_is_not_told_to_change_its_encoding(tmp_path: Path) -> None:
    kaggle(tmp_path / "data", "a")
    with pytest.raises(BadInput, match=r"mine\.csv cannot be read .* check that you may read it"):
        read_dataset(tmp_path / "data", table=tmp_path / "mine.csv")


# --- splitting


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_a_table_of_any_spreadsheet_is_read(tmp_path: Path, between: str) -> None:
    write_sample(tmp_path / "few" / "a", squares((64, 64), (5, 5)), masks=True)
    table = tmp_path / "few" / "samples.csv"
    rows = [("id", "modality", "split"), ("a", "stained", "test")]
    table.write_text("\n".join(between.join(row) for row in rows), encoding="utf-8-sig")
    (sample,) = read_dataset(tmp_path / "few").samples
    assert (sample.modality, sample.split) == ("stained", "test")


# --- the real data


def part_of(archive: Path, target: Path, ids: set[str]) -> Path:
    """Pack some samples of an archive: all of them take half a minute to write and remove."""
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(target, "w") as opened:
        for info in source.infolist():
            if info.filename.split("/")[1] in ids:
                opened.writestr(info, source.read(info))
    return target


@pytest.mark.real_data
def test_stained_images_of_dsb2018(dsb2018: Path, tmp_path: Path) -> None:
    with (dsb2018 / "samples.csv").open(newline="") as file:
        ids = {row["id"] for row in csv.DictReader(file) if row["modality"] == "stained"}
    archive = part_of(dsb2018 / "stage1_train.zip", tmp_path / "stained.zip", ids)
    table = dsb2018 / "samples.csv"
    dataset = read_dataset(archive, extract_to=tmp_path / "out", table=table)
    samples = dataset.samples
    assert (dataset.layout, len(samples), dataset.problems) == ("kaggle", 107, ())
    labels = [read_labels(each) for each in samples]
    nuclei = sum(int(each.max()) for each in labels if each is not None)
    assert nuclei == sum(len(each.mask_paths) for each in samples) == 4550

    found = find_fields([replace(each, field="") for each in samples])
    pairs = [(a.id, b.id) for a in samples for b in samples if a.id < b.id and a.field == b.field]
    assert np.mean([found[a] == found[b] for a, b in pairs]) > 0.9

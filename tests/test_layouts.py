from __future__ import annotations

import os
from pathlib import Path

import pytest
from empty_files import made, masks_of
from forbidden import forbid

from napari_nucleiseg import layouts
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.sample_search import find_samples


def test_kaggle(tmp_path: Path) -> None:
    made(tmp_path, "b1/images/b1.png", "b1/masks/m2.png", "b1/masks/m10.png", "a2/images/a2.png")
    found = find_samples(tmp_path)
    assert found.layout == "kaggle"
    assert masks_of(tmp_path) == {"a2": [], "b1": ["b1/masks/m2.png", "b1/masks/m10.png"]}
    assert found.samples[1].folder == tmp_path / "b1"
    assert found.samples[1].image_path == tmp_path / "b1/images/b1.png"
    assert found.problems == ()


def test_kaggle_image_of_another_name_and_a_mask_named_as_the_sample(tmp_path: Path) -> None:
    made(tmp_path, "a/images/photo.png", "a/masks/1.png", "b/images/b.png", "b/masks/b.png")
    assert find_samples(tmp_path).layout == "kaggle"
    assert masks_of(tmp_path) == {"a": ["a/masks/1.png"], "b": ["b/masks/b.png"]}


def test_one_kaggle_sample_opened_by_itself(tmp_path: Path) -> None:
    folder = made(tmp_path / "id7", "images/id7.png", "masks/1.png", "masks/2.png", "labels.tif")
    (sample,) = find_samples(folder).samples
    assert (sample.id, sample.folder, len(sample.mask_paths)) == ("id7", folder, 2)


def test_original_masks_are_the_annotation_as_it_came(tmp_path: Path) -> None:
    made(tmp_path, "a/images/a.png", "a/masks/new.png", "a/masks.original/old.png", "a/labels.tif")
    assert masks_of(tmp_path) == {"a": ["a/masks.original/old.png"]}


def test_kaggle_samples_without_an_image_are_spoken_of_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    made(tmp_path, "a/images/a.png", "b/masks/1.png", "c/images/c.txt", "docs/readme.txt")
    found = find_samples(tmp_path)
    assert [each.id for each in found.samples] == ["a"]
    assert len(found.problems) == 2
    assert str(tmp_path / "b") in found.problems[0]


@pytest.mark.parametrize("forbidden", ["b", "b/images", "b/masks"])
def test_a_kaggle_sample_that_may_not_be_read_is_spoken_of_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forbidden: str
) -> None:
    made(tmp_path, "a/images/a.png", "a/masks/1.png", "b/images/b.png", "b/masks/1.png")
    forbid(monkeypatch, tmp_path / forbidden)
    found = find_samples(tmp_path)
    assert [each.id for each in found.samples] == ["a"]
    (problem,) = found.problems
    assert f"{tmp_path / forbidden} cannot be listed" in problem


@pytest.mark.parametrize("forbidden", ["", "images", "masks"])
def test_label_images_that_may_not_be_read_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forbidden: str
) -> None:
    """Rather than opened as images without masks."""
    made(tmp_path, "images/a.png", "images/b.png", "masks/a.png", "masks/b.png")
    forbid(monkeypatch, tmp_path / forbidden)
    with pytest.raises(BadInput, match="cannot be listed") as caught:
        find_samples(tmp_path)
    assert str(tmp_path / forbidden) in str(caught.value)


def test_a_link_in_a_circle_counts_as_an_image_that_cannot_be_read(tmp_path: Path) -> None:
    made(tmp_path, "a.png")
    (tmp_path / "circle.png").symlink_to("circle.png")
    assert [each.id for each in find_samples(tmp_path).samples] == ["a", "circle"]


def test_a_second_image_of_kaggle_samples_is_spoken_of(tmp_path: Path) -> None:
    made(tmp_path, "a/images/a.png", "a/images/a.tif", "a/masks/1.png", "b/images/b.png")
    found = find_samples(tmp_path)
    assert [each.image_path.name for each in found.samples] == ["a.png", "b.png"]
    (problem,) = found.problems
    assert f"{tmp_path / 'a/images/a.tif'} is passed over" in problem
    made(tmp_path, "b/images/c.png")
    (problem,) = find_samples(tmp_path).problems
    assert "a.tif and 1 more images are passed over" in problem


@pytest.mark.parametrize("image", ["a/images/a.png", "images/a.png"])
def test_masks_of_kinds_that_are_not_read_are_spoken_of(tmp_path: Path, image: str) -> None:
    masks = str(Path(image).parent.parent / "masks")
    made(tmp_path, image, f"{masks}/1.BMP", f"{masks}/2.npy", f"{masks}/readme.txt")
    (problem,) = find_samples(tmp_path).problems
    assert "1.BMP and 1 more files of masks are of a kind that is not read" in problem


@pytest.mark.parametrize("masks", ["masks", "labels"])
@pytest.mark.parametrize("ending", ["", "_mask", "_masks", "_label"])
def test_images_beside_masks_of_the_same_stem(tmp_path: Path, masks: str, ending: str) -> None:
    made(tmp_path, "images/a.tif", "images/b.tif", f"{masks}/a{ending}.png")
    found = find_samples(tmp_path)
    assert found.layout == "labels"
    assert masks_of(tmp_path) == {"a": [f"{masks}/a{ending}.png"], "b": []}


@pytest.mark.parametrize("names", [("\u00e9", "e\u0301"), ("e\u0301", "\u00e9")])
def test_an_accent_may_be_written_in_two_ways(tmp_path: Path, names: tuple[str, str]) -> None:
    """Macs write it as a letter of its own."""
    image, mask = names
    two = made(tmp_path / "two", f"images/{image}.png", "images/b.png", f"masks/{mask}.png")
    assert masks_of(two) == {"b": [], image: [f"masks/{mask}.png"]}
    flat = made(tmp_path / "flat", f"{image}.png", f"{mask}_masks.png", f"{mask}_flows.tif")
    assert masks_of(flat) == {image: [f"{mask}_masks.png"]}


def test_names_that_differ_in_the_writing_of_an_accent_alone_are_two(tmp_path: Path) -> None:
    names = ["\u00e9.png", "e\u0301.png"]
    made(tmp_path, *(f"{folder}/{name}" for folder in ("images", "masks") for name in names))
    if len(list((tmp_path / "images").iterdir())) == 1:
        pytest.skip("this file system takes them for one")
    assert masks_of(tmp_path) == {name[:-4]: [f"masks/{name}"] for name in names}


def test_masks_without_an_image_are_spoken_of(tmp_path: Path) -> None:
    made(tmp_path, "images/a.tif", "masks/a.tif", "masks/b.tif", "masks/c.tif")
    (problem,) = find_samples(tmp_path).problems
    assert "b.tif" in problem
    assert "1 more" in problem


@pytest.mark.parametrize("mask", ["a_masks.tif", "a_masks.png", "a_cp_masks.png", "a_mask.png"])
def test_cellpose(tmp_path: Path, mask: str) -> None:
    made(tmp_path, "a.tif", mask, "a_flows.tif", "b.tif", "a_seg.npy")
    found = find_samples(tmp_path)
    assert found.layout == "cellpose"
    assert masks_of(tmp_path) == {"a": [mask], "b": []}
    assert found.samples[0].folder == tmp_path / "nucleiseg/a"


def test_cellposes_own_data(tmp_path: Path) -> None:
    names = ["0_img.png", "0_masks.png", "1_img.png", "1_masks.png", "1_flows.tif", "2_img.png"]
    flat = made(tmp_path / "flat", *names)
    assert masks_of(flat) == {"0_img": ["0_masks.png"], "1_img": ["1_masks.png"], "2_img": []}
    folders = made(tmp_path / "two", "images/0_img.png", "images/0.png", "masks/0_masks.png")
    assert masks_of(folders) == {"0": ["masks/0_masks.png"], "0_img": []}


def test_a_flat_folder_of_images(tmp_path: Path) -> None:
    made(tmp_path, "10.JPG", "2.png", "1.TIFF", "the_masks.png", "notes.txt")
    found = find_samples(tmp_path)
    assert found.layout == "images"
    assert [each.id for each in found.samples] == ["1", "2", "10", "the_masks"]


def test_files_that_differ_in_their_ending_alone(tmp_path: Path) -> None:
    made(tmp_path, "a.jpg", "a.tif", "b.png")
    found = find_samples(tmp_path)
    assert [each.image_path.name for each in found.samples] == ["a.tif", "b.png"]
    assert "a.jpg" in found.problems[0]


def test_what_is_no_file_keeps_its_place_until_it_is_read(tmp_path: Path) -> None:
    made(tmp_path, "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "broken.png").symlink_to("nowhere")
    assert [each.id for each in find_samples(tmp_path).samples] == ["a", "broken", "pipe"]


def test_an_image_whose_name_ends_in_a_blank_gets_a_folder_that_windows_can_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, "cell 1.tif", "cell 1 .tif", "cell 1..tif")
    found = {each.image_path.name: each.folder.name for each in find_samples(tmp_path).samples}
    assert found == {"cell 1.tif": "cell 1", "cell 1 .tif": "cell 1%20", "cell 1..tif": "cell 1%2E"}
    monkeypatch.setattr(layouts, "ON_WINDOWS", True)
    (tmp_path / "nucleiseg" / "cell 1 ").mkdir(parents=True)  # there it is that of "cell 1"
    assert {each.folder.name for each in find_samples(tmp_path).samples} == set(found.values())


@pytest.mark.skipif(os.name == "nt", reason="Windows drops the blank")
def test_a_folder_whose_name_ends_in_a_blank_is_still_found(tmp_path: Path) -> None:
    made(tmp_path, "cell 1 .tif", "nucleiseg/cell 1 /labels.tif")
    (sample,) = find_samples(tmp_path).samples
    assert sample.folder == tmp_path / "nucleiseg" / "cell 1 "

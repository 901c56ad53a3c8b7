from __future__ import annotations

from pathlib import Path

import pytest
from empty_files import made, masks_of
from forbidden import forbid

from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.sample_search import find_samples, single_image


def test_a_forbidden_folder_beside_the_one_dataset_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, "lost+found/x", "cells/a.png")
    forbid(monkeypatch, tmp_path / "lost+found")
    found = find_samples(tmp_path)
    assert [each.id for each in found.samples] == ["a"]
    assert "lost+found cannot be listed" in found.problems[0]
    forbid(monkeypatch, tmp_path / "cells")
    with pytest.raises(BadInput, match="cells cannot be listed"):
        find_samples(tmp_path)


def test_a_dataset_of_which_a_part_is_forbidden_is_not_replaced_by_its_neighbour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, "cells/images/a.png", "cells/images/b.png", "cells/masks/a.png", "other/a.png")
    forbid(monkeypatch, tmp_path / "cells/masks")
    with pytest.raises(BadInput, match="cells/masks cannot be listed"):
        find_samples(tmp_path)


def test_train_and_test_with_inputs(tmp_path: Path) -> None:
    made(tmp_path, "train/inputs/1.png", "train/inputs/2.png", "train/masks/1.png")
    made(tmp_path, "train/masks/2.png", "test/inputs/7.png", "test/masks/7.png")
    found = find_samples(tmp_path)
    assert found.layout == "merged"
    assert [(each.id, each.split) for each in found.samples] == [
        ("1", "train"),
        ("2", "train"),
        ("7", "test"),
    ]
    assert masks_of(tmp_path)["7"] == ["test/masks/7.png"]
    assert found.samples[0].folder == tmp_path / "train/inputs/nucleiseg/1"


def test_one_name_in_train_and_test_gives_two_ids(tmp_path: Path) -> None:
    made(tmp_path, "train/inputs/1.png", "test/inputs/1.png", "test/inputs/2.png")
    found = find_samples(tmp_path)
    assert [each.id for each in found.samples] == ["2", "test-1", "train-1"]
    assert len({each.folder for each in found.samples}) == 3


def test_one_name_in_train_and_val_gives_two_ids(tmp_path: Path) -> None:
    """Both are of the side that is trained on."""
    made(tmp_path, "train/images/1.png", "val/images/1.png", "test/images/1.png")
    found = find_samples(tmp_path)
    assert {each.id: each.split for each in found.samples} == {
        "train-1": "train",
        "val-1": "train",
        "test-1": "test",
    }


def test_ids_that_differ_in_case_alone_are_numbered(tmp_path: Path) -> None:
    if (made(tmp_path, "A.tif") / "a.tif").exists():
        pytest.skip("this file system ignores case")
    made(tmp_path, "a.tif", "a-2.tif")
    samples = find_samples(tmp_path).samples
    assert len({each.id.casefold() for each in samples}) == 3
    (third,) = (each for each in samples if each.image_path.name == "a-2.tif")
    assert third.id == "a-2", "whose id is nobody else's keeps it"


@pytest.mark.parametrize(
    ("names", "ids", "said"),
    [
        (["a.tif", "b.tif", "test/c.tif"], ["a", "b"], "1 image in test is passed over"),
        (
            ["a.tif", "b.tif", "c.tif", "x/images/x.png", "y/images/y.png"],
            ["a", "b", "c"],
            "2 images in x and 1 more folders are passed over: put them into a folder",
        ),
        (["a.tif", "b.tif", "first test of stain/c.tif"], ["a", "b"], "first test of stain"),
        (["overview.png", "train/a.tif", "test/b.tif"], ["a", "b"], "1 image in"),
        (["a.tif", "images/b.tif", "images/c.tif"], ["b", "c"], "a.tif, is passed over"),
        (["a.tif", "x/images/x.png", "y/images/y.png"], ["x", "y"], "a.tif, is passed over"),
        (["a.tif", "b.tif", "x/images/x.png", "x/masks/1.png"], ["x"], "a.tif, are passed over"),
        (["a.tif", "b.tif", "images/x.png", "masks/x.png"], ["x"], "a.tif, are passed over"),
        (
            ["a.tif", "b.tif", "images/x.png", "images/nucleiseg/x/labels.tif"],
            ["x"],
            "a.tif, are passed over",
        ),
    ],
)
def test_images_beside_a_dataset_are_spoken_of(
    tmp_path: Path, names: list[str], ids: list[str], said: str
) -> None:
    found = find_samples(made(tmp_path, *names))
    assert [each.id for each in found.samples] == ids
    (problem,) = found.problems
    assert said in problem


def test_stardist_folders_are_not_taken_for_kaggle_samples(tmp_path: Path) -> None:
    """Also with a single image in each of them."""
    made(tmp_path, "train/images/a.tif", "train/masks/a.tif", "test/images/b.tif")
    made(tmp_path, "test/masks/b.tif")
    found = find_samples(tmp_path)
    assert found.layout == "labels"
    assert [(each.id, each.split) for each in found.samples] == [("a", "train"), ("b", "test")]


def test_a_test_folder_without_masks_and_with_a_single_image(tmp_path: Path) -> None:
    made(tmp_path, "train/images/a.tif", "train/images/b.tif", "train/masks/a.tif")
    made(tmp_path, "test/images/c.tif")
    found = find_samples(tmp_path)
    assert found.layout == "labels"
    assert [each.split for each in found.samples] == ["train", "train", "test"]


@pytest.mark.parametrize("below", ["stage1_train", "data/stage1_train"])
def test_a_folder_that_holds_nothing_but_the_dataset(tmp_path: Path, below: str) -> None:
    made(tmp_path / below, "a/images/a.png", "b/images/b.png")
    found = find_samples(tmp_path)
    assert found.root == tmp_path / below
    assert [(each.id, each.split) for each in found.samples] == [("a", ""), ("b", "")]


def test_stage1_train_beside_stage1_test(tmp_path: Path) -> None:
    made(tmp_path, "stage1_train/a/images/a.png", "stage1_train/a/masks/1.png")
    made(tmp_path, "stage1_test/b/images/b.png")
    found = find_samples(tmp_path)
    assert found.layout == "kaggle"
    assert [(each.id, each.split) for each in found.samples] == [("a", "train"), ("b", "test")]


def test_hidden_files_and_own_files_are_passed_over(tmp_path: Path) -> None:
    made(tmp_path, "images/a.png", "images/.b.png", "images/nucleiseg/a/prediction.tif")
    made(tmp_path, "__MACOSX/images/a.png", ".cache/images/a.png")
    assert [each.id for each in find_samples(tmp_path).samples] == ["a"]


@pytest.mark.parametrize("names", [[], ["notes.txt"], ["deep/er/and/deeper/a.png"]])
def test_a_folder_without_images_is_refused(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(BadInput, match="holds no images") as caught:
        find_samples(made(tmp_path, *names))
    assert str(tmp_path) in str(caught.value)


def test_a_folder_with_a_zip_says_what_to_open(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nuclei\.zip: open that file"):
        find_samples(made(tmp_path, "nuclei.zip", "readme.md"))


def test_several_datasets_are_not_mixed(tmp_path: Path) -> None:
    made(tmp_path, "monday/a.png", "tuesday/a.png")
    with pytest.raises(BadInput, match="monday, tuesday"):
        find_samples(tmp_path)


def test_a_single_image_with_and_without_its_mask(tmp_path: Path) -> None:
    made(tmp_path, "a.tif", "a_masks.tif", "b.tif")
    found = single_image(tmp_path / "a.tif")
    assert found.layout == "cellpose"
    assert [(each.id, each.mask_paths) for each in found.samples] == [
        ("a", (tmp_path / "a_masks.tif",))
    ]
    found = single_image(tmp_path / "b.tif")
    assert found.layout == found.samples[0].layout == "images"
    assert found.samples[0].folder == tmp_path / "nucleiseg/b"


def test_a_single_image_may_have_any_ending(tmp_path: Path) -> None:
    """What it really is turns out when it is read."""
    made(tmp_path, "a.dat")
    assert single_image(tmp_path / "a.dat").samples[0].id == "a"


@pytest.mark.parametrize("name", ["slide.SVS", "stack.czi", "cells.nd2"])
def test_files_of_microscopes_are_named_and_it_is_said_what_to_do(
    tmp_path: Path, name: str
) -> None:
    made(tmp_path, name)
    with pytest.raises(BadInput, match=rf"{name} is of a kind that is not read: export .* TIFF"):
        find_samples(tmp_path)
    made(tmp_path, "a.png", f"z{name}")
    found = find_samples(tmp_path)
    assert [each.id for each in found.samples] == ["a"]
    (problem,) = found.problems
    assert f"{name} and 1 more are of a kind that is not read: export" in problem

"""Made images: deterministic, exact, and like the kind that they are named after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.measure import label as connected_pieces
from skimage.measure import regionprops

from napari_nucleiseg.synthetic import KINDS, make_dataset, make_image

SHAPE = (192, 160)


@pytest.fixture(params=[(kind, seed) for kind in KINDS for seed in range(3)], ids=str)
def made(request: pytest.FixtureRequest) -> tuple[str, np.ndarray, np.ndarray]:
    kind, seed = request.param
    return kind, *make_image(kind, SHAPE, seed)


def test_image_and_labels_have_the_shape_that_was_asked_for(made) -> None:
    kind, image, labels = made
    assert image.shape == ((*SHAPE, 3) if kind == "stained" else SHAPE)
    assert image.dtype == np.uint8
    assert labels.shape == SHAPE
    assert labels.dtype == np.int32


def test_each_nucleus_is_one_piece_with_an_id_of_its_own(made) -> None:
    _, _, labels = made
    ids = np.unique(labels)
    assert ids.tolist() == list(range(len(ids)))
    assert len(ids) > 1
    for nucleus in ids[1:]:
        assert connected_pieces(labels == nucleus, connectivity=1).max() == 1


def test_nuclei_stand_out_from_what_is_around_them(made) -> None:
    kind, image, labels = made
    grey = image.reshape(*SHAPE, -1).mean(axis=2)
    inside, outside = np.median(grey[labels > 0]), np.median(grey[labels == 0])
    if kind == "fluorescence":
        assert inside > 2 * outside
    else:
        assert inside < 0.8 * outside


def test_labels_lie_where_the_nuclei_are() -> None:
    image, labels = make_image("fluorescence", (256, 256), 0)
    inside = labels > 0
    aligned = image[inside].mean() - image[~inside].mean()
    for shift in ((4, 0), (-4, 0), (0, 4), (0, -4)):
        moved = np.roll(inside, shift, (0, 1))
        assert image[moved].mean() - image[~moved].mean() < aligned


def test_same_seed_same_image() -> None:
    for one, other in zip(
        make_image("stained", SHAPE, 5), make_image("stained", SHAPE, 5), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_other_seed_other_image() -> None:
    one, other = (make_image("fluorescence", SHAPE, seed)[1] for seed in (0, 3))
    assert (one != other).any()


def test_some_nuclei_touch() -> None:
    labels = make_image("fluorescence", (256, 256), 0)[1]
    beside = (labels[:, :-1] != labels[:, 1:]) & (labels[:, :-1] > 0) & (labels[:, 1:] > 0)
    assert beside.any()


def test_number_and_size_can_be_asked_for() -> None:
    labels = make_image("fluorescence", (400, 400), 1, nuclei=60, diameter=24)[1]
    assert labels.max() == 60
    diameters = [region.equivalent_diameter_area for region in regionprops(labels)]
    assert np.median(diameters) == pytest.approx(24, rel=0.15)


def test_many_nuclei_find_room_by_being_smaller() -> None:
    labels = make_image("fluorescence", (512, 512), 0, nuclei=400)[1]
    assert labels.max() > 360


def test_more_than_there_is_room_for_gives_fewer() -> None:
    labels = make_image("fluorescence", (64, 64), 0, nuclei=50, diameter=30)[1]
    assert 0 < labels.max() < 50


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of fluorescence"):
        make_image("electron", SHAPE, 0)


def test_dataset_has_the_layout_of_dsb2018(dsb_folder: Path) -> None:
    folders = sorted(path.name for path in dsb_folder.iterdir() if path.is_dir())
    assert folders == [
        "brightfield-tissue-01",
        "fluorescence-01",
        "fluorescence-02",
        "stained-01",
    ]
    for name in folders:
        with Image.open(dsb_folder / name / "images" / f"{name}.png") as image:
            assert image.mode == "RGBA"
            assert image.size == (128, 128)
        masks = [np.asarray(Image.open(path)) for path in (dsb_folder / name / "masks").iterdir()]
        assert masks
        assert all(set(np.unique(mask)) == {0, 255} for mask in masks)
        assert np.sum([mask > 0 for mask in masks], axis=0).max() == 1


def test_masks_of_a_dataset_are_the_labels_of_its_image(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path / "dsb", seed=2, count=1, edge=96)
    labels = make_image("fluorescence", (96, 96), 2000)[1]
    files = sorted((folder / "fluorescence-01" / "masks").iterdir())
    assert len(files) == labels.max()
    for number, file in enumerate(files, start=1):
        np.testing.assert_array_equal(np.asarray(Image.open(file)) > 0, labels == number)


def test_samples_csv_names_each_sample_once(dsb_folder: Path) -> None:
    lines = (dsb_folder / "samples.csv").read_text().splitlines()
    assert lines[0] == "id,modality,field,stardist_test"
    assert [line.split(",")[1] for line in lines[1:]] == [*KINDS, "fluorescence"]
    assert len({line.split(",")[2] for line in lines[1:]}) == 4

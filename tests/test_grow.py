"""A nucleus grown from a click, on bright, dark and stained images, and on maps."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from drawn import disc, discs, iou

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.edits import Edit, grow_from_click
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.shapes import depth

# Samples of the real data, and the mean IoU that is reached on each at least.
REAL = {
    "1f6b7cead15344593b32d5f2345fc26713dc74d9b31306c824209d67da401fd8": 0.88,  # fluorescence
    "5d75a63972ef643efd7c42f20668b167f2af43635d6263962d84e62e7609ab51": 0.72,  # stained
    "4e07a653352b30bb95b60ebc6c57afbc7215716224af731c51ff8d430788cd40": 0.6,  # bright-field tissue
}
SHAPE = (160, 160)
TRUTH = discs(SHAPE, (40, 40, 14), (40, 72, 14), (100, 60, 12), (110, 120, 15), (150, 20, 14))


def photographed(
    nuclei: np.ndarray, background: tuple, colour: tuple, noise: float = 3
) -> np.ndarray:
    """Nuclei of one colour on a background of another, blurred and noisy, uint8."""
    random = np.random.default_rng(0)
    share = cv2.GaussianBlur(nuclei.astype(np.float32), (0, 0), 1.2)[..., None]
    image = np.array(background) * (1 - share) + np.array(colour) * share
    image = image + random.normal(0, noise, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8).squeeze()


IMAGES = {
    "fluorescence": photographed(TRUTH > 0, (20,), (140,)),
    "dim fluorescence": photographed(TRUTH > 0, (12,), (30,), 1),
    "dark on bright": photographed(TRUTH > 0, (220,), (120,)),
    "stained": photographed(TRUTH > 0, (230, 180, 215), (110, 70, 150)),
    "only the hue differs": photographed(TRUTH > 0, (200, 120, 160), (120, 160, 200)),
}


def real_sample(folder: Path, sample: str) -> tuple[np.ndarray, np.ndarray]:
    """Image and labels of one sample of stage1_train.zip."""
    with zipfile.ZipFile(folder / "stage1_train.zip") as archive:
        parts = [name for name in archive.namelist() if sample in name and name.endswith(".png")]
        images = {
            name: cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_COLOR)
            for name in parts
        }
    labels = np.zeros(next(iter(images.values())).shape[:2], np.int32)
    masks = [mask for name, mask in sorted(images.items()) if "/masks/" in name]
    for number, mask in enumerate(masks, start=1):
        labels[mask[..., 0] > 0] = number
    return next(image for name, image in images.items() if "/images/" in name), labels


def grown(edit: Edit, labels: np.ndarray) -> np.ndarray:
    return edit.apply(labels) == edit.touched[0]


@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize("missing", [1, 3, 4, 5])
def test_a_missing_nucleus_is_found_again(kind: str, missing: int) -> None:
    removed = np.isin(TRUTH, missing)
    labels = np.where(removed, 0, TRUTH).astype(np.int32)
    centre = np.argwhere(removed).mean(axis=0)
    found = grow_from_click(labels, tuple(centre + 3), image=IMAGES[kind])
    assert iou(grown(found, labels), removed) > 0.85
    assert found.touched == (labels.max() + 1,)
    assert (labels[found.index] == 0).all()


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_without_neighbours_and_in_other_dtypes(dtype: type) -> None:
    image = IMAGES["fluorescence"].astype(dtype) * dtype(4)
    labels = np.zeros(SHAPE, np.int32)
    found = grow_from_click(labels, (100, 60), image=image)
    assert iou(grown(found, labels), TRUTH == 3) > 0.85
    assert found.touched == (1,)


def test_a_nucleus_that_touches_another_is_clipped_by_it() -> None:
    touching = discs((100, 100), (50, 35, 16), (50, 62, 16))
    image = photographed(touching > 0, (20,), (140,))
    labels = np.where(touching == 2, 2, 0).astype(np.int32)
    found = grow_from_click(labels, (50, 32), image=image)
    assert iou(grown(found, labels), touching == 1) > 0.85
    assert (found.apply(labels)[touching == 2] == 2).all()


def test_a_dark_nucleolus_is_filled() -> None:
    image = photographed(disc((80, 80), 40, 40, 18) & ~disc((80, 80), 40, 45, 4), (20,), (140,))
    labels = np.zeros((80, 80), np.int32)
    found = grow_from_click(labels, (40, 32), image=image)
    assert grown(found, labels)[40, 45]


def test_a_nucleus_that_leaves_the_first_window_is_found_whole() -> None:
    truth = disc((300, 300), 150, 150, 50)
    labels = np.zeros((300, 300), np.int32)
    found = grow_from_click(labels, (150, 180), image=photographed(truth, (20,), (140,)))
    assert iou(grown(found, labels), truth) > 0.95
    found = grow_from_click(labels, (150, 180), maps=maps_of(truth.astype(np.int32)))
    assert iou(grown(found, labels), truth) > 0.95


def test_what_is_far_larger_than_the_neighbours_is_no_nucleus() -> None:
    labels = discs((120, 120), (10, 10, 6), (10, 60, 6), (10, 110, 6))
    glare = disc((120, 120), 70, 60, 30)
    image = photographed(glare | (labels > 0), (20,), (140,))
    with pytest.raises(BadInput, match="Nothing stands out"):
        grow_from_click(labels, (70, 60), image=image)


def test_a_nucleus_at_the_edge_of_the_image_is_not_rounded() -> None:
    truth = disc((80, 80), 79, 40, 16)
    labels = np.zeros((80, 80), np.int32)
    found = grown(
        grow_from_click(labels, (75, 40), image=photographed(truth, (20,), (140,))), labels
    )
    assert abs(int(found[79].sum()) - int(truth[79].sum())) <= 4
    assert iou(found, truth) > 0.9


def test_a_large_nucleus_beyond_the_first_window_is_found() -> None:
    truth = disc((300, 300), 150, 150, 75)
    labels = np.zeros((300, 300), np.int32)
    found = grow_from_click(labels, (150, 150), image=photographed(truth, (20,), (140,)))
    assert iou(grown(found, labels), truth) > 0.95


@pytest.mark.parametrize("noise", [0, 3])
def test_empty_background_is_refused(noise: float) -> None:
    image = photographed(np.zeros(SHAPE, bool), (20,), (140,), noise)
    with pytest.raises(BadInput, match="Nothing stands out"):
        grow_from_click(np.zeros(SHAPE, np.int32), (80, 80), image=image)


def maps_of(truth: np.ndarray, foreground: float = 1.0) -> np.ndarray:
    """Maps as a network would give them, uint8."""
    maps = np.zeros((*truth.shape, 3), np.float32)
    for number in range(1, truth.max() + 1):
        deep = depth(truth == number)
        maps[..., 1] = np.maximum(maps[..., 1], deep / deep.max())
    maps[..., 0] = cv2.GaussianBlur((truth > 0).astype(np.float32), (0, 0), 1.0) * foreground
    return (255 * maps).astype(np.uint8)


@pytest.mark.parametrize("foreground", [1.0, 0.3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_grown_from_maps_also_where_they_are_faint(foreground: float, dtype: type) -> None:
    maps = maps_of(TRUTH, foreground)
    if dtype == np.float32:
        maps = maps.astype(np.float32) / 255
    labels = np.where(TRUTH == 3, 0, TRUTH).astype(np.int32)
    found = grow_from_click(labels, (100, 60), maps=maps)
    assert iou(grown(found, labels), TRUTH == 3) > 0.9


def test_maps_part_touching_nuclei() -> None:
    touching = discs((100, 120), (50, 40, 18), (50, 74, 18))
    labels = np.zeros_like(touching)
    found = grow_from_click(labels, (52, 36), maps=maps_of(touching))
    assert iou(grown(found, labels), touching == 1) > 0.85


def test_rims_of_neighbours_are_not_taken() -> None:
    # Labels are tighter than the foreground: the rims hang together with the new nucleus.
    labels = discs((100, 100), (50, 62, 12))
    truth = discs((100, 100), (50, 35, 12), (50, 62, 15))
    found = grow_from_click(labels, (50, 33), maps=maps_of(truth))
    assert not grown(found, labels)[:, 60:].any()
    assert iou(grown(found, labels), truth == 1) > 0.8


def test_the_image_is_asked_where_the_maps_see_nothing() -> None:
    labels = np.where(TRUTH == 3, 0, TRUTH).astype(np.int32)
    blind = np.zeros((*SHAPE, 3), np.uint8)
    with pytest.raises(BadInput, match="Nothing stands out"):
        grow_from_click(labels, (100, 60), maps=blind)
    found = grow_from_click(labels, (100, 60), maps=blind, image=IMAGES["fluorescence"])
    assert iou(grown(found, labels), TRUTH == 3) > 0.85


def test_clicks_that_cannot_add_are_refused() -> None:
    image = IMAGES["fluorescence"]
    with pytest.raises(BadInput, match="Nucleus 1 is here already"):
        grow_from_click(TRUTH, (40, 40), image=image)
    for outside in ((-1, 5), (5, 160), (1e9, 0)):
        with pytest.raises(BadInput, match="outside the image"):
            grow_from_click(TRUTH, outside, image=image)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="neither maps nor image"):
        grow_from_click(TRUTH, (0, 0))
    with pytest.raises(ValueError, match=r"\(160, 160\).*\(10, 10\)"):
        grow_from_click(TRUTH, (0, 0), image=np.zeros((10, 10)))


@pytest.mark.real_data
def test_real_nuclei_are_grown_from_the_image(dsb2018: Path) -> None:
    """Every eighth nucleus of three images; all that was tuned on such images shows here."""
    for sample, least in REAL.items():
        image, truth = real_sample(dsb2018, sample)
        found = []
        for number in range(1, truth.max() + 1, 8):
            mask = truth == number
            inside = np.unravel_index(depth(mask).argmax(), mask.shape)
            labels = np.where(mask, 0, truth).astype(np.int32)
            found.append(iou(grown(grow_from_click(labels, inside, image=image), labels), mask))
        assert np.mean(found) > least, sample

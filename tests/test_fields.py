from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from napari_nucleiseg.fields import edges_of, find_fields, neighbours
from napari_nucleiseg.sample import Sample
from napari_nucleiseg.sample_search import find_samples


def field_of_view(seed: int, height: int = 192, width: int = 192) -> np.ndarray:
    """Blurred discs on uneven light, with noise."""
    rng = np.random.default_rng(seed)
    image = np.zeros((height, width), np.float32)
    for y, x in rng.integers(0, (height, width), (height * width // 500, 2)).tolist():
        cv2.circle(image, (x, y), int(rng.integers(5, 10)), float(rng.uniform(60, 200)), -1)
    light = 20 + 20 * np.hypot(*np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j])
    noise = rng.normal(0, 2, image.shape)
    return np.clip(cv2.GaussianBlur(image, (0, 0), 1.5) + light + noise, 0, 255).astype(np.uint8)


def quarters(image: np.ndarray) -> list[np.ndarray]:
    return [part for half in np.split(image, 2) for part in np.split(half, 2, axis=1)]


def saved(folder: Path, **images: np.ndarray) -> tuple[Sample, ...]:
    for name, image in images.items():
        Image.fromarray(image).save(folder / f"{name}.png")
    return find_samples(folder).samples


def grouped(fields: dict[str, str]) -> set[frozenset[str]]:
    return {frozenset(k for k, v in fields.items() if v == field) for field in fields.values()}


@pytest.mark.parametrize("colour", [False, True])
def test_quarters_of_a_field_are_found_by_their_edges(tmp_path: Path, colour: bool) -> None:
    images = {}
    for number in range(5):
        whole = field_of_view(number)
        whole = np.dstack([whole, 255 - whole, whole // 2]) if colour else whole
        parts = quarters(whole)
        images |= {f"{'pqrs'[k]}{(number * 7 + k * 3) % 11}{number}": parts[k] for k in range(4)}
    found = grouped(find_fields(saved(tmp_path, **images)))
    expected = {frozenset(n for n in images if n.endswith(str(number))) for number in range(5)}
    assert found == expected


def test_images_of_one_microscope_are_not_joined_by_its_uneven_light(tmp_path: Path) -> None:
    """Each edge has the same light, some noise, and hardly a nucleus."""
    rng = np.random.default_rng(0)
    light = 60 + 60 * np.hypot(*np.mgrid[-1:1:96j, -1:1:96j])
    images = {f"n{c}": light + rng.normal(0, 2, light.shape) for c in "abcdefghij"}
    samples = saved(tmp_path, **{name: image.astype(np.uint8) for name, image in images.items()})
    assert len(set(find_fields(samples).values())) == 10


def test_black_images_are_not_joined(tmp_path: Path) -> None:
    images = [np.zeros((32, 32), np.uint8) for _ in range(3)]
    for number, image in enumerate(images):
        image[16, 10 + number] = 255
    samples = saved(tmp_path, a=images[0], b=images[1], c=images[2])
    assert len(set(find_fields(samples).values())) == 3


def test_one_image_under_two_names(tmp_path: Path) -> None:
    samples = saved(tmp_path, a=field_of_view(1), b=field_of_view(2), c=field_of_view(1))
    assert grouped(find_fields(samples)) == {frozenset("ac"), frozenset("b")}


@pytest.mark.parametrize(
    "names",
    [
        ("s1_x0_y0", "s1_x0_y1"),
        ("s1_r1_c2", "s1_r2_c1"),
        ("s1_row1_col2", "s1_row1_col3"),
        ("s1_tile3", "s1_tile_12"),
        ("s1-crop-1", "s1-crop-2"),
        ("s1_0_256", "s1_256_0"),
        ("s1x0y1", "s1x1y0"),
        ("s1_t001", "s1_t002"),
        ("s1_T01_z3", "s1_T02_z1"),
        ("s1_t01z3", "s1_t02z1"),
        ("s1_time12", "s1_time7"),
        ("s1-frame-3", "s1-frame-4"),
        ("s1_slice 3", "s1_slice 14"),
        ("s1z05", "s1z06"),
        ("frame_0001", "frame_0002"),
        ("plane1_z1", "plane1_z2"),
    ],
)
def test_tile_names(tmp_path: Path, names: tuple[str, str]) -> None:
    one, two, other = (field_of_view(seed, 64, 64) for seed in (1, 2, 3))
    samples = saved(tmp_path, **{names[0]: one, names[1]: two, "s2_x0_y0": other})
    assert grouped(find_fields(samples)) == {frozenset(names), frozenset(["s2_x0_y0"])}


@pytest.mark.parametrize("file", ["{name}.png", "image.png"])
def test_tiles_with_a_folder_each(tmp_path: Path, file: str) -> None:
    for seed, name in enumerate(("s1_x0_y0", "s1_x0_y1", "s2_x0_y0")):
        image = tmp_path / name / "images" / file.format(name=name)
        image.parent.mkdir(parents=True)
        Image.fromarray(field_of_view(seed, 64, 64)).save(image)
    found = find_samples(tmp_path)
    assert found.layout == "kaggle"
    expected = {frozenset(["s1_x0_y0", "s1_x0_y1"]), frozenset(["s2_x0_y0"])}
    assert grouped(find_fields(found.samples)) == expected


def test_tiles_of_one_name_in_train_and_test_are_of_two_fields(tmp_path: Path) -> None:
    for seed, place in enumerate(("train", "test")):
        (tmp_path / place / "images").mkdir(parents=True)
        for tile in "12":
            image = field_of_view(10 * seed + int(tile), 64, 64)
            Image.fromarray(image).save(tmp_path / place / "images" / f"s1_tile{tile}.png")
    found = grouped(find_fields(find_samples(tmp_path).samples))
    assert found == {frozenset(f"{place}-s1_tile{n}" for n in "12") for place in ("train", "test")}


def test_numbered_images_are_no_tiles(tmp_path: Path) -> None:
    images = {f"img_{number}": field_of_view(number, 64, 64) for number in range(3)}
    assert len(set(find_fields(saved(tmp_path, **images)).values())) == 3


def test_one_stem_for_all_says_nothing(tmp_path: Path) -> None:
    images = {f"img_crop{number}": field_of_view(number, 64, 64) for number in range(3)}
    assert len(set(find_fields(saved(tmp_path, **images)).values())) == 3


def test_fields_of_a_table_are_kept_and_joined_with_what_is_found(tmp_path: Path) -> None:
    left, right = np.split(field_of_view(0), 2, axis=1)
    samples = saved(tmp_path, a=left, b=right, c=field_of_view(1, 192, 96), d=field_of_view(2))
    given = {"a": "F7", "c": "F7", "b": "", "d": "F9"}
    samples = tuple(replace(each, field=given[each.id]) for each in samples)
    assert find_fields(samples) == {"a": "F7", "b": "F7", "c": "F7", "d": "F9"}


def test_an_image_that_cannot_be_read_stands_alone(tmp_path: Path) -> None:
    samples = saved(tmp_path, a=field_of_view(0), b=field_of_view(1))
    (tmp_path / "b.png").write_bytes(b"broken")
    assert grouped(find_fields(samples)) == {frozenset("a"), frozenset("b")}


def test_no_samples_no_fields() -> None:
    assert find_fields(()) == {}


def test_more_images_than_are_compared_at_once() -> None:
    edges = {}
    for number in range(300):
        left, right = np.split(field_of_view(number, 128, 256), 2, axis=1)
        edges |= {f"{number}l": edges_of(left), f"{number}r": edges_of(right)}
    found = set(neighbours(edges))
    true = {(f"{number}l", f"{number}r", "right") for number in range(300)}
    assert len(found & true) > 0.9 * len(true)
    assert len(found - true) < 0.03 * len(true)

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.images import (
    intensity_range,
    normalise,
    read_image,
    read_image_size,
    read_label_image,
    read_mask,
)

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 200, (40, 50), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (40, 50, 1), dtype=np.uint8)


def saved(path: Path, array: np.ndarray, mode: str | None = None, **options: object) -> Path:
    if path.suffix == ".tif":
        tifffile.imwrite(path, array, **options)  # type: ignore[arg-type]
    else:
        image = Image.fromarray(array)
        (image.convert(mode) if mode else image).save(path, **options)
    return path


# --- images


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ("uint8", "uint8"),
        ("uint16", "uint16"),
        ("int16", "uint16"),
        ("uint32", "uint16"),
        ("float16", "float32"),
        ("float32", "float32"),
        ("float64", "float32"),
    ],
)
def test_depths_of_grey_tiff(tmp_path: Path, stored: str, read: str) -> None:
    image = read_image(saved(tmp_path / "a.tif", GREY.astype(stored)))
    assert image.dtype == read
    np.testing.assert_array_equal(image, GREY)


def test_integers_beyond_16_bit_and_negative_ones_become_float(tmp_path: Path) -> None:
    values = np.array([[-5, 100_000]], np.int32)
    image = read_image(saved(tmp_path / "a.tif", values))
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, values)


def test_16_bit_png_keeps_its_depth_and_the_order_of_its_channels(tmp_path: Path) -> None:
    deep = COLOUR.astype(np.uint16) * 200
    cv2.imwrite(str(tmp_path / "rgb.png"), deep[..., ::-1])
    cv2.imwrite(str(tmp_path / "grey.png"), deep[..., 0])
    np.testing.assert_array_equal(read_image(tmp_path / "rgb.png"), deep)
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png"), deep[..., 0])


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_alpha_is_dropped(tmp_path: Path, name: str) -> None:
    # The fourth channel of a TIFF may be anything; where it is the same everywhere, it is alpha.
    is_tiff = name.endswith("tif")
    alpha = np.full_like(ALPHA, 255) if is_tiff else ALPHA
    rgba = np.concatenate([COLOUR, alpha], axis=2)
    options = {"photometric": "rgb"} if is_tiff else {}
    np.testing.assert_array_equal(read_image(saved(tmp_path / name, rgba, **options)), COLOUR)


def test_a_fourth_channel_of_a_tiff_that_shows_something_is_not_dropped(tmp_path: Path) -> None:
    nuclei = np.zeros((*GREY.shape, 4), np.uint8)
    nuclei[..., 3] = np.arange(nuclei.shape[1])
    tifffile.imwrite(tmp_path / "a.tif", nuclei, photometric="rgb")
    with pytest.raises(BadInput, match="four channels"):
        read_image(tmp_path / "a.tif")


def test_grey_with_alpha_comes_as_grey(tmp_path: Path) -> None:
    pair = np.concatenate([GREY[..., None], ALPHA], axis=2)
    np.testing.assert_array_equal(read_image(saved(tmp_path / "a.png", pair)), GREY)


def test_rgba_with_equal_channels_comes_as_grey(tmp_path: Path) -> None:
    """As all fluorescence images of DSB2018 are."""
    rgba = np.dstack([GREY, GREY, GREY, np.full_like(GREY, 255)])
    image = read_image(saved(tmp_path / "a.png", rgba))
    np.testing.assert_array_equal(image, GREY)


def test_palette_images_come_in_their_colours(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.save(tmp_path / "a.png")
    expected = [[[10, 20, 30], [40, 50, 60]], [[70, 80, 90], [40, 50, 60]]]
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)


def test_one_bit_images_are_black_and_white(tmp_path: Path) -> None:
    image = read_image(saved(tmp_path / "a.png", GREY > 100))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, np.where(GREY > 100, 255, 0))


def test_where_white_is_zero_images_are_turned_round_and_ids_are_not(tmp_path: Path) -> None:
    """ImageJ writes its masks so: 255 in a nucleus, shown as black."""
    path = saved(tmp_path / "a.tif", GREY, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(path), 255 - GREY)
    np.testing.assert_array_equal(read_label_image(path), GREY)
    np.testing.assert_array_equal(read_mask(path), GREY.max() // 2 < GREY)
    one_bit = saved(tmp_path / "b.tif", GREY > 100, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(one_bit), np.where(GREY > 100, 0, 255))
    np.testing.assert_array_equal(read_mask(one_bit), GREY > 100)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_comes_as_grey_or_rgb(tmp_path: Path, mode: str) -> None:
    smooth = np.stack([np.tile(np.arange(64, dtype=np.uint8) * 3, (64, 1))] * 3, axis=2)
    smooth[..., 1] = 40
    image = read_image(saved(tmp_path / "a.jpg", smooth, mode))
    assert image.shape == ((64, 64) if mode == "L" else (64, 64, 3))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "deep.png"])
def test_exif_orientation_turns_neither_image_nor_labels(tmp_path: Path, name: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    source = GREY.astype(np.uint16) * 9 if name == "deep.png" else GREY
    path = saved(tmp_path / name, source, exif=exif)
    assert read_image(path).shape == read_image_size(path) == read_mask(path).shape == (40, 50)
    if name != "a.jpg":
        assert read_label_image(path).shape == (40, 50)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    image = np.ones((8, 8))
    image[3, 3] = value
    with pytest.raises(BadInput, match=r"a\.tif holds values that are no finite numbers"):
        read_image(saved(tmp_path / "a.tif", image))


def test_complex_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="complex64"):
        read_image(saved(tmp_path / "a.tif", np.ones((8, 8), np.complex64)))


# --- labels


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "uint32", "float32"])
def test_ids_of_any_depth_are_kept(tmp_path: Path, dtype: str) -> None:
    top = {"uint8": 255, "uint16": 65535}.get(dtype, 1_000_000)
    ids = np.array([[0, 1, 2], [3, 70, top]]).astype(dtype)
    labels = read_label_image(saved(tmp_path / "a.tif", ids))
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, ids)


def test_ids_above_255_survive_in_png(tmp_path: Path) -> None:
    ids = np.arange(600, dtype=np.uint16).reshape(20, 30)
    np.testing.assert_array_equal(read_label_image(saved(tmp_path / "a.png", ids)), ids)


def test_ids_of_palette_png_are_its_indices(tmp_path: Path) -> None:
    ids = np.array([[0, 1, 2], [2, 2, 0]], np.uint8)
    image = Image.fromarray(ids, "P")
    image.putpalette([0, 0, 0, 255, 0, 0, 255, 0, 0])  # two ids of one colour
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_label_image(tmp_path / "a.png"), ids)


def test_labels_saved_as_rgba_with_equal_channels_are_read(tmp_path: Path) -> None:
    rgba = np.dstack([GREY, GREY, GREY, np.full_like(GREY, 255)])
    np.testing.assert_array_equal(read_label_image(saved(tmp_path / "a.png", rgba)), GREY)


@pytest.mark.parametrize(
    ("name", "array", "said"),
    [
        ("a.png", COLOUR, "colour picture"),
        ("a.jpg", GREY, "JPEG"),
        ("a.tif", np.full((4, 4), -1, np.int16), "from -1"),
        ("a.tif", np.full((4, 4), 2**31, np.uint32), "2147483648"),
        ("a.tif", np.full((4, 4), 0.5, np.float32), "not whole"),
        ("a.tif", np.full((4, 4), np.nan, np.float32), "not whole"),
    ],
)
def test_what_is_no_label_image_is_refused(
    tmp_path: Path, name: str, array: np.ndarray, said: str
) -> None:
    path = saved(tmp_path / name, array)
    with pytest.raises(BadInput, match=said) as caught:
        read_label_image(path)
    assert str(path) in str(caught.value)


# --- masks

DISC = np.hypot(*np.mgrid[-10:11, -10:11]) < 6


@pytest.mark.parametrize("high", [1, 7, 255])
def test_masks_of_any_high_value(tmp_path: Path, high: int) -> None:
    path = saved(tmp_path / "a.png", DISC.astype(np.uint8) * np.uint8(high))
    np.testing.assert_array_equal(read_mask(path), DISC)


def test_masks_of_one_bit_and_of_float(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_mask(saved(tmp_path / "a.png", DISC)), DISC)
    path = saved(tmp_path / "a.tif", DISC.astype(np.float32))
    np.testing.assert_array_equal(read_mask(path), DISC)


def test_jpeg_masks_lose_their_ringing(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", DISC.astype(np.uint8) * 255, quality=60)
    assert len(np.unique(read_image(path))) > 2
    np.testing.assert_array_equal(read_mask(path), DISC)


def test_palette_mask_goes_by_its_colours(tmp_path: Path) -> None:
    """A white nucleus may have the index 0."""
    image = Image.fromarray((~DISC).astype(np.uint8), "P")
    image.putpalette([255, 255, 255, 0, 0, 0])
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), DISC)


def test_an_empty_mask_is_all_false(tmp_path: Path) -> None:
    assert not read_mask(saved(tmp_path / "a.png", np.zeros((5, 6), np.uint8))).any()


# --- normalising


def test_normalised_images_span_minus_one_to_one() -> None:
    image = RNG.integers(1000, 5000, (64, 64)).astype(np.uint16)
    low, high = intensity_range(image)
    scaled = normalise(image, low, high)
    assert scaled.shape == (64, 64, 3)
    assert scaled.dtype == np.float32
    assert scaled.min() == -1.0
    assert scaled.max() == 1.0
    np.testing.assert_array_equal(scaled[..., 0], scaled[..., 2])
    middle = np.full((1, 1), (low + high) / 2, np.float32)
    assert normalise(middle, low, high)[0, 0, 0] == pytest.approx(0.0, abs=1e-3)


def test_bytes_are_normalised_as_any_other_numbers() -> None:
    for shape in ((1, 1), (3, 2), (40, 30), (40, 30, 1), (40, 30, 3), (1500, 1100)):
        image = RNG.integers(0, RNG.integers(1, 256), shape, np.uint8, endpoint=True)
        low, high = intensity_range(image)
        assert (low, high) == pytest.approx(intensity_range(image.astype(np.float64)))
        scaled = normalise(image, low, high)
        np.testing.assert_array_equal(scaled, normalise(image.astype(np.float32), low, high))
        assert scaled.shape == (*shape[:2], 3)


def test_channels_share_one_range_so_that_hue_is_kept() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[..., 0], image[::2, :, 1] = 200, 100
    scaled = normalise(image, *intensity_range(image))
    assert scaled[0, 0].tolist() == pytest.approx([1.0, 0.0, -1.0], abs=1e-3)


def test_a_constant_image_has_a_range() -> None:
    low, high = intensity_range(np.full((16, 16), 7, np.uint8))
    assert high > low
    assert np.isfinite(normalise(np.full((16, 16), 7, np.uint8), low, high)).all()


def test_a_constant_image_of_large_numbers_has_a_range() -> None:
    image = np.full((8, 8), 1e12, np.float32)
    assert np.isfinite(normalise(image, *intensity_range(image))).all()


@pytest.mark.parametrize("scale", [1e-29, 1e-9, 1e-3, 1e6, 1e36])
def test_the_unit_of_an_image_does_not_matter(scale: float) -> None:
    as_bytes = normalise(GREY, *intensity_range(GREY))
    image = (GREY.astype(np.float64) * scale).astype(np.float32)
    low, high = intensity_range(image)
    np.testing.assert_allclose(normalise(image, low, high), as_bytes, atol=1e-5)


@pytest.mark.filterwarnings("error")
def test_the_largest_numbers_there_are_can_be_normalised() -> None:
    image = np.linspace(-3.4e38, 3.4e38, 10_000, dtype=np.float32).reshape(100, 100)
    scaled = normalise(image, *intensity_range(image))
    np.testing.assert_allclose(scaled[50, 0], 0, atol=0.02)
    assert (np.diff(scaled[..., 0].ravel()) >= 0).all()


@pytest.mark.filterwarnings("error")
def test_a_hot_pixel_is_white() -> None:
    image = np.zeros((100, 100), np.float32)
    image[50, 50] = 3.4e38
    scaled = normalise(image, *intensity_range(image))
    assert scaled.max() == scaled[50, 50, 0] == 1
    assert (scaled == -1).sum() == scaled.size - 3

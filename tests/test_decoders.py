from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageFile

from napari_nucleiseg.decoders import MAX_PIXELS, decode, read_size
from napari_nucleiseg.errors import BadInput

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 200, (40, 50), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)


def refusal(path: Path) -> str:
    """The one sentence by which a file is refused, which must name it."""
    with pytest.raises(BadInput) as caught:
        decode(path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(
    width: int, height: int, bits: int = 8, colour: int = 0, interlace: int = 0
) -> bytes:
    fields = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", fields)


def png_of_rows(header: bytes, rows: bytes) -> bytes:
    """A PNG with all its chunks whole, in two of which the rows are, or some of them."""
    stream = zlib.compress(rows)
    parts = [png_chunk(b"IDAT", part) for part in (stream[:3], stream[3:])]
    colours = png_chunk(b"PLTE", bytes(range(48)))
    return b"".join((header, colours, *parts, png_chunk(b"IEND", b"")))


def interlaced(pixels: np.ndarray) -> bytes:
    """The rows of the seven passes of Adam7, as the PNG standard lists them."""
    first = [pixels[::8, ::8], pixels[::8, 4::8], pixels[4::8, ::4], pixels[::4, 2::4]]
    parts = [*first, pixels[2::4, ::2], pixels[::2, 1::2], pixels[1::2]]
    return b"".join(b"\0" + row.tobytes() for part in parts if part.size for row in part)


def saved(path: Path, array: np.ndarray, **options: object) -> Path:
    if path.suffix == ".tif":
        tifffile.imwrite(path, array, **options)  # type: ignore[arg-type]
    else:
        Image.fromarray(array).save(path, **options)
    return path


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}),
        ("a.tif", {}),
        ("a.tif", {"compression": "zlib", "tile": (16, 16)}),
        ("a.tif", {"compression": "lzw", "predictor": True}),
        ("a.tif", {"bigtiff": True}),
        ("a.tif", {"byteorder": ">"}),
        ("a.tif", {"imagej": True}),
        ("a.tif", {"ome": True}),
    ],
)
def test_lossless_files_come_back_as_they_were_saved(
    tmp_path: Path, name: str, options: dict[str, object]
) -> None:
    path = saved(tmp_path / name, GREY, **options)
    np.testing.assert_array_equal(decode(path).pixels, GREY)
    assert read_size(path) == GREY.shape


def test_jpeg_comes_at_its_size_and_is_marked_as_lossy(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", np.full((30, 40), 90, np.uint8))
    raster = decode(path)
    assert raster.lossy
    assert raster.pixels.shape == read_size(path) == (30, 40)
    assert np.abs(raster.pixels.astype(int) - 90).max() <= 2


def test_the_content_decides_and_not_the_ending(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tif", GREY).rename(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(path).pixels, GREY)


@pytest.mark.parametrize("name", ["Zellkerne-äöü-細胞核.png", "Zellkerne-äöü-細胞核.tif"])
def test_non_ascii_paths(tmp_path: Path, name: str) -> None:
    np.testing.assert_array_equal(decode(saved(tmp_path / name, GREY)).pixels, GREY)


def test_planar_tiff_comes_with_channels_last(tmp_path: Path) -> None:
    path = tmp_path / "planar.tif"
    planes = np.moveaxis(COLOUR, -1, 0)
    tifffile.imwrite(path, planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(decode(path).pixels, COLOUR)


def test_white_is_zero_is_told_and_the_pixels_are_as_stored(tmp_path: Path) -> None:
    raster = decode(saved(tmp_path / "a.tif", GREY, photometric="miniswhite"))
    np.testing.assert_array_equal(raster.pixels, GREY)
    assert raster.white_is_zero
    assert not decode(saved(tmp_path / "b.tif", GREY)).white_is_zero


def test_pyramids_and_previews_do_not_count_as_planes(tmp_path: Path) -> None:
    path = tmp_path / "pyramid.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(GREY)
        writer.write(GREY[::2, ::2], subfiletype=1)
    np.testing.assert_array_equal(decode(path).pixels, GREY)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"imagej": True},
        {"volumetric": True, "photometric": "minisblack"},
        {"volumetric": True, "photometric": "minisblack", "tile": (16, 16, 16)},
    ],
)
def test_stacks_are_refused_with_their_number_of_planes(
    tmp_path: Path, options: dict[str, object]
) -> None:
    path = saved(tmp_path / "stack.tif", np.stack([GREY] * 7), **options)
    assert "7 planes" in refusal(path)
    with pytest.raises(BadInput, match="7 planes"):
        read_size(path)


def test_five_channels_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "five.tif"
    five = np.zeros((40, 50, 5), np.uint8)
    tifffile.imwrite(path, five, photometric="minisblack", planarconfig="contig")
    assert "5 channels" in refusal(path)


@pytest.mark.parametrize("photometric", ["ycbcr", "cielab", "icclab"])
def test_colours_that_would_come_out_wrong_are_refused(tmp_path: Path, photometric: str) -> None:
    path = saved(tmp_path / "a.tif", COLOUR, photometric=photometric)
    assert f"colours as {photometric.upper()}; expected grey, RGB" in refusal(path)


def test_colours_of_a_jpeg_in_a_tiff_come_as_rgb(tmp_path: Path) -> None:
    pytest.importorskip("imagecodecs")
    orange = np.full((32, 32, 3), (200, 120, 40), np.uint8)
    path = saved(tmp_path / "a.tif", orange, photometric="rgb", compression="jpeg")
    with tifffile.TiffFile(path) as tif:
        assert tif.pages.first.photometric == tifffile.PHOTOMETRIC.YCBCR
    np.testing.assert_allclose(decode(path).pixels.astype(int), orange, atol=4)


def test_a_small_tiff_that_unfolds_into_gigabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tif"
    with tifffile.TiffWriter(path) as writer:
        blank = (zlib.compress(bytes(1000)) for _ in range(4))
        tiles = {"tile": (8192, 8192), "compression": "zlib", "photometric": "rgb"}
        writer.write(blank, shape=(16_384, 16_384, 3), dtype=np.float64, **tiles)
    assert "holds 6.0 GiB of pixels; at most 2 GiB" in refusal(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.png"
    path.touch()
    assert "is empty" in refusal(path)


def test_a_text_named_png_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.png"
    path.write_text("day 3: fed the cells")
    assert "not a PNG, TIFF or JPEG image" in refusal(path)


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "pipe.png"
    os.mkfifo(path)
    assert "not a regular file" in refusal(path)


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    assert "not a regular file" in refusal(tmp_path / "folder.png")
    assert "cannot be read" in refusal(tmp_path / "missing.png")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", GREY)
    path.chmod(0)
    assert "cannot be read" in refusal(path)


def test_a_bomb_is_refused_from_its_header(tmp_path: Path) -> None:
    png = tmp_path / "bomb.png"
    png.write_bytes(png_header(30_000, 30_000))
    assert "30000 x 30000" in refusal(png)
    tif = tmp_path / "bomb.tif"
    with tifffile.TiffWriter(tif) as writer:
        blank = (zlib.compress(bytes(1000)) for _ in range(9))
        writer.write(
            blank, shape=(30_000, 30_000), dtype=np.uint8, tile=(10_000, 10_000), compression="zlib"
        )
    assert "30000 x 30000" in refusal(tif)
    with pytest.raises(BadInput, match="30000 x 30000"):
        read_size(png)


def test_large_images_below_the_limit_pass_pillows_own_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_PIXELS > 2 * 89_478_485  # where Pillow raises by default
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for name in ("a.png", "a.jpg"):
        assert decode(saved(tmp_path / name, GREY)).pixels.shape == GREY.shape


@pytest.mark.parametrize("lenient_pillow", [False, True])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}),
        ("a.jpg", {}),
        ("a.jpg", {"progressive": True}),
        ("a.tif", {}),
        ("a.tif", {"compression": "zlib"}),
    ],
)
def test_a_file_cut_short_anywhere_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    options: dict[str, object],
    lenient_pillow: bool,
) -> None:
    """Also where another plugin has told Pillow to accept such files."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", lenient_pillow)
    data = saved(tmp_path / name, COLOUR, **options).read_bytes()
    path = tmp_path / f"cut{Path(name).suffix}"
    for length in [*range(1, len(data), len(data) // 25), len(data) - 2, len(data) - 1]:
        path.write_bytes(data[:length])
        refusal(path)


def test_a_jpeg_with_a_preview_is_whole_only_with_its_own_end(tmp_path: Path) -> None:
    preview = io.BytesIO()
    Image.fromarray(COLOUR[:16, :16]).save(preview, "jpeg")
    data = saved(tmp_path / "a.jpg", COLOUR).read_bytes()
    block = b"\xff\xe5" + struct.pack(">H", len(preview.getvalue()) + 2) + preview.getvalue()
    with_preview = data[:2] + block + data[2:]
    path = tmp_path / "b.jpg"
    path.write_bytes(with_preview)
    assert decode(path).pixels.shape == COLOUR.shape
    path.write_bytes(with_preview[: -len(data) // 3])
    refusal(path)


@pytest.mark.parametrize(
    ("colour", "bits"),
    [
        *((0, bits) for bits in (1, 2, 4, 8, 16)),
        *((3, bits) for bits in (1, 2, 4, 8)),
        *((colour, bits) for colour in (2, 4, 6) for bits in (8, 16)),
    ],
)
def test_a_png_that_lacks_rows_is_refused(tmp_path: Path, bits: int, colour: int) -> None:
    """Though its chunks are whole, as a writer leaves them that was not given all rows."""
    row = 1 + -(-5 * bits * {2: 3, 4: 2, 6: 4}.get(colour, 1) // 8)
    path = tmp_path / "a.png"
    path.write_bytes(png_of_rows(png_header(5, 9, bits, colour), bytes(9 * row)))
    assert decode(path).pixels.shape[:2] == (9, 5)
    for rows in range(9):
        path.write_bytes(png_of_rows(png_header(5, 9, bits, colour), bytes(rows * row)))
        refusal(path)


def test_an_interlaced_png_of_any_size_is_read_whole_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for height, width in np.ndindex(10, 10):
        pixels = GREY[:height, :width]
        if not pixels.size:
            continue
        header, rows = png_header(width, height, interlace=1), interlaced(pixels)
        path.write_bytes(png_of_rows(header, rows))
        np.testing.assert_array_equal(decode(path).pixels, pixels)
        path.write_bytes(png_of_rows(header, rows[: -1 - pixels[1::2].shape[1] or None]))
        refusal(path)


@pytest.mark.parametrize("bits", [2, 4])
def test_grey_of_a_few_bits_comes_as_stored(tmp_path: Path, bits: int) -> None:
    values = np.arange(2**bits, dtype=np.uint8)
    packed = np.packbits(np.unpackbits(values[:, None], axis=1)[:, -bits:].ravel())
    header = png_header(len(values), 1, bits)
    path = tmp_path / "a.png"
    path.write_bytes(png_of_rows(header, b"\0" + packed.tobytes()))
    np.testing.assert_array_equal(decode(path).pixels, values[None])


def test_a_flipped_bit_in_a_png_is_found(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", GREY)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    assert "check sum" in refusal(path)


def test_random_damage_is_refused_or_read_but_never_escapes(tmp_path: Path) -> None:
    sources = [
        saved(tmp_path / "a.jpg", COLOUR),
        saved(tmp_path / "a.tif", GREY, compression="lzw"),
        saved(tmp_path / "b.tif", GREY % 7, photometric="palette", colormap=_colormap()),
    ]
    rng = np.random.default_rng(1)
    path = tmp_path / "damaged"
    refused = 0
    for source in sources:
        for _ in range(60):
            data = bytearray(source.read_bytes())
            for at in rng.integers(0, min(len(data), 400), 4):
                data[at] = rng.integers(0, 256)
            path.write_bytes(data)
            try:
                decode(path)
            except BadInput:
                refused += 1
    assert refused > 20


def _colormap() -> np.ndarray:
    return RNG.integers(0, 65536, (3, 256), dtype=np.uint16)

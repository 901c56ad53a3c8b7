from __future__ import annotations

from pathlib import Path

import pytest

from napari_nucleiseg.pairing import (
    image_name,
    is_annotation,
    mask_names,
    masks_by_stem,
    one_for_each_stem,
)


@pytest.mark.parametrize(
    ("stem", "name", "is_mask"),
    [
        ("cell_masks", "cell", True),
        ("cell_cp_masks", "cell", True),
        ("cell_LABEL", "cell", True),
        ("cell_flows", "cell", False),
        ("cell_cp_outlines", "cell_cp", False),
        ("masks", None, False),
        ("cell", None, False),
    ],
)
def test_a_stem_tells_what_a_file_belongs_to(stem: str, name: str | None, is_mask: bool) -> None:
    assert image_name(stem) == name
    assert is_annotation(stem) == is_mask


def test_a_mask_may_leave_out_that_its_image_is_one() -> None:
    assert mask_names(["7_img", "b"]) == {"7": "7_img", "7_img": "7_img", "b": "b"}


def test_an_image_of_the_full_name_goes_before() -> None:
    """Beside `7.png`, the mask `7_masks.png` is not that of `7_img.png`."""
    names = mask_names(["7", "7_img"])
    assert masks_by_stem([Path("7_masks.png")], names) == {"7": (Path("7_masks.png"),)}


def test_masks_without_an_image_keep_their_own_name() -> None:
    masks = [Path("a_masks.tif"), Path("gone_masks.tif")]
    assert list(masks_by_stem(masks, mask_names(["a"]))) == ["a", "gone"]


def test_of_two_endings_the_one_that_loses_nothing_is_kept() -> None:
    kept, problems = one_for_each_stem([Path("a.jpg"), Path("a.tif"), Path("b.jpg")])
    assert kept == [Path("a.tif"), Path("b.jpg")]
    assert len(problems) == 1
    assert "a.jpg differs from a.tif only in its suffix" in problems[0]

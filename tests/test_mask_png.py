from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.mask_png import encode_masks


def some_labels(shape: tuple[int, int] = (40, 70)) -> np.ndarray:
    labels = np.zeros(shape, np.int32)
    labels[0, 0] = 3
    labels[-1, -1] = 4
    labels[5:20, 3:17] = 7
    labels[8:12, 6:9] = 0
    labels[15:30, 30:60] = 12
    labels[10:13, 65:] = 12
    return labels


def decode(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.mode) == ("PNG", "L")
        by_pillow = np.array(image)
    by_cv2 = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(by_pillow, by_cv2)
    return by_pillow


@pytest.mark.parametrize(
    "labels",
    [
        some_labels(),
        some_labels().astype(np.uint16),
        np.ones((1, 1), np.int32),
        np.ones((3, 2), np.int32),
        np.eye(9, dtype=np.int32) * np.arange(1, 10, dtype=np.int32),
        np.full((700, 900), 5, np.int32),
        np.pad(np.full((2, 3), 2**31 - 1), ((300, 41), (7, 1000))).astype(np.int32),
        np.array([[2**30, 2**31 - 1], [2**30, 9]], np.int32),
    ],
    ids=["some", "uint16", "pixel", "full", "diagonal", "large", "high id", "sparse ids"],
)
def test_each_nucleus_is_one_binary_png(labels: np.ndarray) -> None:
    files = encode_masks(labels)
    assert [int(name.removesuffix(".png")) for name in files] == [i for i in np.unique(labels) if i]
    for name, data in files.items():
        mask = decode(data)
        np.testing.assert_array_equal(mask, (labels == int(name.removesuffix(".png"))) * 255)


def test_no_nuclei_no_masks() -> None:
    assert encode_masks(np.zeros((5, 5), np.int32)) == {}

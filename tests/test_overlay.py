from __future__ import annotations

import numpy as np

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.overlay import encode_png, overlay, side_by_side


def test_only_the_outline_of_a_nucleus_is_drawn() -> None:
    image = np.arange(400, dtype=np.uint16).reshape(20, 20)
    labels = np.zeros((20, 20), np.int32)
    labels[5:15, 5:15] = 1
    plain, drawn = overlay(image, np.zeros_like(labels)), overlay(image, labels)
    changed = (plain != drawn).any(axis=2)
    outline = labels.astype(bool)
    outline[6:14, 6:14] = False
    np.testing.assert_array_equal(changed, outline)


def test_a_picture_survives_png() -> None:
    picture = side_by_side(
        np.random.default_rng(0).integers(0, 255, (8, 9, 3)), np.eye(8, 9, dtype=int)
    )
    assert picture.shape == (16, 36, 3)
    decoded = cv2.imdecode(np.frombuffer(encode_png(picture), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(decoded[..., ::-1], picture)

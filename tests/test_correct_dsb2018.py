from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np

from napari_nucleiseg._cv2 import cv2

SCRIPT = Path(__file__).parents[1] / "scripts" / "correct_dsb2018.py"


def test_masks_lose_their_rim_but_not_where_they_touch(tmp_path: Path) -> None:
    """Nor does a speck vanish that is all rim, or a neck that joins two halves."""
    masks = {name: np.zeros((60, 60), np.uint8) for name in ("left", "right", "speck", "necked")}
    masks["necked"][40:55, 5:55] = 255
    masks["necked"][:46, 28:32] = masks["necked"][49:, 28:32] = 0
    masks["left"][10:30, 10:30] = 255
    masks["right"][10:30, 30:50] = 255
    masks["speck"][2:4, 2:4] = 255
    for name, mask in masks.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), mask)
    runpy.run_path(str(SCRIPT))["shrink_masks"](tmp_path, 2.0)
    left, right, speck, necked = (
        cv2.imread(str(tmp_path / f"{name}.png"), cv2.IMREAD_GRAYSCALE) for name in masks
    )
    assert left[20, 29] > 0, "the border between them stays"
    assert right[20, 30] > 0
    for line in (left[20], left[:, 20]):
        assert list(line[9:14] > 0) == [False, False, False, True, True]
    np.testing.assert_array_equal(speck, masks["speck"])
    np.testing.assert_array_equal(necked, masks["necked"])

from __future__ import annotations

import numpy as np

from napari_nucleiseg import confidence as module
from napari_nucleiseg.confidence import confidence, confidence_features
from napari_nucleiseg.regions import measure_regions


def judged(depth: np.ndarray, foreground: float) -> float:
    labels = (depth > 0).astype(np.int32)
    maps = np.stack([labels * foreground, np.sqrt(depth) * foreground, 0 * depth], -1)
    return float(confidence(measure_regions(labels, np.round(maps * 255).astype(np.uint8)))[1])


def disc() -> np.ndarray:
    y, x = np.indices((60, 60))
    return np.clip(1 - np.hypot(y - 30, x - 30) / 16, 0, 1)


def test_a_disc_that_the_network_is_sure_of_is_a_nucleus() -> None:
    assert judged(disc(), 1.0) > 0.9


def test_a_faint_one_is_doubtful() -> None:
    assert judged(disc(), 0.6) < 0.4


def test_so_is_a_ragged_one() -> None:
    ragged = disc()
    ragged[:, 24:36:3] = 0
    ragged[10:50:4] = 0
    ragged[30, 15:45] = 0.5
    assert judged(ragged, 1.0) < judged(disc(), 1.0)


def test_shipped_weights_belong_to_the_features() -> None:
    regions = measure_regions(np.ones((4, 4), np.int32), np.zeros((4, 4, 3), np.uint8))
    assert set(module.WEIGHTS) == {*confidence_features(regions), "constant"}

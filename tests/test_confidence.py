from __future__ import annotations

import numpy as np
import pytest

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


def test_features_are_what_their_names_say() -> None:
    labels = np.zeros((40, 60), np.int32)
    labels[:10, 10:30], labels[20:30, 10:20], labels[20:30, 30:50] = 1, 2, 3
    maps = np.zeros((40, 60, 3), np.uint8)
    maps[:10, 10:30] = 204, 102, 51
    maps[5, 15, 1] = 255
    found = confidence_features(measure_regions(labels, maps))
    assert {name: values[1] for name, values in found.items()} == pytest.approx(
        {
            "size": 0,
            "foreground": 0.8,
            "distance": (199 * 0.4 + 1) / 200,
            "border": 0.2,
            "peak": 1,
            "filled": 3 / np.pi,
            "elongation": np.log(2),
            "at edge": 1,
        }
    )
    assert found["size"][2] == pytest.approx(np.log(0.5))
    assert not found["at edge"][2:].any()


def test_shipped_weights_belong_to_the_features() -> None:
    regions = measure_regions(np.ones((4, 4), np.int32), np.zeros((4, 4, 3), np.uint8))
    assert set(module.WEIGHTS) == {*confidence_features(regions), "constant"}

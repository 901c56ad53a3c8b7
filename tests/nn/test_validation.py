from __future__ import annotations

import numpy as np
import pytest
from squares import squares

from napari_nucleiseg.config import DecodeConfig
from napari_nucleiseg.metrics import Scores
from napari_nucleiseg.nn.augment import Example
from napari_nucleiseg.nn.targets import targets_from_labels
from napari_nucleiseg.nn.validation import (
    GRID,
    by_modality,
    centre,
    mean_ap,
    score_maps,
    tune_thresholds,
)


def example_of(labels: np.ndarray, modality: str = "") -> Example:
    image = np.repeat(labels[..., None], 3, axis=2).astype(np.uint8)
    return Example("a", image, labels.astype(np.uint16), modality)


def small_nuclei() -> Example:
    """Of 25 px² each."""
    return example_of(squares((64, 64), (2, 2), (30, 30))[::4, ::4])


@pytest.mark.parametrize(
    "start",
    [
        DecodeConfig(foreground=0.8, min_area=8),
        DecodeConfig(min_area=40),
        DecodeConfig(foreground=0.8, distance=0.4, border=0.95, min_area=20),
    ],
)
def test_tuning_finds_what_a_bad_start_misses(start: DecodeConfig) -> None:
    """The foreground is sure to 60 %; all else is perfect."""
    source = small_nuclei()
    maps = targets_from_labels(source.labels)
    maps[..., 0] = maps[..., 0] * 0.6
    tuned = list(tune_thresholds([maps], [source], start))
    told = [score for _, score in tuned]
    assert tuned[0] == (start, 0)
    assert told == sorted(told)
    best, score = tuned[-1]
    assert score == mean_ap(score_maps([maps], [source], best)) == 1


def test_thresholds_that_nothing_beats_stay_and_are_tried_once() -> None:
    source = small_nuclei()
    tuned = list(tune_thresholds([targets_from_labels(source.labels)], [source], DecodeConfig()))
    assert set(tuned) == {(DecodeConfig(), 1.0)}
    assert len(tuned) == 1 + sum(map(len, GRID.values()))


def test_scores_of_a_modality_are_means_at_three_overlaps() -> None:
    """Of 10 nuclei, all match at an IoU of .5, 6 at .7 and 2 at .9; in the second image none.

    The kind of that one is unknown: it counts among all alone.
    """
    good = Scores(10, 10, tuple(range(10, 0, -1)), 8.0, 0, 0, 100, 50, 50, 40)
    bad = Scores(10, 10, (0,) * 10, 0.0, 0, 0, 100, 50, 50, 0)
    labels = np.zeros((4, 4), int)
    assert by_modality([good, bad], [example_of(labels, "stained"), example_of(labels)]) == {
        "all": [0.5, 0.2143, 0.0556],
        "stained": [1.0, 0.4286, 0.1111],
    }


def test_the_centre_of_an_example_is_its_middle() -> None:
    source = example_of(np.arange(120).reshape(10, 12))
    middle = centre(source, 4)
    np.testing.assert_array_equal(middle.labels, source.labels[3:7, 4:8])
    np.testing.assert_array_equal(middle.image, source.image[3:7, 4:8])
    np.testing.assert_array_equal(centre(source, 11).labels, source.labels[:, :11])
    np.testing.assert_array_equal(centre(source, 99).labels, source.labels)

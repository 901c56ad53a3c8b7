from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from napari_nucleiseg.config import TrainConfig
from napari_nucleiseg.nn.augment import crop_and_targets, example, median_diameter
from napari_nucleiseg.nn.batches import OLD_SHARE, batches, draw_batch, sampling_weights
from napari_nucleiseg.synthetic import make_image

CONFIG = TrainConfig(crop=96, batch=2, steps=5)


@pytest.fixture(scope="module")
def examples() -> list:
    kinds = ["fluorescence", "fluorescence", "fluorescence", "fluorescence", "stained"]
    return [example(str(i), *make_image(kind, (128, 160), i), kind) for i, kind in enumerate(kinds)]


def test_crops_are_normalised_and_fit_their_targets(examples: list) -> None:
    for seed in range(20):
        crop, targets = crop_and_targets(examples[seed % 5], CONFIG, np.random.default_rng(seed))
        assert crop.shape == targets.shape == (96, 96, 3)
        assert crop.dtype == np.float32
        assert -1 <= crop.min() <= crop.max() <= 1
        assert set(np.unique(targets[..., 0])) <= {0, 255}
        assert not targets[..., 1][targets[..., 0] == 0].any()


def test_image_and_labels_move_together(examples: list) -> None:
    """Bright nuclei stay inside their mask, whatever was done to the crop."""
    source = dataclasses.replace(
        examples[0],
        image=np.repeat(np.where(examples[0].labels > 0, 200, 20)[..., None], 3, 2).astype(
            np.uint8
        ),
    )
    agreeing = []
    for seed in range(30):
        crop, targets = crop_and_targets(source, CONFIG, np.random.default_rng(seed))
        inside = targets[..., 0] > 0
        if 0.02 < inside.mean() < 0.98:
            agreeing.append(abs(np.corrcoef(crop[..., 0].ravel(), inside.ravel())[0, 1]))
    assert len(agreeing) > 15
    assert np.median(agreeing) > 0.8


def test_the_same_step_gives_the_same_batch(examples: list) -> None:
    weights = sampling_weights(examples)
    first, again = (draw_batch(examples, weights, CONFIG, 3) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    other = draw_batch(examples, weights, CONFIG, 4)
    assert (first[0] != other[0]).any()


def test_a_resumed_run_draws_the_batches_that_were_left(examples: list) -> None:
    whole = [crops for crops, _ in batches(examples, [], CONFIG, 0)]
    rest = [crops for crops, _ in batches(examples, [], CONFIG, 3)]
    assert len(whole) == 5
    np.testing.assert_array_equal(np.stack(whole[3:]), np.stack(rest))


def test_rare_modalities_are_drawn_more_often(examples: list) -> None:
    weights = sampling_weights(examples)
    assert weights.sum() == pytest.approx(1)
    assert weights[4] == pytest.approx(2 * weights[0])


def test_old_images_are_drawn_most_but_new_ones_too(examples: list) -> None:
    weights = sampling_weights(examples[:2], examples[2:])
    assert weights.sum() == pytest.approx(1)
    assert weights[2:].sum() == pytest.approx(OLD_SHARE)
    assert (weights > 0).all()


def test_the_median_diameter_is_that_of_a_disc() -> None:
    y, x = np.indices((60, 60))
    labels = (np.hypot(y - 30, x - 30) < 15).astype(np.int32)
    assert median_diameter(labels) == pytest.approx(30, abs=1)
    assert median_diameter(np.zeros((4, 4), np.int32)) == 20

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.config import TrainConfig
from napari_nucleiseg.nn import batches as nn_batches
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


def test_a_crop_as_it_is_is_a_part_of_the_image_some_of_it_enlarged_twice(examples: list) -> None:
    """And never of a mirror image: the whole crop lies inside."""
    source, enlarged = examples[-1], 0
    small = dataclasses.replace(CONFIG, crop=64)
    for seed in range(20):
        crop, targets = crop_and_targets(source, small, np.random.default_rng(seed), as_is=True)
        values = np.round((crop + 1) * 127.5).astype(np.uint8)
        if not any(is_part(each, source.image) for each in eight_ways(values)):
            assert any(is_part(each, source.image) for each in eight_ways(values[::2, ::2]))
            enlarged += 1
        assert targets.shape == (64, 64, 3)
    assert 0 < enlarged < 15


@pytest.mark.parametrize("as_is", [True, False])
def test_beyond_a_small_image_lies_background(as_is: bool) -> None:
    """A mirror image would make one nucleus of one that the edge cuts and its reflection."""
    labels = np.zeros((24, 24), int)
    labels[:12] = 1
    source = example("a", np.where(labels > 0, 200, 40).astype(np.uint8), labels)
    config = dataclasses.replace(CONFIG, crop=192, scale_low=0.9, scale_high=1.1)
    for seed in range(20):
        _, targets = crop_and_targets(source, config, np.random.default_rng(seed), as_is=as_is)
        assert (targets[..., 0] > 0).mean() < 0.1  # a half where it is mirrored


def eight_ways(image: np.ndarray) -> list[np.ndarray]:
    turned = [np.rot90(image, times) for times in range(4)]
    return [*turned, *(np.flipud(each) for each in turned)]


def is_part(piece: np.ndarray, image: np.ndarray) -> bool:
    found = cv2.matchTemplate(image, np.ascontiguousarray(piece), cv2.TM_SQDIFF)
    # The sums of squares are those of floats.
    _, _, (left, top), _ = cv2.minMaxLoc(found)
    height, width = piece.shape[:2]
    return bool((image[top : top + height, left : left + width] == piece).all())


def test_while_the_network_is_refined_most_crops_are_as_they_are(
    examples: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[bool] = []

    def crop(*arguments: object, as_is: bool) -> tuple[np.ndarray, np.ndarray]:
        chosen.append(as_is)
        return np.zeros((1, 1, 3)), np.zeros((1, 1, 3))

    monkeypatch.setattr(nn_batches, "crop_and_targets", crop)
    config = dataclasses.replace(CONFIG, batch=100, steps=5, refine_steps=2)
    for step in range(5):
        draw_batch(examples, sampling_weights(examples), config, step)
    assert not any(chosen[:300])
    assert 0.5 < np.mean(chosen[300:]) < 0.9


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

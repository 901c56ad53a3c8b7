from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from napari_nucleiseg._cv2 import cv2
from napari_nucleiseg.config import TrainConfig
from napari_nucleiseg.errors import BadInput
from napari_nucleiseg.nn import augment
from napari_nucleiseg.nn import batches as nn_batches
from napari_nucleiseg.nn.augment import NO_NUCLEI, Example, crop_and_targets, example
from napari_nucleiseg.nn.batches import OLD_SHARE, batches, draw_batch, sampling_weights
from napari_nucleiseg.synthetic import make_image

CONFIG = TrainConfig(crop=96, batch=2, steps=5)
ONES = np.ones((2, 2, 1), np.uint8)


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


@pytest.mark.parametrize("edge", [64, 100])
def test_a_crop_as_it_is_is_a_part_of_the_image_or_of_the_doubled_one(
    examples: list, edge: int
) -> None:
    """Labels included, as the predictor doubles; and all of it lies inside the image."""
    whole = examples[-1]
    source = dataclasses.replace(whole, image=whole.image[:edge], labels=whole.labels[:edge])
    masks = np.repeat(np.where(source.labels > 0, 255, 0)[..., None], 3, axis=2).astype(np.uint8)
    plain = np.hstack([source.image, masks])
    doubled = np.hstack([cv2.resize(source.image, None, fx=2, fy=2), np.kron(masks, ONES)])
    small, count = dataclasses.replace(CONFIG, crop=64), 0
    for seed in range(30):
        crop, targets = crop_and_targets(source, small, np.random.default_rng(seed), as_is=True)
        image = np.round((crop + 1) * 127.5).astype(np.uint8)
        mask = np.repeat(targets[..., :1], 3, axis=2)
        if not is_somewhere(image, mask, plain):
            assert is_somewhere(image, mask, doubled)
            count += 1
    assert 3 < count < 20


def test_of_a_large_image_only_what_a_crop_shows_is_blurred(
    examples: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the same crop, but for rounding."""
    rng, blur, sizes = np.random.default_rng(0), cv2.GaussianBlur, []
    image = rng.integers(0, 255, (900, 1100, 3), dtype=np.uint8)
    source = dataclasses.replace(examples[0], image=image, labels=image[..., 0].astype(np.uint16))
    config = TrainConfig(crop=64, scale_low=0.3, scale_high=1.0)

    def spy(image: np.ndarray, *arguments: object) -> np.ndarray:
        sizes.append(image.size)
        return blur(image, *arguments)

    monkeypatch.setattr(cv2, "GaussianBlur", spy)
    crops = [crop_and_targets(source, config, np.random.default_rng(seed)) for seed in range(30)]
    assert len(sizes) > 10
    assert max(sizes) < image.size / 2
    monkeypatch.setattr(augment, "_part_seen", lambda _, matrix, crop: (np.s_[:, :], matrix))
    for seed, (crop, targets) in enumerate(crops):
        whole, whole_targets = crop_and_targets(source, config, np.random.default_rng(seed))
        assert np.abs(crop - whole).max() < 0.1
        assert (targets != whole_targets).mean() < 0.01


@pytest.mark.parametrize("as_is", [True, False])
def test_beyond_a_small_image_lies_background(as_is: bool) -> None:
    """A mirror image would make one nucleus of one that the edge cuts and its reflection."""
    labels = np.zeros((24, 24), int)
    labels[:12] = 1
    image = np.where(labels > 0, 200, 40).astype(np.uint8)
    image[12:15] = 10  # most of the background is brighter
    source = example("a", image, labels)
    assert source.background[0] > 20
    config = dataclasses.replace(CONFIG, crop=192, scale_low=0.9, scale_high=1.1)
    for seed in range(20):
        crop, targets = crop_and_targets(source, config, np.random.default_rng(seed), as_is=as_is)
        assert (targets[..., 0] > 0).mean() < 0.1  # a half where it is mirrored
        if as_is:
            np.testing.assert_allclose(crop[0, 0] * 127.5 + 127.5, source.background, atol=0.01)


def eight_ways(image: np.ndarray) -> list[np.ndarray]:
    turned = [np.rot90(image, times) for times in range(4)]
    return [*turned, *(np.flipud(each) for each in turned)]


def test_a_changed_crop_stays_inside_a_large_image() -> None:
    """However it is turned and stretched; the image is one nucleus, so nothing else is seen."""
    whole = example("a", np.full((600, 600), 9, np.uint8), np.ones((600, 600), int))
    config = dataclasses.replace(CONFIG, scale_low=0.9, scale_high=1.1)
    for seed in range(60):
        _, targets = crop_and_targets(whole, config, np.random.default_rng(seed))
        assert (targets[..., 0] > 0).mean() > 0.99


def one_nucleus(shape: tuple[int, int], where: tuple[slice, slice]) -> Example:
    """A bright one on dark ground."""
    labels = np.zeros(shape, int)
    labels[where] = 1
    return example("one", np.where(labels > 0, 200, 10).astype(np.uint8), labels)


def crops_of(source: Example, crop: int) -> list[tuple[np.ndarray, np.ndarray]]:
    config = TrainConfig(crop=crop)
    return [crop_and_targets(source, config, np.random.default_rng(seed)) for seed in range(200)]


def test_some_crops_get_nuclei_of_another_place() -> None:
    """A crop as large as the image shows its one nucleus, in any corner; a second is added."""
    crops = crops_of(one_nucleus((96, 96), np.s_[4:40, 4:40]), 96)
    counts = [cv2.connectedComponents(targets[..., 0])[0] - 1 for _, targets in crops]
    assert max(counts) == 2
    assert 0.15 < np.mean(np.array(counts) == 2) < 0.35


def test_few_crops_are_inverted() -> None:
    crops = crops_of(one_nucleus((96, 96), np.s_[30:50, 30:50]), 96)
    assert 0.05 < np.mean([np.median(crop) > 0 for crop, _ in crops]) < 0.15


def test_most_crops_show_nuclei_where_these_are_few() -> None:
    crops = crops_of(one_nucleus((600, 600), np.s_[:, :120]), 64)
    assert np.mean([targets[..., 0].any() for _, targets in crops]) > 0.6


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """How image and labels are turned and stretched: (2, 2) matrices."""
    warp, found = cv2.warpAffine, []

    def spy(image: np.ndarray, matrix: np.ndarray, *arguments: object, **named: object) -> object:
        found.append(matrix[:, :2])
        return warp(image, matrix, *arguments, **named)

    monkeypatch.setattr(cv2, "warpAffine", spy)
    return found


def test_half_of_the_changed_crops_are_mirrored(
    turns: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(augment, "UNTOUCHED", 0.0)
    crops_of(one_nucleus((96, 96), np.s_[30:50, 30:50]), 64)
    assert 0.4 < np.mean(np.linalg.det(turns) < 0) < 0.6


def test_a_crop_as_it_is_is_turned_and_mirrored_in_all_eight_ways(turns: list[np.ndarray]) -> None:
    source = one_nucleus((96, 96), np.s_[30:70, 30:70])
    for seed in range(50):
        crop_and_targets(source, CONFIG, np.random.default_rng(seed), as_is=True)
    assert len(np.unique(turns, axis=0)) == 8
    assert np.abs(np.linalg.det(turns)) == pytest.approx(1)


def is_somewhere(image: np.ndarray, mask: np.ndarray, pair: np.ndarray) -> bool:
    """Whether an image and its mask, however turned, lie at one place of both of a pair."""
    width = pair.shape[1] // 2
    both = zip(eight_ways(image), eight_ways(mask), strict=True)
    return any(is_pair(*pieces, pair[:, :width], pair[:, width:]) for pieces in both)


def is_pair(
    image: np.ndarray, mask: np.ndarray, whole_image: np.ndarray, whole_mask: np.ndarray
) -> bool:
    image = np.ascontiguousarray(image)
    found = cv2.matchTemplate(whole_image, image, cv2.TM_SQDIFF)
    _, _, (left, top), _ = cv2.minMaxLoc(found)
    there = (slice(top, top + image.shape[0]), slice(left, left + image.shape[1]))
    difference = np.abs(whole_image[there].astype(int) - image)
    # Roundings differ by one.
    return bool(difference.max() <= 1 and np.array_equal(whole_mask[there], mask))


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


def test_an_example_knows_the_diameter_of_its_nuclei() -> None:
    assert one_nucleus((80, 80), np.s_[10:50, 10:50]).diameter == pytest.approx(45, abs=1)


def test_an_image_without_nuclei_has_a_usual_diameter() -> None:
    empty = np.zeros((40, 40), np.int32)
    assert example("a", empty.astype(np.uint8), empty).diameter == NO_NUCLEI


def test_ids_of_a_whole_slide_are_numbered_anew() -> None:
    """As uint16, 65536 would be background and 65537 the nucleus 1."""
    image, labels = make_image("fluorescence", (64, 64), 1)
    large = np.where(labels > 0, labels.astype(np.int64) + 2**31 - 1 - labels.max(), 0)
    np.testing.assert_array_equal(example("a", image, large).labels > 0, labels > 0)
    assert len(np.unique(example("a", image, large).labels)) == len(np.unique(labels))


def test_more_nuclei_than_can_be_numbered_are_refused() -> None:
    labels = np.arange(2**17).reshape(256, 512)
    with pytest.raises(BadInput, match="131071 nuclei; at most 65535"):
        example("a", np.zeros(labels.shape, np.uint8), labels)

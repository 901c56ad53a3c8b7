"""Batches of crops, drawn ahead of the training step that needs them."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from napari_nucleiseg.config import TrainConfig
from napari_nucleiseg.nn.augment import Example, crop_and_targets

Batch = tuple[np.ndarray, np.ndarray]
_AHEAD = 4
OLD_SHARE = 2 / 3
"""Share of crops from images that the start knows; with 1/2 it unlearned."""
_AS_IS = 0.7
"""Share of crops in the refining steps that are not augmented. The others keep the network
from unlearning other sizes and microscopes."""


def sampling_weights(new: Sequence[Example], old: Sequence[Example] = ()) -> np.ndarray:
    """Give images of rare modalities a larger share, and old images most of the crops.

    Returns
    -------
    (n,) float64
        Those of `new`: inverse square roots of the modality's count. Then those of `old`:
        all alike, `OLD_SHARE` together. All sum to 1.
    """
    counts = collections.Counter(each.modality for each in new)
    weights = np.array([counts[each.modality] ** -0.5 for each in new])
    weights /= weights.sum()
    if not old:
        return weights
    return np.concatenate([(1 - OLD_SHARE) * weights, np.full(len(old), OLD_SHARE / len(old))])


def draw_batch(
    examples: Sequence[Example], weights: np.ndarray, config: TrainConfig, step: int
) -> Batch:
    """Draw the batch of one step; the same step always gives the same batch.

    Returns
    -------
    crops : (batch, crop, crop, 3) float32
    targets : (batch, crop, crop, 3) uint8
    """
    rng = np.random.default_rng((config.seed, step))
    chosen = rng.choice(len(examples), config.batch, p=weights)
    share = _AS_IS if step >= config.steps - config.refine_steps else 0.0
    pairs = [
        crop_and_targets(examples[index], config, rng, as_is=share > 0 and rng.random() < share)
        for index in chosen
    ]
    crops, targets = zip(*pairs, strict=True)
    return np.stack(crops), np.stack(targets)


def batches(
    new: Sequence[Example], old: Sequence[Example], config: TrainConfig, start: int
) -> Iterator[Batch]:
    """Yield the batches of steps `start` to the last, drawn in a thread beforehand.

    Parameters
    ----------
    new, old : sequence of Example
        See `sampling_weights`.
    config : TrainConfig
    start : int
        Steps done before.
    """
    weights, examples = sampling_weights(new, old), [*new, *old]
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        queue: collections.deque[Future[Batch]] = collections.deque()
        following = start
        try:
            for _ in range(start, config.steps):
                while len(queue) < _AHEAD and following < config.steps:
                    queue.append(pool.submit(draw_batch, examples, weights, config, following))
                    following += 1
                yield queue.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

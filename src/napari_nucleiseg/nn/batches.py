"""Batches of crops, drawn ahead of the training step that needs them."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from napari_nucleiseg.config import TrainConfig
from napari_nucleiseg.nn.augment import Example, crop_and_targets

Batch = tuple[np.ndarray, np.ndarray]
AHEAD = 4


def sampling_weights(examples: Sequence[Example]) -> np.ndarray:
    """Give images of rare modalities a larger share.

    Returns
    -------
    (n,) float64
        Inverse square roots of the modality's count, summing to 1.
    """
    counts = collections.Counter(each.modality for each in examples)
    weights = np.array([counts[each.modality] ** -0.5 for each in examples])
    return weights / weights.sum()


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
    pairs = [crop_and_targets(examples[index], config, rng) for index in chosen]
    crops, targets = zip(*pairs, strict=True)
    return np.stack(crops), np.stack(targets)


def batches(examples: Sequence[Example], config: TrainConfig, start: int) -> Iterator[Batch]:
    """Yield the batches of steps `start` to the last, drawn in a thread beforehand."""
    weights = sampling_weights(examples)
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        queue: collections.deque[Future[Batch]] = collections.deque()
        following = start
        try:
            for _ in range(start, config.steps):
                while len(queue) < AHEAD and following < config.steps:
                    queue.append(pool.submit(draw_batch, examples, weights, config, following))
                    following += 1
                yield queue.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

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


def sampling_weights(new: Sequence[Example], old: Sequence[Example] = ()) -> np.ndarray:
    """Give old and new images half of the crops each, and rare modalities a larger share.

    Returns
    -------
    (n,) float64
        Those of `new`, then of `old`; inverse square roots of the modality's count,
        summing to 1.
    """
    parts = [_of_modalities(each) for each in (new, old) if each]
    return np.concatenate(parts) / len(parts)


def _of_modalities(examples: Sequence[Example]) -> np.ndarray:
    counts = collections.Counter(each.modality for each in examples)
    weights = np.array([counts[each.modality] ** -0.5 for each in examples])
    return np.asarray(weights / weights.sum())


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
                while len(queue) < AHEAD and following < config.steps:
                    queue.append(pool.submit(draw_batch, examples, weights, config, following))
                    following += 1
                yield queue.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

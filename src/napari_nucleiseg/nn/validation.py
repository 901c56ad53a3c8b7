"""How good a network is on held-out images, by the labels a person would get."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from napari_nucleiseg.config import DecodeConfig
from napari_nucleiseg.labels import labels_from_maps
from napari_nucleiseg.metrics import AT_50_70_90, Scores, scores
from napari_nucleiseg.nn.augment import Example, network_input
from napari_nucleiseg.overlay import middle

_MULTIPLE = 64  # px: few distinct sizes, so that the network is traced few times
MAX_EDGE = 1024  # px: larger images are cut, which bounds memory
HANDFUL, _HANDFUL_EDGE = 8, 256  # training images to score after an epoch, and their edge [px]
GRID = {
    "foreground": (0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8),
    "distance": (0.1, 0.15, 0.2, 0.25, 0.3, 0.4),
    "border": (0.35, 0.5, 0.65, 0.8, 0.95),
    "merge": (0.6, 0.7, 0.8, 1.0),
    "confidence": (0.0, 0.2, 0.3, 0.4, 0.45, 0.5),
    "min_area": (0, 8, 20, 40),
}


def maps_from_logits(logits: Any) -> Any:
    """Turn a network's logits into the three maps.

    Parameters
    ----------
    logits : (N, H, W, 3) or (N, H, W, 2) tensor
        Of foreground, distance and border; or of the classes background and nucleus.

    Returns
    -------
    (N, H, W, 3) tensor
        In [0, 1]; without distance and border when there were two classes.
    """
    if logits.shape[-1] == 3:
        return keras.ops.sigmoid(logits)
    nucleus = keras.ops.softmax(logits)[..., 1:]
    return keras.ops.concatenate([nucleus, 0 * nucleus, 0 * nucleus], axis=-1)


def predict_example(model: keras.Model, source: Example) -> np.ndarray:
    """Run a network on one example.

    Returns
    -------
    (H, W, 3) uint8
        The maps; 255 is 1.
    """
    height, width = source.image.shape[:2]
    pad = [(0, -height % _MULTIPLE), (0, -width % _MULTIPLE), (0, 0)]
    image = network_input(np.pad(source.image, pad, mode="symmetric"))
    maps = keras.ops.convert_to_numpy(maps_from_logits(model.predict_on_batch(image[None])))
    return np.round(maps[0, :height, :width] * 255).astype(np.uint8)


def validation_crops(examples: Sequence[Example]) -> list[Example]:
    """Cut large examples to their centre, which bounds time and memory of a validation."""
    return [centre(each, MAX_EDGE) for each in examples]


def a_handful(examples: Sequence[Example], most: int = HANDFUL) -> list[Example]:
    """Choose some examples, always the same, and cut them to their centre."""
    picked = np.linspace(0, len(examples) - 1, min(most, len(examples))).astype(int)
    return [centre(examples[index], _HANDFUL_EDGE) for index in picked]


def centre(source: Example, edge: int) -> Example:
    """Cut an example to the square of this edge in its middle; a smaller one is kept."""
    box = middle(source.labels.shape, edge)
    return dataclasses.replace(source, image=source.image[box], labels=source.labels[box])


def score_maps(
    maps: Sequence[np.ndarray], examples: Sequence[Example], decode: DecodeConfig
) -> list[Scores]:
    """Decode maps and score the labels, one `Scores` an example."""
    return [
        scores(each.labels.astype(np.int32), labels_from_maps(each_maps, decode))
        for each_maps, each in zip(maps, examples, strict=True)
    ]


def mean_ap(results: Sequence[Scores]) -> float:
    """Average DSB2018's score over images."""
    return float(np.mean([each.mean_ap for each in results]))


def by_modality(results: Sequence[Scores], examples: Sequence[Example]) -> dict[str, Any]:
    """Average AP at IoU .5, .7 and .9 over the images of each known modality, and over all."""
    groups: dict[str, list[Scores]] = {"all": list(results)}
    for result, each in zip(results, examples, strict=True):
        if each.modality:
            groups.setdefault(each.modality, []).append(result)
    return {
        name: [
            round(float(np.mean([each.ap[index] for each in group])), 4) for index in AT_50_70_90
        ]
        for name, group in groups.items()
    }


def tune_thresholds(
    maps: Sequence[np.ndarray], examples: Sequence[Example], start: DecodeConfig
) -> Iterator[tuple[DecodeConfig, float]]:
    """Search the thresholds with the best mean AP, one of them at a time, twice round.

    Yields
    ------
    best : DecodeConfig
        So far.
    score : float
        Its mean AP.
    """
    best, best_score = start, mean_ap(score_maps(maps, examples, start))
    yield best, best_score
    for _ in range(2):
        before = best
        for name, values in GRID.items():
            for value in values:
                candidate = dataclasses.replace(best, **{name: value})  # type: ignore[arg-type]
                score = mean_ap(score_maps(maps, examples, candidate))
                if score > best_score:
                    best, best_score = candidate, score
                yield best, best_score
        if best == before:
            return

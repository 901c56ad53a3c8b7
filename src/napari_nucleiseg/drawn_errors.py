"""An evaluation that also draws where the model is wrong, and keeps that of every image."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleiseg.error_map import error_map
from napari_nucleiseg.models import Model
from napari_nucleiseg.progress import Progress

if TYPE_CHECKING:
    from napari_nucleiseg.config import PredictConfig
    from napari_nucleiseg.sample import Sample


class PackedErrors:
    """An error map, which is mostly empty, in a few hundred bytes.

    Parameters
    ----------
    drawn : (H, W) uint8
        As `error_map` gives it.
    """

    def __init__(self, drawn: np.ndarray) -> None:
        self._shape, self._data = drawn.shape, zlib.compress(drawn.tobytes(), 1)

    def unpack(self) -> np.ndarray:
        """Give the map, (H, W) uint8; a new one each time."""
        return np.frombuffer(zlib.decompress(self._data), np.uint8).reshape(self._shape).copy()


def evaluate_drawn(
    model: Model, samples: Sequence[Sample], config: PredictConfig
) -> Iterator[Progress]:
    """Evaluate a model with its own thresholds, as `jobs.evaluate` does, and draw the errors.

    Parameters
    ----------
    model : Model
    samples : sequence of Sample
    config : PredictConfig

    Yields
    ------
    Progress
        Those of kind "sample" hold "id" and "drawn" (`PackedErrors`).
    """
    # They bring ONNX Runtime and much of scikit-image, which no dock should wait for when it opens.
    from napari_nucleiseg.jobs import evaluate
    from napari_nucleiseg.predictor import Predictor

    for step in evaluate(samples, Predictor(model), config, model.decode):
        if step.kind == "sample":
            drawn = error_map(step.values["labels_true"], step.values["labels_pred"])
            values = {"id": step.values["id"], "drawn": PackedErrors(drawn)}
            yield replace(step, values=values)
        else:
            yield step

"""What the window asks of a model: one image, or all samples that wait for it.

Generators of `Progress` without Qt, to be run in a worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleiseg.config import DecodeConfig, PredictConfig
from napari_nucleiseg.progress import Progress
from napari_nucleiseg.sample_saving import save_prediction
from napari_nucleiseg.session import Session
from napari_nucleiseg.state import Status

if TYPE_CHECKING:
    from napari_nucleiseg.predictor import Predictor
    from napari_nucleiseg.sample import Sample

Place = tuple["Sample", Path]
"""A sample and the folder where its corrections are written."""


def segment_image(
    read: Callable[[], np.ndarray],
    predictor: Callable[[], Predictor],
    config: PredictConfig,
    decode: DecodeConfig,
) -> Iterator[Progress]:
    """Segment one image.

    Parameters
    ----------
    read : callable
        Gives the image; called in the worker.
    predictor : callable
        Gives the predictor; it may take a while to start.
    config : PredictConfig
    decode : DecodeConfig

    Yields
    ------
    Progress
        Kind "tile" after each tile, and at last "result" with "maps" (H, W, 3) uint8,
        "labels" (H, W) int32, "device" (`Device`) and "model" (`Model`).

    Raises
    ------
    BadInput
        If the image cannot be read or segmented.
    """
    # It brings scikit-image, which no dock should wait for.
    from napari_nucleiseg.labels import labels_from_maps

    image = read()
    network = predictor()
    for step in network.predict_maps(image, config):
        yield Progress(step.done, step.total, "Segmenting", "tile")
    maps = step.values["maps"]
    values = {
        "maps": maps,
        "labels": labels_from_maps(maps, decode),
        "device": network.device,
        "model": network.model,
    }
    yield Progress(step.total, step.total, "Segmented", "result", values)


def samples_to_segment(session: Session) -> list[Place]:
    """List the samples whose labels no person has made, as far as states are known.

    Those without a prediction of the model in use come first, so that a run that was
    cancelled goes on where it stopped.
    """
    dataset, model = session.dataset, session.model.name if session.model else ""
    places = []
    for sample in dataset.samples if dataset else ():
        state = session.state_of(sample)
        by_hand = state.status in (Status.CORRECTED, Status.APPROVED) or sample.mask_paths
        if not by_hand and sample.id not in session.pending:
            is_done = state.status is Status.PREDICTED and state.model == model
            places.append((is_done, (sample, session.folder_of(sample))))
    return [place for _, place in sorted(places, key=lambda each: each[0])]


def segment_samples(
    places: Sequence[Place],
    predictor: Callable[[], Predictor],
    config: PredictConfig,
    decode: DecodeConfig,
) -> Iterator[Progress]:
    """Segment samples and keep each prediction on the disk as soon as it is made.

    Parameters
    ----------
    places : sequence of (Sample, Path)
    predictor : callable
        Gives the predictor.
    config : PredictConfig
    decode : DecodeConfig

    Yields
    ------
    Progress
        As `jobs.predict_samples`; those of kind "sample" also hold "state", the
        `SampleState` now on the disk, and "model".

    Raises
    ------
    SaveFailed
        If the disk does not take a prediction: the next one would fail too.
    """
    from napari_nucleiseg.jobs import predict_samples

    network = predictor()
    model = network.model
    for step in predict_samples([sample for sample, _ in places], network, config, decode):
        if step.kind == "sample":
            sample, folder = places[step.done - 1]
            state = save_prediction(sample, folder, step.values["labels"], model.name)
            step = replace(step, values={**step.values, "state": state, "model": model})
        yield step

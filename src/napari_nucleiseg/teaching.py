"""Maps to learn from that a model gives itself when it has more time than a user will have.

Distillation (Hinton et al. 2015, Distilling the knowledge in a neural network), with the
model that is trained on as its own teacher (Furlanello et al. 2018, Born again neural
networks). Looking twice, it sees outlines that one look misses, and no annotator's habits.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_nucleiseg.config import PredictConfig
from napari_nucleiseg.models import Model
from napari_nucleiseg.predictor import Predictor
from napari_nucleiseg.progress import Progress

if TYPE_CHECKING:
    from napari_nucleiseg.nn.augment import Example

_FLIPS: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    lambda image: image,
    lambda image: image[::-1],
    lambda image: image[:, ::-1],
    lambda image: image[::-1, ::-1],
)


def teach(model: Model, examples: Sequence[Example]) -> Generator[Progress, None, list[Example]]:
    """Give each example the maps of a teacher.

    Parameters
    ----------
    model : Model
        The teacher. Each image is predicted with fine detail, and so are its mirror images;
        the mean counts.
    examples : sequence of Example

    Yields
    ------
    Progress
        Kind "read", one an example.

    Returns
    -------
    list of Example
        The same with `taught`.

    Raises
    ------
    BadInput
        If the model is refused.
    """
    predictor, found = Predictor(model), []
    for done, each in enumerate(examples, start=1):
        maps = [flip(_maps(predictor, flip(each.image))) for flip in _FLIPS]
        mean = np.asarray(np.round(np.mean(maps, axis=0)), np.uint8)
        found.append(replace(each, taught=mean))
        yield Progress(done, len(examples), "Asking the teacher", "read")
    return found


def _maps(predictor: Predictor, image: np.ndarray) -> np.ndarray:
    (*_, last) = predictor.predict_maps(np.ascontiguousarray(image), PredictConfig(detail=True))
    return np.asarray(last.values["maps"])

"""Segmenting an array in one call, for scripts and notebooks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_nucleiseg.config import SHIPPED, DecodeConfig, PredictConfig
from napari_nucleiseg.labels import labels_from_maps
from napari_nucleiseg.models import find_model
from napari_nucleiseg.predictor import Predictor


def segment(
    image: np.ndarray,
    model: str | Path | Predictor = SHIPPED,
    config: PredictConfig | None = None,
    decode: DecodeConfig | None = None,
) -> np.ndarray:
    """Segment the nuclei of one image.

    Parameters
    ----------
    image : (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)
        Of any real dtype and any size; a fourth channel is alpha and does not count.
    model : str, Path or Predictor
        Name or folder of a model. A `Predictor` is started once for many images.
    config : PredictConfig, optional
        Size of the nuclei, detail and tiles.
    decode : DecodeConfig, optional
        Thresholds; by default those that were tuned for the model.

    Returns
    -------
    (H, W) int32
        Nucleus ids 1..n; 0 is background. The window and the command line give the same.

    Raises
    ------
    BadInput
        If there is no such model, or the image is none.

    Examples
    --------
    Many images with one start of the network::

        predictor = Predictor(find_model("nuclei"))
        labels = [segment(image, predictor) for image in images]
    """
    predictor = model if isinstance(model, Predictor) else Predictor(find_model(model))
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[2] == 4:
        image = image[..., :3]
    *_, last = predictor.predict_maps(image, config)
    return labels_from_maps(last.values["maps"], decode or predictor.model.decode)

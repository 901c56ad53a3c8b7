"""Weights for the encoder of a network that starts without a model of its own kind."""

from __future__ import annotations

import numpy as np

from napari_nucleiseg.config import SHIPPED
from napari_nucleiseg.models import Model, find_model, read_weights


def find_encoder(model: str = "") -> tuple[dict[str, np.ndarray], Model | None, str]:
    """Find trained weights for a MobileNetV2 encoder.

    Parameters
    ----------
    model : str
        Name or path of the model to take them from. When empty, ImageNet's weights are
        downloaded; where that fails, the shipped model's are taken.

    Returns
    -------
    weights : dict of str to float32 array
        By Keras' path of each weight.
    source : Model, or None
        The model that they are of; None for ImageNet's.
    note : str
        Where they are from, for a person: "ImageNet, ..." or "of the model ...".

    Raises
    ------
    BadInput
        If there is no such model, or it has no such encoder.
    """
    from napari_nucleiseg.nn.classic import encoder_part, imagenet_encoder

    weights = None if model else imagenet_encoder()
    if weights is not None:
        return weights, None, "ImageNet, downloaded by Keras"
    source = find_model(model or SHIPPED)
    why = "" if model else ", because ImageNet's weights could not be downloaded"
    return encoder_part(read_weights(source)), source, f"of the model {source.name}{why}"

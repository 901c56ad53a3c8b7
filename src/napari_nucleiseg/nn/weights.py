"""Weights of a network as plain named arrays."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from napari_nucleiseg.errors import BadInput

Arrays = dict[str, np.ndarray]


def weights_of(model: keras.Model) -> Arrays:
    """Copy the weights out of a network, keyed by Keras' path of each."""
    return {each.path: keras.ops.convert_to_numpy(each.value).copy() for each in model.weights}


def set_weights(model: keras.Model, weights: Mapping[str, np.ndarray]) -> None:
    """Put weights into a network; nothing is changed unless all of them fit.

    Raises
    ------
    BadInput
        If names or shapes differ from the network's, or a value is not finite.
    """
    wanted = {each.path: tuple(each.shape) for each in model.weights}
    got = {name: value.shape for name, value in weights.items()}
    if got != wanted:
        odd = sorted(set(got.items()) ^ set(wanted.items()))[0]
        raise BadInput(
            f"The weights do not fit the network {model.name}: {odd[0]} {odd[1]} is in the "
            "file or in the network, but not in both; use weights that were saved by the same "
            "network."
        )
    for name, value in weights.items():
        if not np.isfinite(value).all():
            raise BadInput(f"The weights of {name} are not finite; train or copy the model again.")
    for each in model.weights:
        each.assign(weights[each.path])

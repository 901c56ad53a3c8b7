"""How likely something is, by its features and the weights that were fitted to them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import expit


def likelihood(features: Mapping[str, np.ndarray], weights: Mapping[str, float]) -> np.ndarray:
    """Give the likelihoods of a logistic regression.

    Parameters
    ----------
    features : mapping of str to (n,) float64
    weights : mapping of str to float
        Of each feature, and "constant".

    Returns
    -------
    (n,) float64
        In [0, 1].
    """
    logits = weights["constant"] + sum(weights[name] * each for name, each in features.items())
    return np.asarray(expit(logits))

from __future__ import annotations

import numpy as np
import pytest

from napari_nucleiseg.likelihood import likelihood

WEIGHTS = {"size": 2.0, "border": -1.0, "constant": 0.5}


def test_what_the_features_say_is_added_up() -> None:
    found = likelihood({"size": np.array([1.0, 0.0]), "border": np.array([0.5, 0.5])}, WEIGHTS)
    np.testing.assert_allclose(found, [1 / (1 + np.exp(-2)), 0.5])


def test_it_stays_between_0_and_1_however_sure_it_is() -> None:
    found = likelihood({"size": np.array([-1e6, 1e6])}, WEIGHTS)
    np.testing.assert_array_equal(found, [0, 1])


def test_a_feature_without_a_weight_is_an_error() -> None:
    with pytest.raises(KeyError, match="peak"):
        likelihood({"peak": np.ones(3)}, WEIGHTS)

from __future__ import annotations

import dataclasses

import pytest

from napari_nucleiseg.config import DecodeConfig, PredictConfig, RecipeConfig, TrainConfig

CONFIGS = (DecodeConfig, PredictConfig, TrainConfig, RecipeConfig)


@pytest.mark.parametrize("config", CONFIGS)
def test_every_parameter_is_described_and_its_default_is_allowed(config: type) -> None:
    for each in dataclasses.fields(config):
        assert each.metadata["help"].endswith("."), each.name
        low, high = each.metadata["low"], each.metadata["high"]
        assert low is None or low <= each.default <= high, each.name


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"foreground": 1.5}, "foreground is 1.5; expected 0.95 or less"),
        ({"min_area": -1}, "min_area is -1; expected 0 or more"),
        ({"min_area": 2.5}, "expected a int"),
        ({"distance": "much"}, "expected a float"),
        ({"distance": True}, "expected a float"),
        ({"border": float("nan")}, "border is nan"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(values: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DecodeConfig(**values)


def test_a_choice_that_is_none_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match="mobilenetv2-unet"):
        TrainConfig(network="resnet")


def test_a_whole_number_is_a_float() -> None:
    assert PredictConfig(diameter=30).diameter == 30


def test_a_network_takes_multiples_of_32_alone() -> None:
    with pytest.raises(ValueError, match="crop is 100; expected a multiple of 32"):
        TrainConfig(crop=100)
    with pytest.raises(ValueError, match="edge is 100; expected a multiple of 32"):
        RecipeConfig(edge=100)
